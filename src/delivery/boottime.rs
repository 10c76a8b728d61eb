//! A clock that never stands still or jumps, injectable: it counts while the machine is suspended, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time since the machine started. Clones of a manual one share their hands.
#[derive(Clone, Debug, Default)]
pub enum Boottime {
    /// `CLOCK_BOOTTIME`.
    #[default]
    System,
    /// Milliseconds that a test sets.
    Manual(Arc<AtomicU64>),
}

impl Boottime {
    /// A clock that stands still until [`Boottime::advance`].
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicU64::new(1_000)))
    }

    /// How long the machine has been up, suspension included.
    pub fn now(&self) -> Duration {
        match self {
            Self::System => system(),
            Self::Manual(hands) => Duration::from_millis(hands.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the system's can't be moved.
    pub fn advance(&self, span: Duration) {
        if let Self::Manual(hands) = self {
            hands.fetch_add(u64::try_from(span.as_millis()).unwrap_or(0), Ordering::SeqCst);
        }
    }
}

fn system() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    // Elsewhere the monotonic clock is the nearest there is.
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
