//! Nouns for tests, made in one line.

use std::sync::Arc;

use posthouse::clock::Clock;
use posthouse::id::{Id, Ids};
use posthouse::model::address::Address;
use posthouse::model::key::{ApiKey, KeyRights};
use posthouse::model::message::{Body, Message};
use posthouse::model::unsubscribe::{Evidence, How, Unsubscribe};
use posthouse::store::accept::{Acceptance, NewRecipient};

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
