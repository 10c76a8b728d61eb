//! DATA and BDAT: the message itself. Both read into the same [`Content`], and both read on to the end of what they refuse.

use tokio::sync::OwnedSemaphorePermit;

use super::incoming::{self, Content, Incoming};
use super::stage::{Framing, Stage, Waiting};
use super::transaction::Addressed;
use super::{Action, Hello, Session};
use crate::door::smtp::replies;
use crate::model::refusal::Refusal;
use crate::model::submission::{Receipt, Transport};
use crate::wire::command::Chunk;
use crate::wire::dot::DotReader;
use crate::wire::reply::Reply;

/// A refused chunk up to this size is read away, so that the client hears why; nobody sends a larger one.
const CHUNK_MAX: u64 = 1 << 30;

impl Session {
    pub(super) fn begin_data(&mut self) -> Option<Action> {
        match std::mem::take(&mut self.stage) {
            Stage::Rcpt(addressed) => Some(self.ask_for_room(addressed, None)),
            // RFC 3030 section 2: the two can't be mixed.
            Stage::Chunks(incoming) => {
                self.stage = Stage::Chunks(incoming);
                self.fail(&replies::out_of_order("the message has begun with BDAT"))
            }
            // The message is on its way already: it must not be taken for commands (RFC 2920 section 3.1).
            _ if !self.inbound.is_empty() && self.hello.is_some() => {
                self.read_data(Content::Discard(replies::no_valid_recipients()));
                None
            }
            Stage::Idle => self.fail(&replies::out_of_order("say MAIL and RCPT first")),
            stage => {
                self.stage = stage;
                self.fail(&replies::no_valid_recipients())
            }
        }
    }

    pub(super) fn begin_chunk(&mut self, chunk: Chunk) -> Option<Action> {
        if chunk.octets > CHUNK_MAX {
            return self.end(&replies::refused(&replies::too_large(self.settings.max_message_size)));
        }
        let limit = self.settings.max_message_size;
        let refused = match std::mem::take(&mut self.stage) {
            Stage::Rcpt(addressed) if chunk.octets <= limit => return Some(self.ask_for_room(addressed, Some(chunk))),
            Stage::Chunks(incoming) if chunk.octets.saturating_add(incoming.octets()) <= limit => {
                self.read_chunk(chunk, Content::Keep(incoming));
                return None;
            }
            Stage::Rcpt(_) | Stage::Chunks(_) => replies::refused(&replies::too_large(limit)),
            Stage::Mail(_) => replies::no_valid_recipients(),
            Stage::Idle => replies::out_of_order("say MAIL and RCPT first"),
        };
        self.read_chunk(chunk, Content::Discard(refused));
        None
    }

    fn ask_for_room(&mut self, addressed: Box<Addressed>, chunk: Option<Chunk>) -> Action {
        let octets = incoming::first_helping(&addressed, &self.settings);
        self.waiting = Waiting::Room(addressed, chunk);
        Action::Reserve { octets, may_wait: false }
    }

    pub(super) fn room_granted(&mut self, permit: OwnedSemaphorePermit) {
        match std::mem::take(&mut self.waiting) {
            Waiting::Room(addressed, chunk) => {
                let content = Content::Keep(Box::new(Incoming::new(*addressed, permit, &self.settings)));
                match chunk {
                    None => self.read_data(content),
                    Some(chunk) => self.read_chunk(chunk, content),
                }
            }
            Waiting::EnvelopeRoom => {
                if let Stage::Rcpt(addressed) = &mut self.stage {
                    addressed.grow(permit);
                }
            }
            Waiting::MoreRoom => {
                if let Framing::Data { content, .. } | Framing::Chunk { content, .. } = &mut self.framing {
                    content.grow(permit);
                }
            }
            _ => {}
        }
    }

    pub(super) fn room_refused(&mut self) {
        match std::mem::take(&mut self.waiting) {
            Waiting::Room(_, Some(chunk)) => self.read_chunk(chunk, Content::Discard(replies::no_room())),
            Waiting::Room(_, None) if self.inbound.is_empty() => self.say(&replies::no_room()),
            Waiting::Room(_, None) => self.read_data(Content::Discard(replies::no_room())),
            Waiting::EnvelopeRoom => {
                if let Stage::Rcpt(addressed) = &mut self.stage {
                    addressed.close();
                }
            }
            Waiting::MoreRoom => {
                if let Framing::Data { content, .. } | Framing::Chunk { content, .. } = &mut self.framing {
                    *content = Content::Discard(replies::no_room());
                }
            }
            _ => {}
        }
    }

