//! What a session asks of its driver.

use std::sync::Arc;

use crate::door::keyring::Denied;
use crate::model::address::Address;
use crate::model::key::{ApiKey, Secret};
use crate::model::refusal::Refusal;
use crate::model::submission::Submission;

/// What the driver does next. Waiting output is written, in one write, before `Read`, `StartTls`, `Close` and whatever waits
/// for long: `Authenticate`, `Submit`, `Reserve` that may wait. `Begin` and `Address` need no write before them, so that the
/// replies to a pipelined group leave together (RFC 2920 section 3.2).
#[derive(Debug)]
pub enum Action {
    /// Read from the peer, then [`Session::input`](super::Session::input).
    Read,
    /// Shake hands, then [`Session::secured`](super::Session::secured).
    StartTls,
    /// Take `octets` permits (one an octet) of the budget of message bytes, then
    /// [`Session::memory_granted`](super::Session::memory_granted) or [`Session::memory_refused`](super::Session::memory_refused).
    /// With `may_wait` the peer is in the middle of a message: leave the socket unread and wait a while.
    Reserve { octets: u32, may_wait: bool },
    /// Ask the keyring, then [`Session::authenticated`](super::Session::authenticated). The driver slows down failures.
    Authenticate(Secret),
    /// MAIL: recheck the key, ask intake whether it may begin, then [`Session::begun`](super::Session::begun).
    Begin { key: Arc<ApiKey>, declared_size: Option<u64>, null_sender: bool },
    /// RCPT under a strict key: ask intake, then [`Session::addressed`](super::Session::addressed).
    Address { key: Arc<ApiKey>, address: Address },
    /// Hand it to intake, then [`Session::submitted`](super::Session::submitted).
    Submit(Box<Submission>),
    /// Write what waits and close.
    Close,
}

/// Why a transaction could not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// The key no longer opens the door, or the store can't say.
    Denied(Denied),
    Refused(Refusal),
}

/// What the session waits to read, which decides timeout and socket mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A command, while no transaction is open.
    Command {
        authenticated: bool,
    },
    /// A command of the open transaction, before its message.
    Envelope,
    Sasl,
    /// Message octets, be they kept or thrown away, and the command between two chunks of them.
    Data,
}
