//! What a door hands to intake, and what it gets back.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::controls::Controls;
use crate::model::envelope::Envelope;
use crate::model::key::ApiKey;
use crate::model::message::{Body, Message, Source};
use crate::model::quirk::Quirk;
use crate::model::stream::Stream;

/// One message offered for acceptance.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The key it came under; its team owns the message.
    pub key: Arc<ApiKey>,
    pub source: Source,
    pub envelope: Envelope,
    /// The message, every line ended by CRLF.
    pub mime: Body,
    /// What is asked for besides, where that was said apart from the message; `None`: its control fields say so.
    pub controls: Option<Controls>,
    /// The stream that the login named (`apikey+broadcast`); a header goes before it.
    pub login_stream: Option<Stream>,
    pub transport: Transport,
    /// What the door found odd in it, and mended.
    pub quirks: Vec<Quirk>,
}

/// How it came, for the Received field (RFC 5321 section 4.4). Neither address nor EHLO: those stay in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// `ESMTPSA` and its kin (RFC 3848), `UTF8SMTPSA` (RFC 6531), or `HTTP`.
    pub protocol: &'static str,
    /// `TLSv1.3 TLS13_AES_256_GCM_SHA384`, when it came by TLS.
    pub tls: Option<String>,
}

/// Accepted, and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub id: Id,
    /// Set when this repeats an earlier submission: nothing new was queued, and `id` is the first one's.
    pub replay_of: Option<Replay>,
    /// Recipients that mail is kept from; each has a `rejected` event.
    pub left_out: LeftOut,
    /// Forward-paths offered, those left out included.
    pub recipients: usize,
    /// The row as it was accepted now; a repeat has none, since the first one's may have changed.
    pub record: Option<Arc<Message>>,
}

/// Addresses as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub suppressed: Vec<String>,
    /// From what was sent.
    pub unsubscribed: Vec<String>,
}

impl LeftOut {
    /// Whether it holds this address.
    pub fn holds(&self, address: &str) -> bool {
        self.suppressed.iter().chain(&self.unsubscribed).any(|other| other == address)
    }
}

/// The earlier submission that this one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    pub accepted_at: Timestamp,
    /// Known by its bytes and Message-ID, not by a key that the client gave.
    pub automatic: bool,
}
