//! What the operator chose. `default.toml` beside this file documents every key with its default, and is the default.

pub mod check;
mod hidden;
pub mod load;
mod nearest;
pub mod pattern;
pub mod routing;
pub mod shape;
pub mod show;
pub mod source;
pub mod units;
pub mod warmup;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use hidden::Hidden;

use crate::model::bounce::BounceClass;
use crate::model::key::Secret;
use units::{ByteSize, Span};

/// The file that documents every key with its default.
pub const DEFAULT: &str = include_str!("default.toml");

/// The whole configuration. Every field has its default in `default.toml`; no struct here implements `Default`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data_dir: PathBuf,
    /// Empty: SQLite in `data_dir`. Or `sqlite:FILE`, `postgres://...`.
    pub database: Hidden,
    pub public_url: String,
    pub roles: Vec<Role>,
    pub require_verified_domain: AutoBool,
    /// The first key's text instead of a random one; empty: random.
    pub bootstrap_key: Hidden,
    pub smtp: Smtp,
    pub tls: Tls,
    pub http: Http,
    pub inbound: Inbound,
    pub delivery: Delivery,
    pub limits: Limits,
    pub sandbox: Sandbox,
    pub sendmail: Sendmail,
    pub log: Log,
}

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Smtp,
    Http,
    Delivery,
    Events,
}

/// `"auto"`, `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoBool {
    Auto,
    Set(bool),
}

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

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub cert: String,
    pub key: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub address: SocketAddr,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Where reports about our mail come in; empty: nowhere.
    pub address: String,
}

/// How mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Kept and shown, not sent.
    Capture,
    /// To the smarthost of `[delivery.relay]`.
    Relay,
    /// To each recipient's MX.
    Direct,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub route: Route,
    /// EHLO name; empty: the machine's FQDN.
    pub hostname: String,
    /// Attempts in flight at once; by relay also no more than its `max_connections`.
    pub workers: usize,
    /// What destinations are sent at a time, before what ships.
    pub shape: Vec<shape::Shape>,
    /// Which way mail goes; the first that matches decides, else `route`.
    pub rule: Vec<routing::Rule>,
    /// The addresses connections are made from; empty: the system chooses.
    pub source: Vec<warmup::Source>,
    /// Sending domains that warm up.
    pub sender: Vec<warmup::Sender>,
    pub relay: Relay,
    /// Smarthosts beside `relay`, by the names that rules give.
    pub relays: BTreeMap<String, Relay>,
    pub direct: Direct,
    pub dns: Dns,
    pub retry: Retry,
    /// Why mail bounced, asked before the rules that ship.
    pub bounce: Vec<BounceRule>,
}

/// A rule that gives a class to replies; `delivery/bounce/rules.toml` tells how they are read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BounceRule {
    pub class: BounceClass,
    #[serde(default)]
    pub code: Vec<u16>,
    #[serde(default)]
    pub status: Vec<String>,
    #[serde(default)]
    pub text: Vec<String>,
}

/// Delivery to each recipient's MX.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direct {
    pub port: u16,
    /// Whether an MX may lie on loopback, in a private network and the like.
    pub allow_private_addresses: bool,
}

/// How names are resolved for delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Recursive resolvers; empty: the system's.
    pub nameservers: Vec<SocketAddr>,
    /// Whether answers are validated by us, as DANE asks for.
    pub dnssec: bool,
    /// A file of the root's DNSKEY records; empty: those built in.
    pub trust_anchor: String,
    /// The longest wait for the answer to one question, all attempts together.
    pub timeout: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    pub tls: RelayTls,
    pub username: String,
    pub password: Hidden,
    pub max_connections: usize,
    /// Its part of the mail among smarthosts that share it; 0: only when the others fail.
    pub weight: u32,
    /// Certificates to trust besides the public ones, PEM; empty: none.
    pub ca: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayTls {
    None,
    Opportunistic,
    Required,
    Implicit,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The wait after the first failure, the second, ...; the last repeats.
    pub schedule: Vec<Span>,
    pub give_up_after: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Messages a key may have accepted in a minute; 0: any number.
    pub messages_per_minute: u64,
    /// Messages a key may have accepted in a day (UTC); 0: any number.
    pub messages_per_day: u64,
    /// Recipients waiting in the queue, of one team; 0: any number.
    pub queued: u64,
    /// Free space below which accepting stops.
    pub min_free: ByteSize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    pub domain: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sendmail {
    /// `host:port`; empty: the first listener.
    pub server: String,
    pub key: Hidden,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// A level, or a `tracing` filter.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// What is in force when the operator chose nothing.
    pub fn defaults() -> Self {
        toml::from_str(DEFAULT).expect("the embedded default configuration is complete")
    }

    /// Whether this process has the role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether From must be in a verified domain: `auto` asks for it unless nothing leaves.
    pub fn requires_verified_domain(&self) -> bool {
        match self.require_verified_domain {
            AutoBool::Set(asked) => asked,
            AutoBool::Auto => !self.delivery.captures_all(),
        }
    }

    /// The first key's text, when the operator chose it.
    pub fn bootstrap_secret(&self) -> Option<Secret> {
        (!self.bootstrap_key.0.is_empty()).then(|| Secret::from_text(self.bootstrap_key.0.clone()))
    }
}

impl Serialize for AutoBool {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            AutoBool::Auto => to.serialize_str("auto"),
            AutoBool::Set(asked) => to.serialize_bool(*asked),
        }
    }
}

impl<'de> Deserialize<'de> for AutoBool {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            Bool(bool),
        }
        match Form::deserialize(from)? {
            Form::Bool(asked) => Ok(AutoBool::Set(asked)),
            Form::Word(word) if word == "auto" => Ok(AutoBool::Auto),
            // The environment has only text to say it by.
            Form::Word(word) if word == "true" || word == "false" => Ok(AutoBool::Set(word == "true")),
            Form::Word(word) => Err(serde::de::Error::custom(format!("{word:?}: expected \"auto\", true or false"))),
        }
    }
}
