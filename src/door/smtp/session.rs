//! The session: bytes in, replies out, and requests for the outside world. No I/O, no clock, no store.
//!
//! The driver's loop: [`Session::input`] what was read, then call [`Session::next_action`] and obey until it says [`Action::Read`] or
//! [`Action::Close`]. An action that asks for something is answered by the method named at it before that is called again.

mod action;
mod auth;
mod commands;
mod content;
mod envelope;
mod incoming;
mod peer;
mod sasl;
mod stage;
mod tally;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

pub use action::{Action, NotBegun, Reading};
pub use peer::{Busy, Peer, Tls};

use crate::door::keyring::Denied;
use crate::door::smtp::replies;
use crate::door::smtp::settings::Settings;
use crate::model::key::ApiKey;
use crate::model::refusal::Refusal;
use crate::model::submission::Receipt;
use crate::wire::command::{self, Command, CommandError};
use crate::wire::line::{self, Line};
use crate::wire::reply::Reply;
use auth::Login;
use stage::{Framing, Stage, Waiting};
use tally::Tally;

/// Octets of a line that are read away after its limit; one that goes on ends the connection.
const BEARABLE: usize = 64 * 1024;

/// How the client greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hello {
    Helo,
    Ehlo,
}

/// One connection's conversation.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    peer: Peer,
    inbound: BytesMut,
    outbound: BytesMut,
    hello: Option<Hello>,
    login: Login,
    stage: Stage,
    framing: Framing,
    waiting: Waiting,
    tally: Tally,
    /// It has handed in mail under the null reverse-path, as mail systems do.
    sends_null: bool,
    draining: bool,
}

impl Session {
    /// A session that begins with the greeting.
    pub fn new(settings: Arc<Settings>, peer: Peer) -> Self {
        let mut session = Self::ungreeted(settings, peer);
        session.say(&replies::greeting(&session.settings.clone()));
        session
    }

    fn ungreeted(settings: Arc<Settings>, peer: Peer) -> Self {
        Self {
            settings,
            login: Login::at_first(&peer),
            peer,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            hello: None,
            stage: Stage::Idle,
            framing: Framing::Line,
            waiting: Waiting::Nothing,
            tally: Tally::default(),
            sends_null: false,
            draining: false,
        }
    }

    /// All that a peer hears that gets no session.
    pub fn refuse(settings: &Settings, busy: Busy) -> BytesMut {
        let mut bytes = BytesMut::new();
        replies::busy(settings, busy).write(&mut bytes);
        bytes
    }

    /// Takes bytes read from the peer. Read 4 to 64 KiB at a time, and only when told to: that is what bounds the memory held here.
    pub fn input(&mut self, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
    }

