//! An API key as the API shows it, and as it reads one that is to be made.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::new_email::StreamName;
use crate::clock::Timestamp;
use crate::door::rest::json::Few;
use crate::model::key::{ApiKey, DsnChoice};

/// Entries of a list of streams, scopes, networks or recipients.
const LIST_MAX: usize = 100;

/// A key; its text only in the answer to its making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    #[schema(format = "uuid")]
    pub id: String,
    pub name: String,
    /// The text, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The first 12 characters of its text.
    pub key_prefix: String,
    pub status: KeyState,
    pub streams: Vec<StreamName>,
    pub scopes: Vec<String>,
    /// Its mail is captured, never sent.
    pub is_sandbox: bool,
    /// Of a sandbox key: whom it may send to; anybody when empty.
    pub allow_recipients: Vec<String>,
    /// Where it works from; anywhere when empty.
    pub networks: Vec<String>,
    /// Messages a day.
    #[schema(required)]
    pub quota_per_day: Option<u64>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub revoked_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub last_used_at: Option<String>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    Active,
    Expired,
    Revoked,
}

/// A key to be made. What is left out is as the key has it that asks, but for scopes of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    #[schema(value_type = String, required, min_length = 1, max_length = 255)]
    pub name: Option<String>,
    #[schema(value_type = Option<Vec<StreamName>>, max_items = 100)]
    pub streams: Option<Few<StreamName, LIST_MAX>>,
    /// `*`, `mail:send`, `mail:read`, `mail:webhooks`, `domains:manage`, `templates:manage`, `contacts:manage`. A sandbox key may have the
    /// two of mail alone, which it has where this is left out.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    pub scopes: Option<Few<String, LIST_MAX>>,
    pub is_sandbox: Option<bool>,
    /// Only for a sandbox key.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    pub allow_recipients: Option<Few<String, LIST_MAX>>,
    /// RFC 3339, in the future.
    pub expires_at: Option<String>,
    /// Each such as 192.0.2.0/24, or one address.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    pub networks: Option<Few<String, LIST_MAX>>,
    /// Refuses suppressed recipients at RCPT, over SMTP.
    pub strict: Option<bool>,
    /// Takes `MAIL FROM:<>`, over SMTP.
    pub null_sender: Option<bool>,
    /// Takes a repeated Message-ID with the same bytes for a repeat.
    pub auto_idempotency: Option<bool>,
    /// Stands in for a From without a proper domain.
    pub default_from: Option<String>,
    #[schema(minimum = 1)]
    pub quota_per_day: Option<u64>,
    pub may_ignore_unsubscribe: Option<bool>,
    /// Keeps its own List-Unsubscribe fields.
    pub own_unsubscribe: Option<bool>,
    pub dsn: Option<DsnWord>,
}

/// Whether the sender may be sent delivery status notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DsnWord {
    Auto,
    Never,
}

impl From<(ApiKey, Timestamp)> for Key {
    /// As it stands at that time, without its text.
    fn from((key, now): (ApiKey, Timestamp)) -> Self {
        let status = match (key.revoked_at, key.expires_at) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(end)) if end <= now => KeyState::Expired,
            _ => KeyState::Active,
        };
        Self {
            id: key.id.uuid(),
            status,
            key: None,
            key_prefix: key.display,
            name: key.name,
            streams: key.rights.streams.iter().map(|word| word.0.into()).collect(),
            scopes: key.rights.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            is_sandbox: key.rights.sandbox.is_some(),
            allow_recipients: key.rights.sandbox.unwrap_or_default(),
            networks: key.rights.networks.iter().map(ToString::to_string).collect(),
            quota_per_day: key.rights.quota.map(|quota| quota.per_day),
            created_at: key.created_at.rfc3339(),
            expires_at: key.expires_at.map(Timestamp::rfc3339),
            revoked_at: key.revoked_at.map(Timestamp::rfc3339),
            last_used_at: key.last_used_at.map(Timestamp::rfc3339),
        }
    }
}

impl From<DsnWord> for DsnChoice {
    fn from(word: DsnWord) -> Self {
        match word {
            DsnWord::Auto => Self::Auto,
            DsnWord::Never => Self::Never,
        }
    }
}
