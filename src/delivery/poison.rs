//! Messages that make their own attempt panic: kept from taking anything else with them, and given up after a few times.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;

use crate::id::Id;

/// Panics after which a message is given up.
const PANICS_MAX: u32 = 3;
/// Messages remembered.
const REMEMBERED_MAX: usize = 10_000;

/// The attempt panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs `work`; a panic inside ends it alone. What it borrowed must be thrown away after a panic.
pub async fn guarded<F: Future>(work: F) -> Result<F::Output, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

/// How often each message made its attempt panic, since this process began.
#[derive(Debug, Default)]
pub struct Poison(Mutex<HashMap<Id, u32>>);

impl Poison {
    /// Counts a panic. True: the message is to be given up.
    pub fn tasted(&self, message: Id) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if counts.len() >= REMEMBERED_MAX && !counts.contains_key(&message) {
            counts.clear();
        }
        let count = counts.entry(message).or_default();
        *count += 1;
        let enough = *count >= PANICS_MAX;
        if enough {
            counts.remove(&message);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::Ids;

    #[tokio::test]
    async fn a_panic_ends_the_work_alone() {
        let silent = async { std::panic::resume_unwind(Box::new("poison")) };
        assert_eq!(guarded::<std::pin::Pin<Box<dyn Future<Output = ()>>>>(Box::pin(silent)).await, Err(Panicked));
        assert_eq!(guarded(async { 7 }).await, Ok(7));
    }

    #[test]
    fn the_third_panic_is_the_last() {
        let (poison, ids) = (Poison::default(), Ids::counting(Clock::System));
        let (bad, other) = (ids.next(), ids.next());
        assert_eq!(
            [poison.tasted(bad), poison.tasted(other), poison.tasted(bad), poison.tasted(bad)],
            [false, false, false, true]
        );
    }
}