    /// Replies that wait to be written.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.outbound
    }

    /// What to do now.
    pub fn next_action(&mut self) -> Action {
        debug_assert!(matches!(self.waiting, Waiting::Nothing), "an action was not answered");
        loop {
            let step = match self.framing {
                Framing::Line => self.line(),
                Framing::LineRest { bearable } => self.line_rest(bearable),
                Framing::Sasl(_) => self.sasl_line(),
                Framing::Data { .. } => self.data(),
                Framing::Chunk { .. } => self.chunk(),
                Framing::Closed => Some(Action::Close),
            };
            if let Some(action) = step {
                return action;
            }
        }
    }

    /// Answers [`Action::Reserve`]: the permits are kept until the message is given up or stored.
    pub fn memory_granted(&mut self, permit: OwnedSemaphorePermit) {
        self.room_granted(permit);
    }

    /// Answers [`Action::Reserve`]: none to be had. The message is refused with 452 4.3.1, once it is read.
    pub fn memory_refused(&mut self) {
        self.room_refused();
    }

    /// Answers [`Action::Authenticate`].
    pub fn authenticated(&mut self, result: Result<Arc<ApiKey>, Denied>) {
        self.login_result(result);
    }

    /// Answers [`Action::Begin`], with the key as it is now.
    pub fn begun(&mut self, result: Result<Arc<ApiKey>, NotBegun>) {
        self.begin_result(result);
    }

    /// Answers [`Action::Address`].
    pub fn addressed(&mut self, result: Result<(), Refusal>) {
        self.address_result(result);
    }

    /// Answers [`Action::Submit`].
    pub fn submitted(&mut self, result: Result<Receipt, Refusal>) {
        self.submit_result(result);
    }

    /// Answers [`Action::StartTls`] after the handshake: a fresh session, into which nothing of this one passes (RFC 3207 section 4.2).
    /// `facts` is version and cipher suite.
    pub fn secured(self, facts: String) -> Self {
        let peer = Peer { tls: Tls::Active(facts), ..self.peer };
        Self { draining: self.draining, ..Self::ungreeted(self.settings, peer) }
    }

    /// The peer was silent for too long: 421 4.4.2, and the next action is `Close`.
    pub fn idle(&mut self) {
        self.end(&replies::idle());
    }

    /// The message came too slowly: 421 4.4.2, and the next action is `Close`.
    pub fn too_slow(&mut self) {
        self.end(&replies::too_slow());
    }

    /// The server closes: 421 4.3.2 and `Close`, at once between transactions, else as soon as the transaction ends.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// What a read is for.
    pub fn reading(&self) -> Reading {
        match self.framing {
            Framing::Data { .. } | Framing::Chunk { .. } => Reading::Data,
            Framing::Sasl(_) => Reading::Sasl,
            _ => match self.stage {
                Stage::Idle => Reading::Command { authenticated: self.key().is_some() },
                Stage::Mail(_) | Stage::Rcpt(_) => Reading::Envelope,
                Stage::Chunks(_) => Reading::Data,
            },
        }
    }

    /// The key of the peer that logged in or is trusted: for limits and logs.
    pub fn key(&self) -> Option<&Arc<ApiKey>> {
        self.login.key()
    }

    // What follows is for the parts of the session.

    /// One command line, if it has come.
    fn line(&mut self) -> Option<Action> {
        if self.draining && matches!(self.stage, Stage::Idle) {
            return self.end(&replies::closing_down());
        }
        if let Some(action) = self.ask_for_envelope_room() {
            return Some(action);
        }
        let limit = self.line_limit();
        match line::take(&mut self.inbound, limit) {
            Line::Whole(line) => match Command::parse(&line) {
                Ok(command) => self.obey(command),
                Err(error) => self.complain(&error),
            },
            _ if command::is_other_protocol(&self.inbound) => self.complain(&CommandError::OtherProtocol),
            Line::Partial => self.read(),
            Line::TooLong => self.line_too_long(),
        }
    }

    /// AUTH may carry an initial response that is longer than other commands are (RFC 4954 section 4).
    fn line_limit(&self) -> usize {
        match self.inbound.get(..5) {
            Some(verb) if verb.eq_ignore_ascii_case(b"AUTH ") => sasl::LINE_MAX,
            _ => self.settings.command_line,
        }
    }

    /// After a BDAT whose count was not read, what follows can't be told from commands.
    fn line_too_long(&mut self) -> Option<Action> {
        if command::is_chunk(&self.inbound) {
            return self.end(&replies::line_too_long());
        }
        self.framing = Framing::LineRest { bearable: BEARABLE };
        self.fail(&replies::line_too_long())
    }

    fn line_rest(&mut self, bearable: usize) -> Option<Action> {
        let (ended, dropped) = line::skip(&mut self.inbound);
        if dropped > bearable {
            return self.end(&replies::too_many_errors());
        }
        if ended {
            self.framing = Framing::Line;
            return None;
        }
        self.framing = Framing::LineRest { bearable: bearable - dropped };
        Some(Action::Read)
    }

    fn read(&mut self) -> Option<Action> {
        if self.inbound.is_empty() {
            // An idle session holds no buffer.
            self.inbound = BytesMut::new();
        }
        Some(Action::Read)
    }

    fn complain(&mut self, error: &CommandError) -> Option<Action> {
        match error {
            CommandError::OtherProtocol | CommandError::ChunkSize => self.end(&replies::command_error(error)),
            _ => self.fail(&replies::command_error(error)),
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.outbound);
    }

    /// Says an error of the client's, which counts.
    fn fail(&mut self, reply: &Reply) -> Option<Action> {
        self.say(reply);
        if self.tally.error(&self.settings) {
            return self.end(&replies::too_many_errors());
        }
        None
    }

    /// Says something that brings no mail forward, which counts when it happens a thousand times.
    fn idle_about(&mut self, reply: &Reply) -> Option<Action> {
        self.say(reply);
        if self.tally.idling() {
            return self.end(&replies::too_much_idling());
        }
        None
    }

    /// Says the last word.
    fn end(&mut self, reply: &Reply) -> Option<Action> {
        self.say(reply);
        self.stage = Stage::Idle;
        self.waiting = Waiting::Nothing;
        self.framing = Framing::Closed;
        self.inbound.clear();
        Some(Action::Close)
    }

    /// Drops the first `count` octets that came in.
    fn consume(&mut self, count: usize) {
        self.inbound.advance(count);
    }
}
