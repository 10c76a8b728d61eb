//! An endpoint as the API reads it, and as it shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

use crate::clock::Timestamp;
use crate::door::rest::checks::{self, BLANK};
use crate::door::rest::json::Few;
use crate::door::rest::problem::Details;
use crate::id::Id;
use crate::model::webhook::{self, Kinds, WebhookKind, WebhookSettings};

/// Words of a list of events: each once.
const EVENTS_MAX: usize = WebhookKind::ALL.len();
/// Characters of a description.
const DESCRIPTION_MAX: usize = 255;

fn events() -> Array {
    listed(SchemaType::Type(Type::Array))
}

fn events_or_null() -> Array {
    listed(SchemaType::from_iter([Type::Array, Type::Null]))
}

/// What an endpoint is to be told of, as the description has it: at most each kind once.
fn listed(schema_type: SchemaType) -> Array {
    let word = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    let list = ArrayBuilder::new().schema_type(schema_type).items(word).min_items(Some(1)).max_items(Some(EVENTS_MAX));
    list.description(Some("What it is to be told of.")).build()
}

/// An endpoint, and how it fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    #[schema(format = "uuid")]
    pub id: String,
    pub url: String,
    /// What it is told of.
    pub events: Vec<&'static str>,
    pub enabled: bool,
    pub description: String,
    pub state: State,
    /// Requests that failed in a row.
    pub failures: i64,
    /// Since when it has taken nothing; `null`: all is well.
    #[schema(required, format = DateTime)]
    pub failing_since: Option<String>,
    /// While it is paused: until when.
    #[schema(required, format = DateTime)]
    pub paused_until: Option<String>,
    /// The last request that it took, to a few seconds.
    #[schema(required, format = DateTime)]
    pub succeeded_at: Option<String>,
    /// While it does not keep up: when the oldest event happened that does not wait in its own queue yet.
    #[schema(required, format = DateTime)]
    pub behind_since: Option<String>,
    /// When it was switched off because it had failed for so long, and why.
    #[schema(required, format = DateTime)]
    pub disabled_at: Option<String>,
    #[schema(required)]
    pub disabled_reason: Option<String>,
    /// Until when the secret before this one signs, too.
    #[schema(required, format = DateTime)]
    pub previous_secret_until: Option<String>,
    /// What signs the requests to it: in the answers that make it, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// How an endpoint fares, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Active,
    /// Its last request failed.
    Failing,
    /// It has failed so often that it is called now and then only.
    Paused,
    /// It is switched off.
    Disabled,
}

/// An endpoint to be. A field that is `null` counts as left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://shop.example.com/hooks/mail", "events": ["email.delivered", "email.bounced"]}))]
pub struct NewWebhook {
    /// `https://`, on the Internet.
    #[schema(value_type = String, required, max_length = 2048)]
    pub url: Option<String>,
    #[schema(schema_with = events, required)]
    pub events: Option<Few<String, EVENTS_MAX>>,
    /// Yes, where nothing is said.
    pub enabled: Option<bool>,
    #[schema(max_length = 255)]
    pub description: Option<String>,
}

/// What is to be of an endpoint from now on. What is left out, or `null`, stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    #[schema(max_length = 2048)]
    pub url: Option<String>,
    #[schema(schema_with = events_or_null, required = false)]
    pub events: Option<Few<String, EVENTS_MAX>>,
    pub enabled: Option<bool>,
    #[schema(max_length = 255)]
    pub description: Option<String>,
}

impl NewWebhook {
    /// What is to be kept, when nothing is wrong with it; whether its address may be called is another question.
    pub fn checked(self) -> Result<WebhookSettings, Details> {
        let mut faults = Details::default();
        let url = checks::required(&mut faults, "url", self.url).unwrap_or_default();
        let kinds = kinds(&mut faults, &self.events.unwrap_or_default().0);
        let description = self.description.unwrap_or_default();
        let _ = checks::is_line(&mut faults, "description", &description)
            && checks::is_within(&mut faults, "description", &description, DESCRIPTION_MAX);
        let enabled = self.enabled.unwrap_or(true);
        if faults.is_empty() { Ok(WebhookSettings { url, kinds, enabled, description }) } else { Err(faults) }
    }
}

/// The kinds of these words, each told by its place where it is none.
fn kinds(faults: &mut Details, words: &[String]) -> Kinds {
    if words.is_empty() {
        faults.add("events", BLANK);
    }
    let read = |(place, word): (usize, &String)| {
        let kind = WebhookKind::from_word(word);
        if kind.is_none() {
            faults
                .add(format!("events[{place}]"), format!("is none of {}", WebhookKind::ALL.map(WebhookKind::as_str).join(", ")));
        }
        kind
    };
    words.iter().enumerate().filter_map(read).collect()
}

impl WebhookChange {
    /// What is known, with this in its place.
    pub fn over(self, known: WebhookSettings) -> NewWebhook {
        let known_events = || Few(known.kinds.each().map(|kind| kind.as_str().to_owned()).collect());
        NewWebhook {
            events: Some(self.events.unwrap_or_else(known_events)),
            url: Some(self.url.unwrap_or(known.url)),
            enabled: Some(self.enabled.unwrap_or(known.enabled)),
            description: Some(self.description.unwrap_or(known.description)),
        }
    }
}

impl Webhook {
    /// With its secret, for the answers that make it.
    pub fn revealed(webhook: webhook::Webhook) -> Self {
        let secret = webhook.secrets.current.reveal().to_owned();
        Self { secret: Some(secret), ..webhook.into() }
    }
}

impl State {
    fn of(webhook: &webhook::Webhook) -> Self {
        match &webhook.health {
            _ if !webhook.settings.enabled => Self::Disabled,
            health if health.paused_until.is_some() => Self::Paused,
            health if health.failures > 0 => Self::Failing,
            _ => Self::Active,
        }
    }
}

impl From<webhook::Webhook> for Webhook {
    fn from(webhook: webhook::Webhook) -> Self {
        let state = State::of(&webhook);
        let webhook::Webhook { id, settings, secrets, health, behind_from, created_at, updated_at, .. } = webhook;
        let time = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
        let (disabled_at, disabled_reason) = health.disabled.unzip();
        Self {
            id: id.uuid(),
            url: settings.url,
            events: settings.kinds.each().map(WebhookKind::as_str).collect(),
            enabled: settings.enabled,
            description: settings.description,
            state,
            failures: health.failures,
            failing_since: time(health.failing_since),
            paused_until: time(health.paused_until),
            succeeded_at: time(health.succeeded_at),
            behind_since: time(behind_from.map(Id::made_at)),
            disabled_at: time(disabled_at),
            disabled_reason,
            previous_secret_until: time(secrets.previous.map(|(_, until)| until)),
            secret: None,
            created_at: created_at.rfc3339(),
            updated_at: updated_at.rfc3339(),
        }
    }
}
