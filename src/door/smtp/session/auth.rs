//! AUTH (RFC 4954): who the peer is.

use std::sync::Arc;

use super::sasl::{self, Step};
use super::stage::{Framing, Stage, Waiting};
use super::{Action, Peer, Session};
use crate::door::keyring::Denied;
use crate::door::smtp::replies;
use crate::model::key::{ApiKey, Secret};
use crate::model::stream::Stream;
use crate::wire::command::InitialResponse;
use crate::wire::line::{self, Line};

/// Whom the session knows its peer to be.
#[derive(Clone, Debug)]
pub enum Login {
    Nobody,
    /// The last attempt failed, and why.
    Failed(&'static str),
    /// In a network that needs no AUTH.
    Trusted(Arc<ApiKey>),
    Authenticated(Arc<ApiKey>, Option<Stream>),
}

impl Login {
    /// Before anything is said.
    pub fn at_first(peer: &Peer) -> Self {
        peer.trusted.clone().map_or(Self::Nobody, Self::Trusted)
    }

    pub fn key(&self) -> Option<&Arc<ApiKey>> {
        match self {
            Self::Trusted(key) | Self::Authenticated(key, _) => Some(key),
            Self::Nobody | Self::Failed(_) => None,
        }
    }

    /// Whether it came by AUTH.
    pub fn is_authenticated(&self) -> bool {
        matches!(self, Self::Authenticated(..))
    }

    /// The stream that the user name named.
    pub fn stream(&self) -> Option<Stream> {
        match self {
            Self::Authenticated(_, stream) => *stream,
            _ => None,
        }
    }

    /// The same, with the key as it is now.
    pub fn renewed(&self, key: Arc<ApiKey>) -> Self {
        match self {
            Self::Authenticated(_, stream) => Self::Authenticated(key, *stream),
            _ => Self::Trusted(key),
        }
    }
}

impl Session {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<InitialResponse>) -> Option<Action> {
        let exchange = sasl::begin(mechanism);
        let complaint = if self.hello.is_none() {
            replies::out_of_order("say EHLO first")
        } else if matches!(self.login, Login::Authenticated(..)) {
            replies::out_of_order("authenticated already")
        } else if !matches!(self.stage, Stage::Idle) {
            // RFC 4954 section 4.
            replies::out_of_order("a transaction is open")
        } else if !self.peer.may_authenticate() {
            // Said before the response is looked at, so that it says nothing about the key.
            replies::auth_needs_tls()
        } else if exchange.is_none() {
            replies::unknown_mechanism()
        } else {
            return exchange.and_then(|exchange| match initial {
                None => self.sasl_step(exchange.ask()),
                // RFC 4954 section 4: "=" is the empty initial response.
                Some(InitialResponse(text)) if text == "=" => self.sasl_step(exchange.response(b"")),
                Some(InitialResponse(text)) => self.sasl_step(exchange.response(text.as_bytes())),
            });
        };
        self.fail(&complaint)
    }

    /// One response, if it has come.
    pub(super) fn sasl_line(&mut self) -> Option<Action> {
        let line = match line::take(&mut self.inbound, sasl::LINE_MAX) {
            Line::Whole(line) => line,
            Line::Partial => return Some(Action::Read),
            Line::TooLong => return self.line_too_long(),
        };
        match std::mem::replace(&mut self.framing, Framing::Line) {
            Framing::Sasl(_) if line == b"*"[..] => self.fail(&replies::auth_cancelled()),
            Framing::Sasl(exchange) => self.sasl_step(exchange.response(&line)),
            _ => None,
        }
    }

    fn sasl_step(&mut self, step: Step) -> Option<Action> {
        match step {
            Step::Challenge(base64, exchange) => {
                self.framing = Framing::Sasl(exchange);
                self.say(&replies::challenge(base64));
                None
            }
            Step::Credentials(credentials) => {
                self.waiting = Waiting::Login(credentials.stream());
                Some(Action::Authenticate(credentials.secret))
            }
            Step::Malformed => self.fail(&replies::bad_base64()),
            // No key's text is empty: the keyring says no, and that is held back as any other failure is.
            Step::Denied => {
                self.waiting = Waiting::Login(None);
                Some(Action::Authenticate(Secret::from_text("")))
            }
        }
    }

    pub(super) fn login_result(&mut self, result: Result<Arc<ApiKey>, Denied>) {
        let Waiting::Login(stream) = std::mem::take(&mut self.waiting) else { return };
        match result {
            Ok(key) => {
                self.login = Login::Authenticated(key, stream);
                self.say(&replies::authenticated());
            }
            Err(Denied::Unavailable) => {
                self.login = Login::Failed(replies::denied_because(&Denied::Unavailable));
                self.say(&replies::denied(&Denied::Unavailable));
            }
            Err(denied) => {
                self.login_failed(&denied);
            }
        }
    }

    /// A trusted peer that tried to be somebody else is nobody from then on.
    fn login_failed(&mut self, denied: &Denied) -> Option<Action> {
        self.login = Login::Failed(replies::denied_because(denied));
        self.say(&replies::denied(denied));
        if self.tally.failed_login(&self.settings) {
            return self.end(&replies::too_many_failed_logins());
        }
        None
    }
}
