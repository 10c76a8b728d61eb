//! `GET /emails/export`: a team's mail as a file, newest first.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

use super::Resources;
use super::email::Email;
use super::list::filter;
use super::openapi::{AskedFormat, AskedStatus, AskedStream, Failures};
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::door::Door;
use crate::door::rest::download::{self, Pages, download};
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::id::Id;
use crate::store::emails::{Filter, LAST, Stretch};
use crate::store::{Store, StoreError};
use crate::tables::write::Row;

/// Messages of a page.
const PAGE: usize = 100;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(export_emails))
}

/// Exports messages, newest first
///
/// CSV under a line of column names, or a JSON object a line, which alone has the recipients. A cell that a spreadsheet would take for
/// a formula stands behind an apostrophe.
#[utoipa::path(
    get,
    path = "/emails/export",
    tag = "emails",
    params(
        ("format" = inline(Option<AskedFormat>), Query, description = "csv where it is not said"),
        ("status" = inline(Option<AskedStatus>), Query),
        ("search" = Option<String>, Query, max_length = 200, description = "A whole address, a domain, beginnings of words of the subject, or whole words of names and of what stands before an @"),
        ("stream" = inline(Option<AskedStream>), Query),
        ("tag" = Option<String>, Query, description = "A tag's name, or name:value"),
        ("from_date" = Option<String>, Query, description = "RFC 3339, or a day in UTC"),
        ("to_date" = Option<String>, Query, description = "RFC 3339, or a day in UTC, whose end is meant"),
    ),
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (String = "application/x-ndjson"))),
        Failures
    )
)]
async fn export_emails(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let format = download::format(&mut asked);
    let filter = filter(&mut asked);
    asked.end()?;
    download(
        "emails",
        format,
        Mail { store: door.store.clone(), team: caller.team(), filter, found: VecDeque::new(), before: Some(LAST) },
    )
    .await
}

/// The mail that the filter lets through.
struct Mail {
    store: Store,
    team: Id,
    filter: Filter,
    /// Found, and not read yet: what is searched for is searched for once in some thousand messages.
    found: VecDeque<Id>,
    /// What is found next lies before it; none after the last.
    before: Option<Id>,
}

impl Pages for Mail {
    type Row = Email;

    async fn next(&mut self) -> Result<Vec<Email>, StoreError> {
        loop {
            while self.found.is_empty() {
                let Some(before) = self.before.take() else { return Ok(Vec::new()) };
                let Stretch { ids, next } = self.store.ids_before(self.team, &self.filter, before).await?;
                (self.found, self.before) = (ids.into(), next);
            }
            let page = self.found.drain(..PAGE.min(self.found.len())).collect();
            let emails = self.store.emails_of(self.team, page).await?;
            // None of them may be there any more, or can be read.
            if !emails.is_empty() {
                return Ok(emails.into_iter().map(Email::from).collect());
            }
        }
    }
}

impl Row for Email {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "created_at",
        "status",
        "stream",
        "source",
        "from",
        "to",
        "cc",
        "bcc",
        "reply_to",
        "subject",
        "tags",
        "scheduled_at",
        "sent_at",
        "delivered_at",
        "opened_at",
        "clicked_at",
        "bounced_at",
        "complained_at",
        "error_reason",
        "tracking_enabled",
        "message_id",
        "template_id",
    ];

    /// The cells hold what JSON would: texts as they are, mailboxes with commas between them, all else as JSON.
    fn cells(&self) -> Vec<String> {
        let fields = serde_json::to_value(self).unwrap_or_default();
        let cell = |column: &&str| match &fields[*column] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(texts) => texts.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        Self::COLUMNS.iter().map(cell).collect()
    }
}
