//! Nouns for tests, made in one line.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::id::{Id, Ids};
use posthouse::model::address::Address;
use posthouse::model::key::{ApiKey, KeyRights};
use posthouse::model::message::{Body, Message};
use posthouse::model::unsubscribe::{Evidence, How, Unsubscribe};
use posthouse::model::webhook::{Webhook, WebhookKind};
use posthouse::store::accept::{Acceptance, NewRecipient};
use posthouse::store::webhooks::attempts::Attempt;
use posthouse::store::webhooks::deliveries::{Attempted, GivenUp, Next};
use posthouse::store::webhooks::outbox::WebhookEvent;

/// An address that is right by construction.
pub fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A key that may do anything, and that no book knows.
pub fn key() -> ApiKey {
    let ids = Ids::random(Clock::System);
    ApiKey {
        id: ids.next(),
        team: ids.next(),
        name: "anybody's".into(),
        display: "kr_live_test".into(),
        rights: KeyRights::default(),
        created_at: Clock::System.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        requests_per_minute: None,
    }
}

/// The wish of a reader (comparable form) that an operator noted.
pub fn unsubscribe(team: Id, address: &str) -> Unsubscribe {
    let (address, created_at) = (address.to_owned(), Clock::System.now());
    Unsubscribe { team, address, how: How::Cli, message: None, evidence: Evidence::default(), created_at }
}

/// An acceptance of a small transactional message to `recipients`.
pub fn acceptance(team: Id, recipients: &[&str]) -> Acceptance {
    let mime = b"From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n";
    let message = Message {
        reverse_path: Some("a@example.test".into()),
        from: "a@example.test".into(),
        from_header: "a@example.test".into(),
        to_header: recipients.join(", "),
        subject: "hello \"quoted\" \u{fc}\u{1F40E}".into(),
        message_id: "<1@example.test>".into(),
        tags: vec![("order".into(), "42".into())],
        template: Some(Id([9; 16])),
        variables: Some("{\"name\":\"Ada\"}".into()),
        recipients: recipients.len(),
        size: mime.len() as u64,
        ..Message::bare(Ids::random(Clock::System).next(), team, Clock::System.now())
    };
    let recipients = recipients.iter().map(|r| NewRecipient { path: address(r).into(), rejected: None }).collect();
    Acceptance { message: Arc::new(message), body: Body::free(mime.to_vec()), recipients, idempotency: None, quirks: Vec::new() }
}

/// The attempt, at this time, by which an endpoint is given up.
pub fn last_attempt(webhook: &Webhook, reason: &'static str, told: WebhookEvent, at: Timestamp) -> Attempted {
    let attempt = Attempt {
        id: Ids::random(Clock::manual(at)).next(),
        webhook: webhook.id,
        event: told.id,
        kind: WebhookKind::Rejected,
        request: String::new(),
        number: 1,
        at,
        status: None,
        latency: Duration::ZERO,
        answer: String::new(),
        error: Some(reason.to_owned()),
    };
    let given_up = Some(GivenUp { reason, told });
    Attempted { attempt, next: Next::Never, health: None, as_of: webhook.updated_at, is_back: None, given_up }
}