    fn read_data(&mut self, content: Content) {
        self.say(&replies::send_it());
        self.framing = Framing::Data { dot: DotReader::default(), content, ended: false };
    }

    fn read_chunk(&mut self, chunk: Chunk, content: Content) {
        self.framing = Framing::Chunk { left: chunk.octets, chunk, content };
    }

    /// Reads message data up to CRLF "." CRLF.
    pub(super) fn data(&mut self) -> Option<Action> {
        let Framing::Data { dot, content, ended } = &mut self.framing else { return None };
        if let Some(octets) = content.shortage(*ended) {
            return Some(self.ask_for_more(octets));
        }
        if *ended {
            let content = self.take_content()?;
            return self.conclude(content);
        }
        if self.inbound.is_empty() {
            return self.read();
        }
        let progress = dot.read(&self.inbound, |octets| content.read(octets));
        *ended = progress.ended;
        self.consume(progress.used);
        None
    }

    /// Reads a chunk of BDAT, by count.
    pub(super) fn chunk(&mut self) -> Option<Action> {
        let Framing::Chunk { left, chunk, content } = &mut self.framing else { return None };
        if let Some(octets) = content.shortage(*left == 0 && chunk.last) {
            return Some(self.ask_for_more(octets));
        }
        if *left == 0 {
            let chunk = *chunk;
            let content = self.take_content()?;
            return self.chunk_read(chunk, content);
        }
        if self.inbound.is_empty() {
            return self.read();
        }
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(self.inbound.len());
        content.read(&self.inbound[..count]);
        *left -= count as u64;
        self.consume(count);
        None
    }

    fn ask_for_more(&mut self, octets: u32) -> Action {
        self.waiting = Waiting::MoreRoom;
        Action::Reserve { octets, may_wait: true }
    }

    fn take_content(&mut self) -> Option<Content> {
        match std::mem::replace(&mut self.framing, Framing::Line) {
            Framing::Data { content, .. } | Framing::Chunk { content, .. } => Some(content),
            _ => None,
        }
    }

    fn chunk_read(&mut self, chunk: Chunk, content: Content) -> Option<Action> {
        match content {
            Content::Keep(incoming) if !chunk.last => {
                self.stage = Stage::Chunks(incoming);
                let ok = replies::chunk_ok(chunk.octets);
                if chunk.octets == 0 {
                    return self.idle_about(&ok);
                }
                self.say(&ok);
                None
            }
            content => self.conclude(content),
        }
    }

    /// The message is read.
    fn conclude(&mut self, content: Content) -> Option<Action> {
        let incoming = match content {
            Content::Keep(incoming) => incoming,
            Content::Discard(reply) => return self.turn_away(&reply),
        };
        let transport = self.transport(incoming.smtputf8());
        match incoming.submission(transport) {
            Ok(submission) => {
                self.waiting = Waiting::Receipt;
                Some(Action::Submit(Box::new(submission)))
            }
            Err(refusal) => self.idle_about(&replies::refused(&refusal)),
        }
    }

    /// Wrong order is an error; a message that is refused for itself is none.
    fn turn_away(&mut self, reply: &Reply) -> Option<Action> {
        if reply.enhanced == Some("5.5.1") { self.fail(reply) } else { self.idle_about(reply) }
    }

    pub(super) fn submit_result(&mut self, result: Result<Receipt, Refusal>) {
        let Waiting::Receipt = std::mem::take(&mut self.waiting) else { return };
        match result {
            Ok(receipt) => {
                self.tally.accepted();
                self.say(&replies::queued(&receipt));
            }
            Err(refusal) => {
                self.idle_about(&replies::refused(&refusal));
            }
        }
    }

    /// How it came: the words of RFC 3848 and RFC 6531 section 4.3.
    fn transport(&self, smtputf8: bool) -> Transport {
        let (tls, auth) = (self.peer.is_secured(), self.login.is_authenticated());
        let protocol = match (self.hello, smtputf8, tls, auth) {
            (Some(Hello::Helo), _, false, false) => "SMTP",
            (_, true, false, false) => "UTF8SMTP",
            (_, true, false, true) => "UTF8SMTPA",
            (_, true, true, false) => "UTF8SMTPS",
            (_, true, true, true) => "UTF8SMTPSA",
            (_, false, false, false) => "ESMTP",
            (_, false, false, true) => "ESMTPA",
            (_, false, true, false) => "ESMTPS",
            (_, false, true, true) => "ESMTPSA",
        };
        Transport { protocol, tls: self.peer.tls_facts() }
    }
}
