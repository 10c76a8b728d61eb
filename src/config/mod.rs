//! What the operator chose. `default.toml` beside this file documents every key with its default, and is the default.

mod auto;
pub mod check;
mod delivery;
mod hidden;
pub mod load;
mod nearest;
pub mod pattern;
pub mod routing;
pub mod shape;
pub mod show;
mod smtp;
pub mod source;
pub mod units;
pub mod warmup;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use auto::AutoBool;
pub use delivery::{BounceRule, Delivery, Direct, Dns, Relay, RelayTls, Retry, Route};
pub use hidden::Hidden;
pub use smtp::{BareNewlines, CleartextAuth, Listener, ListenerTls, Smtp, SmtpLimits, Trusted};

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
    pub tracking: Tracking,
    pub inbound: Inbound,
    pub delivery: Delivery,
    pub webhooks: Webhooks,
    pub limits: Limits,
    pub retention: Retention,
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
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracking {
    /// Where programs are that open and click by themselves.
    pub automated_networks: Vec<IpNet>,
    /// A PEM file of certificates that a domain's own name for links may show besides the public ones; empty: none.
    pub ca: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Where reports about our mail come in; empty: nowhere.
    pub address: String,
    /// Addresses that complaints come to, as they are registered with feedback loops.
    pub abuse: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// `http://`, any port and private addresses are called, too.
    pub allow_insecure: bool,
    /// A PEM file of certificates to trust besides the public ones; empty: none.
    pub ca: String,
    /// Endpoints of one team.
    pub endpoints_per_team: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests to the HTTP API that a team may make in a minute; 0: any number.
    pub requests_per_minute: u64,
    /// Messages a key may have accepted in a minute; 0: any number.
    pub messages_per_minute: u64,
    /// Messages a key may have accepted in a day (UTC); 0: any number.
    pub messages_per_day: u64,
    /// Recipients waiting in the queue, of one team; 0: any number.
    pub queued: u64,
    /// Free space below which accepting stops.
    pub min_free: ByteSize,
}

/// How long what belongs to finished messages is kept; zero: for ever.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// From acceptance, or from when it was to leave.
    pub bodies: Span,
    /// From each event.
    pub events: Span,
    /// What endpoints were told, and what they answered; what may still be attempted stays, whatever is said here.
    pub webhooks: Span,
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

    /// What links in mail lie below. None: the operator chose nothing, and whoever reads mail elsewhere can't follow the default.
    pub fn links_below(&self) -> Option<&str> {
        (self.public_url != Self::defaults().public_url).then_some(self.public_url.as_str())
    }

    /// The first key's text, when the operator chose it.
    pub fn bootstrap_secret(&self) -> Option<Secret> {
        (!self.bootstrap_key.0.is_empty()).then(|| Secret::from_text(self.bootstrap_key.0.clone()))
    }
}
