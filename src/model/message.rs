//! One accepted submission, and its recipients.

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::envelope::{DsnRet, ForwardPath};
use crate::model::outcome::RecipientState;
use crate::model::statistics::Day;
use crate::model::stream::Stream;
use crate::model::unsubscribe::SCOPE;

/// The way a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Smtp,
    Rest,
    Campaign,
    Sequence,
}

impl Source {
    /// The word used in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Rest => "rest",
            Self::Campaign => "campaign",
            Self::Sequence => "sequence",
        }
    }

    /// From the store's word; an unknown one is taken for SMTP.
    pub fn from_word(word: &str) -> Self {
        [Self::Rest, Self::Campaign, Self::Sequence].into_iter().find(|s| s.as_str() == word).unwrap_or(Self::Smtp)
    }
}

/// Whether opens and clicks are to be tracked; `None` leaves it to the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    pub opens: Option<bool>,
    pub clicks: Option<bool>,
}

/// A name and a value that the sender attached.
pub type Tag = (String, String);

/// The row of one message, as it stood at acceptance; the MIME bytes live apart. Text holds no U+0000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: Id,
    pub team: Id,
    pub key: Option<Id>,
    pub stream: Stream,
    pub source: Source,
    /// Captured, never sent, whatever the route.
    pub sandbox: bool,
    /// `None` is the null reverse-path.
    pub reverse_path: Option<String>,
    pub smtputf8: bool,
    /// The bytes hold octets above 127.
    pub eight_bit: bool,
    pub ret: Option<DsnRet>,
    pub envid: Option<String>,
    /// The From mailbox's address, in its comparable form.
    pub from: String,
    /// Header values, decoded, as a reader shows them.
    pub from_header: String,
    pub to_header: String,
    pub cc_header: String,
    pub reply_to: String,
    pub subject: String,
    /// With angle brackets, as in the header.
    pub message_id: String,
    pub tags: Vec<Tag>,
    pub tracking: Tracking,
    /// The template that its subject and its bodies were made from.
    pub template: Option<Id>,
    /// What a template is filled with: a JSON object's text.
    pub variables: Option<String>,
    pub ignore_unsubscribe: bool,
    /// Not to be attempted before.
    pub send_at: Option<Timestamp>,
    /// How many recipients it was accepted for, those left out included.
    pub recipients: usize,
    /// Octets of the MIME bytes.
    pub size: u64,
    pub created_at: Timestamp,
}

impl Message {
    /// One for one recipient that has nothing of its own yet: transactional, under the null reverse-path, with empty fields.
    pub fn bare(id: Id, team: Id, created_at: Timestamp) -> Self {
        Self {
            id,
            team,
            key: None,
            stream: Stream::Transactional,
            source: Source::Smtp,
            sandbox: false,
            reverse_path: None,
            smtputf8: false,
            eight_bit: false,
            ret: None,
            envid: None,
            from: String::new(),
            from_header: String::new(),
            to_header: String::new(),
            cc_header: String::new(),
            reply_to: String::new(),
            subject: String::new(),
            message_id: String::new(),
            tags: Vec::new(),
            tracking: Tracking::default(),
            template: None,
            variables: None,
            ignore_unsubscribe: false,
            send_at: None,
            recipients: 1,
            size: 0,
            created_at,
        }
    }

    /// When it may be attempted first.
    pub fn due_from(&self) -> Timestamp {
        self.send_at.map_or(self.created_at, |at| at.max(self.created_at))
    }

    /// Whether it is kept from readers who unsubscribed.
    pub fn heeds_wishes(&self) -> bool {
        self.stream == SCOPE && !self.ignore_unsubscribe
    }

    /// The domain of the From mailbox: A-labels, lower case; empty when there is none.
    pub fn sender_domain(&self) -> &str {
        self.from.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether it tells when it is shown: as its sender said, else as its stream has it; never in the sandbox.
    pub fn tracks_opens(&self) -> bool {
        self.tracks(self.tracking.opens)
    }

    /// The same of its links.
    pub fn tracks_clicks(&self) -> bool {
        self.tracks(self.tracking.clicks)
    }

    fn tracks(&self, asked: Option<bool>) -> bool {
        !self.sandbox && asked.unwrap_or(self.stream == Stream::Broadcast)
    }

    /// Whether each recipient's copy says something of its own, so that no two share a transaction.
    pub fn is_per_recipient(&self) -> bool {
        !self.sandbox && self.stream == Stream::Broadcast || self.tracks_opens() || self.tracks_clicks()
    }

    /// Recipients that share a transaction where the next hop takes `most`; at least one.
    pub fn recipients_at_once(&self, most: u32) -> usize {
        if self.is_per_recipient() { 1 } else { most.max(1) as usize }
    }

    /// The day that statistics count it under.
    pub fn day(&self) -> Day {
        if self.sandbox { Day::NONE } else { Day::at(self.created_at) }
    }

    /// That day, when it has one recipient only.
    pub fn lone_day(&self) -> Option<Day> {
        (self.recipients == 1).then(|| self.day())
    }
}

/// One forward-path of a message, with its own fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Place in the message, from 0.
    pub index: i64,
    pub path: ForwardPath,
    pub state: RecipientState,
    /// Attempts ended so far.
    pub attempts: i64,
    /// When it may be attempted next.
    pub next_attempt_at: Timestamp,
    /// The last reply, as one line; empty when there was none.
    pub last_reply: String,
    /// When the state last changed.
    pub updated_at: Timestamp,
}

/// MIME bytes whose place in the shared budget of message bytes is given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Bytes,
    _held: Option<std::sync::Arc<tokio::sync::OwnedSemaphorePermit>>,
}

impl Body {
    /// Bytes that count against no budget.
    pub fn free(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), _held: None }
    }

    /// Bytes that hold `permit` for as long as they live.
    pub fn held(bytes: impl Into<Bytes>, permit: std::sync::Arc<tokio::sync::OwnedSemaphorePermit>) -> Self {
        Self { bytes: bytes.into(), _held: Some(permit) }
    }

    /// The same budget for other bytes: for what is made out of these.
    pub fn replaced(&self, bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), _held: self._held.clone() }
    }

    /// Bytes made out of these that may be more, counted against the same budget; `None` when it has no room for them now.
    pub fn grown(&self, bytes: impl Into<Bytes>) -> Option<Self> {
        let bytes = bytes.into();
        let Some(held) = &self._held else { return Some(Self::free(bytes)) };
        let octets = u32::try_from(bytes.len()).ok()?;
        let permit = held.semaphore().clone().try_acquire_many_owned(octets).ok()?;
        Some(Self::held(bytes, std::sync::Arc::new(permit)))
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::ops::Deref for Body {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
