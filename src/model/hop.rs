//! How an attempt went its way: what its entry in the ledger tells beside the reply.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value as Json, json};

/// The way of one attempt at a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// As the configuration names it: `relay`, `direct`, ...
    pub route: String,
    /// `None`: no host was tried.
    pub peer: Option<Peer>,
    /// From its begin, with dialling, to the last reply.
    pub took: Duration,
    /// Ways that were tried before this one, and could not be used.
    pub passed: Vec<Passed>,
}

/// A way that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    pub route: String,
    pub peer: Option<Peer>,
    pub took: Duration,
    /// Why, in one line.
    pub reply: String,
}

/// Whom an attempt reached, or meant to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub host: String,
    /// That was connected to; `None`: there was no connection.
    pub address: Option<IpAddr>,
    /// What protected the connection, in words.
    pub protection: Option<String>,
}

impl Peer {
    /// A host that gave no connection.
    pub fn unreached(host: impl Into<String>) -> Self {
        Self { host: host.into(), address: None, protection: None }
    }
}

impl Hop {
    /// Adds it to the evidence of an event.
    pub fn tell(&self, detail: &mut Json) {
        tell(&self.route, self.peer.as_ref(), self.took, detail);
        if !self.passed.is_empty() {
            detail["passed"] = self.passed.iter().map(Passed::told).collect();
        }
    }

    /// The way as one that could not be used, for this reason, with those before it.
    pub fn given_up(self, reply: String) -> Vec<Passed> {
        let Self { route, peer, took, mut passed } = self;
        passed.push(Passed { route, peer, took, reply });
        passed
    }
}

impl Passed {
    fn told(&self) -> Json {
        let mut detail = json!({ "reply": self.reply });
        tell(&self.route, self.peer.as_ref(), self.took, &mut detail);
        detail
    }
}

fn tell(route: &str, peer: Option<&Peer>, took: Duration, detail: &mut Json) {
    detail["route"] = route.into();
    detail["took_ms"] = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into();
    let Some(peer) = peer else { return };
    detail["host"] = peer.host.as_str().into();
    if let Some(address) = peer.address {
        detail["address"] = address.to_string().into();
    }
    if let Some(protection) = &peer.protection {
        detail["tls"] = protection.as_str().into();
    }
}
