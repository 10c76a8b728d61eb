//! A message on its way in: its octets, its place in the memory budget, and what speaks against it already.

use tokio::sync::OwnedSemaphorePermit;

use crate::config::BareNewlines;
use crate::door::smtp::replies;
use crate::door::smtp::session::transaction::Addressed;
use crate::door::smtp::settings::Settings;
use crate::model::message::{Body, Source};
use crate::model::quirk::Quirk;
use crate::model::refusal::Refusal;
use crate::model::submission::{Submission, Transport};
use crate::wire::newline::Newlines;
use crate::wire::reply::Reply;

/// Octets reserved for a message that did not say how large it is; what is reserved doubles from there.
const FIRST: u64 = 16 * 1024;
/// The most that is reserved on the word of SIZE alone: who declares much and sends nothing keeps nobody out.
const FIRST_MOST: u64 = 1024 * 1024;
/// Octets of a message after which it gets all the address space that it may need, so that it is not copied again and again as it
/// grows. Pages that are not written to cost no memory.
const LONG: usize = 1024 * 1024;

/// Octets beyond its size that a message may run to before it is seen to be too large: one read, and the line ends mended in it.
const SLACK: usize = 64 * 1024;

/// What becomes of the octets that are read.
#[derive(Debug)]
pub enum Content {
    Keep(Box<Incoming>),
    /// Thrown away, up to the same end as if they were kept; then this is said.
    Discard(Reply),
}

/// A message that is being kept.
#[derive(Debug)]
pub struct Incoming {
    addressed: Addressed,
    body: Vec<u8>,
    /// What SIZE promised.
    declared: Option<u64>,
    newlines: Newlines,
    permit: OwnedSemaphorePermit,
    limit: u64,
    refuse_bare: bool,
}

/// Octets to reserve before the first is read: what SIZE promised, as far as it is believed, or a little.
pub fn first_helping(addressed: &Addressed, settings: &Settings) -> u32 {
    let declared = addressed.transaction.mail.parameters.size.unwrap_or(FIRST);
    permits(declared.min(settings.max_message_size).clamp(1, FIRST_MOST))
}

fn permits(octets: u64) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

impl Content {
    /// Reads content octets.
    pub fn read(&mut self, octets: &[u8]) {
        if let Self::Keep(incoming) = self
            && let Err(refusal) = incoming.read(octets)
        {
            *self = Self::Discard(replies::refused(&refusal));
        }
    }

    /// What must be reserved before going on, if anything.
    pub fn shortage(&self, ended: bool) -> Option<u32> {
        match self {
            Self::Keep(incoming) => incoming.shortage(ended),
            Self::Discard(_) => None,
        }
    }

    /// Takes what was reserved.
    pub fn grow(&mut self, permit: OwnedSemaphorePermit) {
        if let Self::Keep(incoming) = self {
            incoming.grow(permit);
        }
    }
}

impl Incoming {
    /// An empty message that may hold `permit` octets.
    pub fn new(addressed: Addressed, permit: OwnedSemaphorePermit, settings: &Settings) -> Self {
        Self {
            declared: addressed.transaction.mail.parameters.size,
            addressed,
            body: Vec::new(),
            newlines: Newlines::default(),
            permit,
            limit: settings.max_message_size,
            refuse_bare: settings.bare_newlines == BareNewlines::Refuse,
        }
    }

    /// Octets kept so far.
    pub fn octets(&self) -> u64 {
        self.body.len() as u64
    }

    fn read(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        self.make_room(octets.len());
        self.newlines.read(octets, &mut self.body);
        self.fault().map_or(Ok(()), Err)
    }

    /// A long message gets its whole room at once; a short one grows by doubling, if it came in more than one read.
    fn make_room(&mut self, octets: usize) {
        let len = self.body.len();
        if self.body.capacity() - len >= octets {
            return;
        }
        if len < LONG {
            return self.body.reserve(octets);
        }
        let whole = self.declared.unwrap_or(self.limit).min(self.limit);
        let rest = usize::try_from(whole).unwrap_or(usize::MAX).saturating_sub(len);
        if rest >= octets {
            // What a read brings beyond the limit is seen only after it was kept.
            self.body.reserve_exact(rest.saturating_add(SLACK));
        }
    }

    /// What speaks against the message; of several faults the first, so that it does not matter in which pieces it came.
    fn fault(&self) -> Option<Refusal> {
        let found = self.newlines.found();
        let size = self.body.len().saturating_add(self.newlines.pending());
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let faults = [
            (found.nul, replies::holds_nul as fn() -> Refusal),
            (found.bare.filter(|_| self.refuse_bare), replies::bare_newline),
        ];
        let first = faults.into_iter().filter_map(|(at, refusal)| Some((at?, refusal))).min_by_key(|(at, _)| *at);
        match first {
            Some((at, refusal)) if at <= limit => Some(refusal()),
            _ => (size > limit).then(|| replies::too_large(self.limit)),
        }
    }

    /// One read may run ahead of what is reserved; then this says how much more is wanted.
    fn shortage(&self, ended: bool) -> Option<u32> {
        let held = self.permit.num_permits() as u64;
        let missing = self.octets().checked_sub(held).filter(|&missing| missing > 0)?;
        let ahead = if ended { 0 } else { held.min(self.limit.saturating_sub(held)) };
        Some(permits(missing.max(ahead)))
    }

    fn grow(&mut self, permit: OwnedSemaphorePermit) {
        self.permit.merge(permit);
    }

    /// The message as a submission. What was reserved beyond its size is given back.
    pub fn submission(mut self, transport: Transport) -> Result<Submission, Refusal> {
        self.newlines.finish(&mut self.body);
        if let Some(refusal) = self.fault() {
            return Err(refusal);
        }
        let surplus = self.permit.num_permits().saturating_sub(self.body.len());
        drop(self.permit.split(surplus));
        let (key, login_stream, envelope, room) = self.addressed.into_parts();
        if let Some(room) = room {
            self.permit.merge(room);
        }
        let mime = Body::held(self.body, std::sync::Arc::new(self.permit));
        let quirks = self.newlines.found().bare.map(|_| Quirk::BareLineEnd).into_iter().collect();
        Ok(Submission { key, source: Source::Smtp, envelope, mime, controls: None, login_stream, transport, quirks })
    }

    /// Whether its envelope was given under SMTPUTF8.
    pub fn smtputf8(&self) -> bool {
        self.addressed.transaction.mail.parameters.smtputf8
    }
}
