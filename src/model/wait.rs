//! Why a recipient that is open waits.

use std::fmt;

use crate::clock::Timestamp;

/// What an open recipient waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Its turn: it is due, and the next engine that has room takes it.
    Turn,
    /// An engine has it: it is being attempted, or waits there for its destination.
    Engine { name: String, alive: bool },
    /// Its destination had no room for it: a limit, or a suspension.
    Room { why: String, until: Timestamp },
    /// The next attempt after those that failed.
    Retry { attempts: i64, last_reply: String, until: Timestamp },
    /// The time that its sender chose.
    SendAt { until: Timestamp },
    /// A release; `why` says what it is held for.
    Release { why: String },
}

impl Wait {
    /// One word for it, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Engine { .. } => "engine",
            Self::Room { .. } => "room",
            Self::Retry { .. } => "retry",
            Self::SendAt { .. } => "send_at",
            Self::Release { .. } => "release",
        }
    }

    /// When it ends by itself, where that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Room { until, .. } | Self::Retry { until, .. } | Self::SendAt { until } => Some(*until),
            Self::Turn | Self::Engine { .. } | Self::Release { .. } => None,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn => f.write_str("ready: the next engine with room takes it"),
            Self::Engine { name, alive: true } => {
                write!(f, "in the hands of engine {name}: attempted now, or next in its line there")
            }
            Self::Engine { name, alive: false } => write!(f, "engine {name} had it, and is dead: another takes it over"),
            Self::Room { why, until } => write!(f, "put off until {}: {why}", until.rfc3339()),
            Self::Retry { attempts: 1, last_reply, until } => {
                write!(f, "retry at {}, after 1 attempt: {last_reply}", until.rfc3339())
            }
            Self::Retry { attempts, last_reply, until } => {
                write!(f, "retry at {}, after {attempts} attempts: {last_reply}", until.rfc3339())
            }
            Self::SendAt { until } => write!(f, "scheduled for {}", until.rfc3339()),
            Self::Release { why } => write!(f, "held: {why}"),
        }
    }
}
