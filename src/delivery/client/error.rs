//! Where a conversation with a next hop stands, and how it can fail there.

use std::fmt;

use crate::delivery::client::reply::{BadReply, ServerReply};
use crate::delivery::security::TlsResult;

/// A step of the conversation; each has its own deadline, and its own meaning when it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Connect,
    Greeting,
    Hello,
    StartTls,
    Auth,
    Reset,
    Mail,
    Rcpt,
    Data,
    /// The content, up to but without its end.
    Content,
    /// The end of the content, by the final dot or by the length told before: whoever answers 250 here has the message.
    Dot,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Content => "the content",
            Self::Dot => "the final dot",
        })
    }
}

/// Why a conversation ended, or did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No address of the host takes a connection.
    #[error("no connection to {peer}: {cause}")]
    Unreachable { peer: String, cause: String },
    #[error("no answer in time at {0}")]
    Timeout(Step),
    #[error("the connection ended at {0}")]
    Closed(Step),
    /// What came is no SMTP reply, or more than any reply may be.
    #[error("no proper reply at {0}: {1}")]
    Garbled(Step, BadReply),
    /// A reply that no answer to this step can be: the peer is out of step.
    #[error("out of step at {0}: {1}")]
    OutOfStep(Step, ServerReply),
    /// Octets came where the peer had to be silent.
    #[error("the peer spoke out of turn at {0}")]
    OutOfTurn(Step),
    /// The peer refused the connection itself (greeting, EHLO, STARTTLS, AUTH) or ends it (421).
    #[error("refused at {0}: {1}")]
    Refused(Step, ServerReply),
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// TLS is required, and the peer's certificate does not satisfy what is asked of it.
    #[error("the TLS handshake failed: {0}: {1}")]
    Untrusted(TlsResult, String),
    /// What is configured can't be had without giving up its protection.
    #[error("{0}")]
    Insecure(String),
}

impl ClientError {
    /// The peer's reply, when it was one that decided.
    pub fn reply(&self) -> Option<&ServerReply> {
        match self {
            Self::Refused(_, reply) | Self::OutOfStep(_, reply) => Some(reply),
            _ => None,
        }
    }

    /// Whether it may concern the connection alone, where that has carried mail before: it may have gone stale, or the peer takes no more
    /// over it (421: many do so after a number of messages). What the peer has to say to a new one is another matter.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Timeout(_) | Self::Refused(..))
    }
}
