//! A connection in conversation: commands out, replies in, each within its bounds and its deadline.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::error::{ClientError, Step};
use crate::delivery::client::extensions::Extensions;
use crate::delivery::client::reply::{self, ServerReply};
use crate::delivery::client::stream::{Heard, Stream};
use crate::delivery::security::Protection;
use crate::model::hop::Peer;

/// An open connection to a next hop.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// Of the peer; the kernel is asked once.
    address: Option<IpAddr>,
    /// The name that was dialled.
    pub(super) host: String,
    /// What came and was not read yet.
    inbox: Vec<u8>,
    /// What is to be written in one go; kept for its capacity.
    pub(super) outbox: Vec<u8>,
    pub(super) deadlines: Arc<Deadlines>,
    /// When the final dot of the transaction under way has to be said.
    pub(super) ends: Option<Instant>,
    pub(super) extensions: Extensions,
    /// A transaction was begun and not ended: RSET is due before the next.
    pub(super) in_transaction: bool,
    /// Out of step, refused with 421, or failed: not to be used again.
    broken: bool,
    transactions: u32,
    pub(super) transactions_max: u32,
    pub(super) protection: Protection,
    /// What our end was bound to.
    pub(super) source: Option<IpAddr>,
}

impl Connection {
    /// A conversation that begins on `stream`; nothing was said yet.
    pub fn new(stream: Stream, deadlines: Arc<Deadlines>) -> Self {
        Self {
            address: stream.peer().ok().map(|peer| peer.ip().to_canonical()),
            stream,
            host: String::new(),
            inbox: Vec::with_capacity(512),
            outbox: Vec::with_capacity(1024),
            deadlines,
            ends: None,
            extensions: Extensions::default(),
            in_transaction: false,
            broken: false,
            transactions: 0,
            transactions_max: u32::MAX,
            protection: Protection::default(),
            source: None,
        }
    }

    /// What the peer offered.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether secrets may be said here: encrypted, or within this machine.
    pub fn is_private(&self) -> bool {
        self.stream.is_encrypted() || self.is_loopback()
    }

    /// Whether the peer is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.address.is_some_and(|address| address.is_loopback())
    }

    /// The peer, as the record of an attempt names it.
    pub fn peer(&self) -> Peer {
        Peer { host: self.host.clone(), address: self.peer_address(), protection: Some(self.protection.to_string()) }
    }

    /// The address of the peer.
    pub fn peer_address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The address our end was bound to; `None`: the system chose one.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether TLS is spoken.
    pub fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// What protects what is said here.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Transactions begun here.
    pub fn transactions(&self) -> u32 {
        self.transactions
    }

    pub(super) fn begin_transaction(&mut self) {
        self.transactions += 1;
        self.in_transaction = true;
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Gives up the conversation for its transport, when nothing unread is left of it (RFC 3207 section 4.2: what came in the clear
    /// after the reply to STARTTLS was never ours to use).
    pub(super) fn into_transport(self) -> Result<(Stream, Arc<Deadlines>), ClientError> {
        if self.inbox.is_empty() { Ok((self.stream, self.deadlines)) } else { Err(ClientError::OutOfTurn(Step::StartTls)) }
    }

    /// Whether another transaction may begin: there were not too many, nothing went wrong, and the peer has been silent since its last reply. A peer that
    /// said something unasked is gone (421, the end) or out of step, and its next replies could not be told apart.
    pub async fn is_usable(&mut self) -> bool {
        !self.broken && self.transactions < self.transactions_max && self.listen().await == Heard::Nothing
    }

    /// What has come unasked.
    pub(super) async fn listen(&mut self) -> Heard {
        if self.inbox.is_empty() { self.stream.listen(&mut self.inbox).await } else { Heard::Octets }
    }

    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Says one command and reads its reply. The line must hold no CR or LF.
    pub async fn command(&mut self, line: &str, step: Step) -> Result<ServerReply, ClientError> {
        self.outbox.clear();
        self.outbox.extend_from_slice(line.as_bytes());
        self.outbox.extend_from_slice(b"\r\n");
        self.flush(step).await?;
        self.reply(step).await
    }

    /// Writes what is in the outbox, and empties it.
    pub(super) async fn flush(&mut self, step: Step) -> Result<(), ClientError> {
        let patience = self.within_transaction(step, self.deadlines.block);
        let written = timeout(patience, self.stream.write(&self.outbox)).await;
        self.outbox.clear();
        let failure = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => ClientError::Closed(step),
            Err(_) => ClientError::Timeout(step),
        };
        self.broken = true;
        Err(failure)
    }

    /// The next reply, within the step's deadline.
    pub(super) async fn reply(&mut self, step: Step) -> Result<ServerReply, ClientError> {
        self.reply_within(step, self.within_transaction(step, self.deadlines.reply(step))).await
    }

    /// So much patience with a step, as far as the transaction has time for it. With the final dot it begins anew: who gives up there
    /// may send twice.
    fn within_transaction(&self, step: Step, patience: Duration) -> Duration {
        let ends = self.ends.filter(|_| step != Step::Dot);
        ends.map_or(patience, |ends| patience.min(ends.saturating_duration_since(Instant::now())))
    }

    /// The next reply, within `patience`. After a failure the connection is not used again.
    pub(super) async fn reply_within(&mut self, step: Step, patience: Duration) -> Result<ServerReply, ClientError> {
        let reply = match self.parse_inbox(step) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => timeout(patience, self.read_reply(step)).await.unwrap_or(Err(ClientError::Timeout(step))),
            Err(bad) => Err(bad),
        };
        // RFC 5321 section 3.8: 421 may answer any command, and the peer closes after it.
        self.broken |= !matches!(&reply, Ok(reply) if reply.code != 421);
        reply
    }

    async fn read_reply(&mut self, step: Step) -> Result<ServerReply, ClientError> {
        loop {
            match self.stream.read(&mut self.inbox).await {
                Ok(octets) if octets > 0 => {}
                _ => return Err(ClientError::Closed(step)),
            }
            if let Some(reply) = self.parse_inbox(step)? {
                return Ok(reply);
            }
        }
    }

    fn parse_inbox(&mut self, step: Step) -> Result<Option<ServerReply>, ClientError> {
        let parsed = reply::parse(&self.inbox).map_err(|bad| ClientError::Garbled(step, bad))?;
        Ok(parsed.map(|(reply, octets)| {
            self.inbox.drain(..octets);
            reply
        }))
    }

    /// Says goodbye (RFC 5321 section 4.1.1.10) and closes, without insisting on an answer.
    pub async fn quit(mut self) {
        let patience = self.deadlines.quit;
        if !self.broken {
            let _ = timeout(patience, self.command("QUIT", Step::Reset)).await;
        }
        let _ = timeout(patience, self.stream.shutdown()).await;
    }
}
