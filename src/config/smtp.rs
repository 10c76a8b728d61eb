//! The SMTP door: its listeners and bounds.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, Span};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The name in the greeting, in EHLO's answer and in Received.
    pub hostname: String,
    pub max_message_size: ByteSize,
    /// Whether a repeated Message-ID with the same bytes is taken for a repeat.
    pub automatic_idempotency: bool,
    pub bare_newlines: BareNewlines,
    /// Load balancers whose PROXY protocol v2 header is read.
    pub proxy_protocol: Vec<IpNet>,
    pub listener: Vec<Listener>,
    pub limits: SmtpLimits,
}

/// What becomes of a CR or LF that stands alone in message data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareNewlines {
    /// Each becomes CRLF.
    Normalise,
    /// The message is refused: `550 5.6.0 invalid_message`.
    Refuse,
}

/// One listening socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub address: SocketAddr,
    #[serde(default)]
    pub tls: ListenerTls,
    #[serde(default)]
    pub cleartext_auth: CleartextAuth,
    #[serde(default)]
    pub trusted: Vec<Trusted>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerTls {
    /// STARTTLS when a certificate is configured.
    #[default]
    Auto,
    None,
    Starttls,
    /// TLS from the first byte (465).
    Implicit,
}

/// From whom AUTH is taken without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CleartextAuth {
    Never,
    #[default]
    Loopback,
    Always,
}

/// A network that submits without AUTH, under a key named by its id or name (team `default`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    pub network: IpNet,
    pub key: String,
}

/// Bounds of the SMTP door; what each is for stands in `default.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpLimits {
    pub connections: usize,
    pub connections_per_address: usize,
    pub recipients: usize,
    pub command_line: usize,
    pub header_bytes: ByteSize,
    pub header_fields: usize,
    pub mime_depth: usize,
    pub mime_parts: usize,
    pub errors: u32,
    pub failed_logins: u32,
    pub idle: Span,
    pub idle_before_auth: Span,
    pub transaction: Span,
    /// Octets a second, averaged, below which data is too slow.
    pub minimum_pace: ByteSize,
    /// Message bytes that all sessions and the engine hold together.
    pub buffered: ByteSize,
}
