//! How far a long command has come, on standard error: over and over on one line of a terminal, elsewhere a line now and then.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two lines that stay.
const NOW_AND_THEN: Duration = Duration::from_secs(10);
/// Between two that take each other's place.
const OFTEN: Duration = Duration::from_millis(200);

/// When it was last said.
#[derive(Debug)]
pub struct Progress {
    is_terminal: bool,
    said: Instant,
}

impl Progress {
    /// It begins now, and a short command says nothing.
    pub fn begin() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), said: Instant::now() }
    }

    /// Says it, unless it was said just now.
    pub fn say(&mut self, text: impl FnOnce() -> String) {
        let pause = if self.is_terminal { OFTEN } else { NOW_AND_THEN };
        if self.said.elapsed() < pause {
            return;
        }
        self.said = Instant::now();
        let (before, after) = if self.is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let mut out = io::stderr().lock();
        // Nobody's work fails because nobody looks at it.
        let _ = write!(out, "{before}{}{after}", text()).and_then(|()| out.flush());
    }

    /// Leaves a clean line behind.
    pub fn end(self) {
        if self.is_terminal {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
