//! How an attempt went its way: what its entry in the ledger tells beside the reply.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value as Json;

/// The way of one attempt at a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// As the configuration names it: `relay`, `direct`, ...
    pub route: String,
    /// `None`: no host was tried.
    pub peer: Option<Peer>,
    /// From its begin, with dialling, to the last reply.
    pub took: Duration,
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
        detail["route"] = self.route.as_str().into();
        detail["took_ms"] = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).into();
        let Some(peer) = &self.peer else { return };
        detail["host"] = peer.host.as_str().into();
        if let Some(address) = peer.address {
            detail["address"] = address.to_string().into();
        }
        if let Some(protection) = &peer.protection {
            detail["tls"] = protection.as_str().into();
        }
    }
}
