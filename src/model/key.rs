//! API keys: what identifies a client over SMTP and HTTP, and what it may do.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::stream::Stream;

/// What every key begins with, so that secret scanners know one.
pub const PREFIX: &str = "kr_live_";

/// The text of a key. Its `Debug` form hides it; it is shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// SHA-256 of a key's text: what is stored and looked up. A fast hash is right for 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash(pub [u8; 32]);

impl Secret {
    /// A new key: the prefix and 43 URL-safe base64 characters of 32 random bytes.
    pub fn generate() -> Self {
        let mut bytes = [0u8; 32];
        rand::fill(&mut bytes);
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A key's text as a client or an operator gave it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What it is stored and looked up by.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The first 12 characters, which tell keys apart on a screen.
    pub fn display(&self) -> String {
        self.0.chars().take(12).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// The right to do one kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Everything.
    pub const ALL: &'static str = "*";
    /// Submit mail.
    pub const MAIL_SEND: &'static str = "mail:send";
    /// Read messages, events and statistics.
    pub const MAIL_READ: &'static str = "mail:read";
    /// Manage webhooks.
    pub const MAIL_WEBHOOKS: &'static str = "mail:webhooks";
    /// Add, verify and remove domains.
    pub const DOMAINS_MANAGE: &'static str = "domains:manage";
    /// Manage templates.
    pub const TEMPLATES_MANAGE: &'static str = "templates:manage";
    /// Manage contacts, lists and what is sent to them.
    pub const CONTACTS_MANAGE: &'static str = "contacts:manage";
    const KNOWN: [&'static str; 7] = [
        Self::ALL,
        Self::MAIL_SEND,
        Self::MAIL_READ,
        Self::MAIL_WEBHOOKS,
        Self::DOMAINS_MANAGE,
        Self::TEMPLATES_MANAGE,
        Self::CONTACTS_MANAGE,
    ];
    /// What other dialects, and older keys, call them.
    const SPELLINGS: [(&'static str, &'static str); 5] = [
        ("send", Self::MAIL_SEND),
        ("read", Self::MAIL_READ),
        ("webhooks:manage", Self::MAIL_WEBHOOKS),
        ("newsletter", Self::CONTACTS_MANAGE),
        ("contacts", Self::CONTACTS_MANAGE),
    ];

    /// The scope's word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = String;

    /// Other spellings are taken for the scope's own word.
    fn from_str(text: &str) -> Result<Self, String> {
        let word = Self::SPELLINGS.iter().find(|(other, _)| *other == text).map_or(text, |(_, word)| *word);
        if Self::KNOWN.contains(&word) {
            return Ok(Self(word.to_owned()));
        }
        Err(format!("{text:?} is not a scope; known: {}", Self::KNOWN.join(", ")))
    }
}

/// Whether a key's sender may be sent delivery status notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DsnChoice {
    #[default]
    Auto,
    Never,
}

/// How many messages a key may have accepted in a day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub per_day: u64,
}

impl FromStr for Quota {
    type Err = String;

    /// `1000/day`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/day").ok_or_else(|| format!("{text:?}: a quota is written N/day"))?;
        number.parse().map(|per_day| Self { per_day }).map_err(|_| format!("{number:?} is not a number"))
    }
}

/// What a key may do, as chosen when it was made. Kept as JSON in one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRights {
    pub scopes: Vec<Scope>,
    /// Never empty. One stream: it need not be named. Two: it must be.
    pub streams: Vec<StreamWord>,
    /// Mail is captured, never sent; only these recipients are taken, or any when the list is empty.
    pub sandbox: Option<Vec<String>>,
    /// Peers it works from; any when empty.
    pub networks: Vec<IpNet>,
    /// Refuse suppressed recipients at RCPT: for MTAs that handle a reply per recipient.
    pub strict: bool,
    /// Whether `MAIL FROM:<>` is taken.
    pub null_sender: bool,
    /// Whether a repeated Message-ID with the same bytes is taken for a repeat.
    pub auto_idempotency: bool,
    /// Stands in for a From that has no domain with a dot.
    pub default_from: Option<String>,
    pub quota: Option<Quota>,
    pub may_ignore_unsubscribe: bool,
    /// The client's own List-Unsubscribe is kept.
    pub own_unsubscribe: bool,
    pub dsn: DsnChoice,
}

impl Default for KeyRights {
    fn default() -> Self {
        Self {
            scopes: vec![Scope(Scope::ALL.to_owned())],
            streams: Stream::ALL.map(StreamWord).to_vec(),
            sandbox: None,
            networks: Vec::new(),
            strict: false,
            null_sender: true,
            auto_idempotency: true,
            default_from: None,
            quota: None,
            may_ignore_unsubscribe: false,
            own_unsubscribe: false,
            dsn: DsnChoice::Auto,
        }
    }
}

/// A stream inside the JSON of a key's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamWord(pub Stream);

impl TryFrom<String> for StreamWord {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl From<StreamWord> for String {
    fn from(word: StreamWord) -> String {
        word.0.as_str().to_owned()
    }
}

/// One API key, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: Id,
    pub team: Id,
    pub name: String,
    /// The first 12 characters of its text.
    pub display: String,
    pub rights: KeyRights,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    /// Of its team: see [`Team::requests_per_minute`](crate::model::team::Team::requests_per_minute).
    pub requests_per_minute: Option<u32>,
}

impl ApiKey {
    /// Whether it carries `scope`, itself or by `*`.
    pub fn may(&self, scope: &str) -> bool {
        self.rights.scopes.iter().any(|s| s.as_str() == Scope::ALL || s.as_str() == scope)
    }

    /// Whether it may send on `stream`.
    pub fn may_send_on(&self, stream: Stream) -> bool {
        self.rights.streams.iter().any(|s| s.0 == stream)
    }

    /// The stream of a key that has only one.
    pub fn only_stream(&self) -> Option<Stream> {
        match self.rights.streams[..] {
            [only] => Some(only.0),
            _ => None,
        }
    }

    /// Whether its mail is captured whatever the route.
    pub fn is_sandbox(&self) -> bool {
        self.rights.sandbox.is_some()
    }

    /// Whether a sandbox key may send to `address`. Keys that are no sandbox may send to all.
    pub fn allows_recipient(&self, address: &Address) -> bool {
        match &self.rights.sandbox {
            Some(allowed) if !allowed.is_empty() => {
                let key = address.key();
                allowed.iter().any(|a| Address::parse(a).is_ok_and(|a| a.key() == key))
            }
            _ => true,
        }
    }

    /// Whether it works from `peer`. IPv4 peers of a dual-stack socket count as IPv4.
    pub fn works_from(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.rights.networks.is_empty() || self.rights.networks.iter().any(|n| n.contains(&peer))
    }
}
