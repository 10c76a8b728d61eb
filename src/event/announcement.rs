//! What endpoints are told, before a dialect has put it in words.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::email::Email;
use crate::model::event::Event;
use crate::model::webhook::{Webhook, WebhookKind};

/// Something to tell. Its id is on every request that tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    pub id: Id,
    pub kind: WebhookKind,
    pub at: Timestamp,
    pub news: News<'a>,
}

/// What it is about.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A message to which something happened, as it stood then or later.
    Email { event: &'a Event, email: &'a Email, as_of: Timestamp },
    /// An endpoint that was given up, and why.
    Webhook(&'a Webhook, &'a str),
    /// Nothing happened: the endpoint is tried out.
    Test(&'a Webhook),
}

/// Writes the body of the requests that tell of it.
pub type Wording = fn(&Announcement<'_>) -> String;
