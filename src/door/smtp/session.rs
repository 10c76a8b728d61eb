//! The session: bytes in, replies out, and requests for the outside world. No I/O, no clock, no store.
//!
//! The driver's loop: `input` what was read, then call `next` and obey until it says [`Action::Read`] or [`Action::Close`].
//! An action that asks for something is answered by the method named at it before `next` is called again.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::OwnedSemaphorePermit;

use crate::door::keyring::Denied;
use crate::door::smtp::settings::Settings;
use crate::model::address::Address;
use crate::model::key::{ApiKey, Secret};
use crate::model::refusal::Refusal;
use crate::model::submission::{Receipt, Submission};

/// Whom the session talks to, and what it may offer.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: IpAddr,
    pub tls: Tls,
    /// AUTH is taken without TLS.
    pub cleartext_auth: bool,
    /// The key under which this peer submits with no AUTH.
    pub trusted: Option<Arc<ApiKey>>,
}

/// How the connection stands to TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Neither in use nor offered.
    Absent,
    /// STARTTLS is offered. With `required`, MAIL is refused before it.
    Offered { required: bool },
    /// STARTTLS is configured, but its certificate can't be loaded.
    Broken,
    /// In use, with its version and cipher suite: `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    Active(String),
}

/// Why a peer is turned away before a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    Draining,
    TooManyConnections,
}

/// What the driver does next. Waiting output is written, in one write, before `Read`, `StartTls`, `Close` and whatever waits
/// for long: `Authenticate`, `Submit`, `Reserve` that may wait. `Begin` and `Address` need no write before them, so that the
/// replies to a pipelined group leave together (RFC 2920 section 3.2).
#[derive(Debug)]
pub enum Action {
    /// Read from the peer, then [`Session::input`].
    Read,
    /// Shake hands, then [`Session::secured`].
    StartTls,
    /// Take `octets` permits (one an octet) of the budget of message bytes, then [`Session::memory_granted`] or
    /// [`Session::memory_refused`]. With `may_wait` the peer is in the middle of a message: leave the socket unread and wait a while.
    Reserve { octets: u32, may_wait: bool },
    /// Ask the keyring, then [`Session::authenticated`]. The driver slows down failures.
    Authenticate(Secret),
    /// MAIL: recheck the key, ask intake whether it may begin, then [`Session::begun`].
    Begin { key: Arc<ApiKey>, declared_size: Option<u64>, null_sender: bool },
    /// RCPT under a strict key: ask intake, then [`Session::addressed`].
    Address { key: Arc<ApiKey>, address: Address },
    /// Hand it to intake, then [`Session::submitted`].
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
    Command {
        authenticated: bool,
    },
    Sasl,
    /// Message octets, be they kept or thrown away.
    Data,
}

/// One connection's conversation.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A session that begins with the greeting.
    pub fn new(_settings: Arc<Settings>, _peer: Peer) -> Self {
        todo!()
    }

    /// All that a peer hears that gets no session.
    pub fn refuse(_settings: &Settings, _busy: Busy) -> BytesMut {
        todo!()
    }

    /// Takes bytes read from the peer. Read 4 to 64 KiB at a time, and only when told to: that is what bounds the memory held here.
    pub fn input(&mut self, _bytes: &[u8]) {
        todo!()
    }

    /// Replies that wait to be written.
    pub fn output(&mut self) -> &mut BytesMut {
        todo!()
    }

    /// What to do now.
    pub fn next(&mut self) -> Action {
        todo!()
    }

    /// Answers [`Action::Reserve`]: the permits are kept until the message is given up or stored.
    pub fn memory_granted(&mut self, _permit: OwnedSemaphorePermit) {
        todo!()
    }

    /// Answers [`Action::Reserve`]: none to be had. The message is refused with 452 4.3.1, once it is read.
    pub fn memory_refused(&mut self) {
        todo!()
    }

    /// Answers [`Action::Authenticate`].
    pub fn authenticated(&mut self, _result: Result<Arc<ApiKey>, Denied>) {
        todo!()
    }

    /// Answers [`Action::Begin`], with the key as it is now.
    pub fn begun(&mut self, _result: Result<Arc<ApiKey>, NotBegun>) {
        todo!()
    }

    /// Answers [`Action::Address`].
    pub fn addressed(&mut self, _result: Result<(), Refusal>) {
        todo!()
    }

    /// Answers [`Action::Submit`].
    pub fn submitted(&mut self, _result: Result<Receipt, Refusal>) {
        todo!()
    }

    /// Answers [`Action::StartTls`] after the handshake: a fresh session, into which nothing of this one passes (RFC 3207 section 4.2).
    /// `facts` is version and cipher suite.
    pub fn secured(self, _facts: String) -> Self {
        todo!()
    }

    /// The peer was silent for too long: 421 4.4.2, and the next action is `Close`.
    pub fn idle(&mut self) {
        todo!()
    }

    /// The message came too slowly: 421 4.4.2, and the next action is `Close`.
    pub fn too_slow(&mut self) {
        todo!()
    }

    /// The server closes: 421 4.3.2 and `Close`, at once between transactions, else as soon as the transaction ends.
    pub fn drain(&mut self) {
        todo!()
    }

    /// What a read is for.
    pub fn reading(&self) -> Reading {
        todo!()
    }

    /// The key of the peer that logged in or is trusted: for limits and logs.
    pub fn key(&self) -> Option<&Arc<ApiKey>> {
        todo!()
    }
}
