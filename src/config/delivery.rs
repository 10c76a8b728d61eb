//! How mail leaves: routes, smarthosts, names, retries.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::units::Span;
use super::{Hidden, routing, shape, warmup};
use crate::model::bounce::BounceClass;

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
    /// Attempts in flight at once, beside as many that have lasted long; by relay also no more than its `max_connections`, and to one
    /// destination out there a third of them.
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
    pub tls_reports: TlsReports,
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

/// Reports of TLS by mail (RFC 8460).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsReports {
    /// Who mails them, in a verified domain; empty: nobody.
    pub from: String,
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
    /// After so many a connection is ended.
    pub messages_per_connection: NonZeroU32,
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
    /// When a sender who asked is told of a recipient that still waits; zero: never.
    pub delay_notice: Span,
}
