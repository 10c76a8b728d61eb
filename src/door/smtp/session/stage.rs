//! Two concerns, two enums: what may come next (the stage, holding its data, so that a message without recipients can't be
//! written) and how the next octets are to be read (the framing). A third says what the session waits for from outside.

use crate::door::smtp::session::incoming::Content;
use crate::door::smtp::session::incoming::Incoming;
use crate::door::smtp::session::sasl::Exchange;
use crate::door::smtp::session::transaction::{Addressed, Transaction};
use crate::model::stream::Stream;
use crate::wire::command::{Chunk, MailFrom, RcptTo};
use crate::wire::dot::DotReader;

/// How far the mail transaction is.
#[derive(Debug, Default)]
pub enum Stage {
    /// None is open.
    #[default]
    Idle,
    Mail(Box<Transaction>),
    Rcpt(Box<Addressed>),
    /// Between two chunks of BDAT.
    Chunks(Box<Incoming>),
}

/// How the next octets are read.
#[derive(Debug)]
pub enum Framing {
    Line,
    /// The rest of a line that was too long; so many octets of it are still borne.
    LineRest {
        bearable: usize,
    },
    Sasl(Exchange),
    Data {
        dot: DotReader,
        content: Content,
        ended: bool,
    },
    Chunk {
        left: u64,
        chunk: Chunk,
        content: Content,
    },
    /// Nothing is read any more.
    Closed,
}

/// What was asked of the driver and is not answered yet, with what hangs on it.
#[derive(Debug, Default)]
pub enum Waiting {
    #[default]
    Nothing,
    Login(Option<Stream>),
    Begin(Box<MailFrom>),
    Address(Stage, Box<RcptTo>),
    /// Room for more recipients.
    EnvelopeRoom,
    /// Room for the first octets of a message: by DATA, or by a chunk.
    Room(Box<Addressed>, Option<Chunk>),
    /// Room for more of the message that is being read.
    MoreRoom,
    Receipt,
}
