//! `/`: the newest messages, 50 a page.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use url::Url;

use super::text::{Moment, octets, visible};
use super::{Page, Problem};
use crate::door::http::access::Viewer;
use crate::door::http::context::Context;
use crate::model::webhook::Webhook;
use crate::store::read::{Filter, Listed};

const PER_PAGE: usize = 50;
const GIVEN_UP_SHOWN: usize = 5;

/// What the address may say; anything else in it is ignored.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    /// Only messages older than this one.
    before: Option<String>,
    /// Present: only messages that are still on their way.
    open: Option<String>,
    /// Present: the page loads itself again every few seconds.
    live: Option<String>,
}

#[derive(Template)]
#[template(path = "console/list.html")]
struct ListPage {
    rows: Vec<Row>,
    given_up: Vec<GivenUp>,
    as_of: Moment,
    captures: bool,
    first_page: bool,
    open_only: bool,
    live: bool,
    older: Option<String>,
    /// `--server` of the line that sends a first mail.
    server: String,
}

/// An endpoint that the house switched off.
struct GivenUp {
    /// Without its path and query, which may be as good as a password.
    origin: String,
    at: Moment,
    reason: String,
}

struct Row {
    id: String,
    at: Moment,
    from: String,
    to: String,
    /// Recipients besides `to`.
    more: usize,
    subject: String,
    stream: &'static str,
    sandbox: bool,
    status: &'static str,
    size: String,
}

/// The page.
pub async fn list(
    State(context): State<Arc<Context>>,
    viewer: Viewer,
    Query(choice): Query<Choice>,
) -> Result<Page<impl Template>, Problem> {
    let before = choice.before.as_deref().map(str::parse).transpose().map_err(|_| Problem::NotFound)?;
    let open_only = choice.open.is_some();
    let filter = Filter { team: viewer.team, before, open_only, limit: PER_PAGE + 1 };
    let found = context.store.messages(&filter).await?;
    let given_up = context.store.webhooks_given_up(viewer.team, GIVEN_UP_SHOWN).await?;
    let older = (found.len() > PER_PAGE).then(|| found[PER_PAGE - 1].message.id.to_string());
    Ok(Page(ListPage {
        rows: found.iter().take(PER_PAGE).map(Row::of).collect(),
        given_up: given_up.into_iter().filter_map(GivenUp::of).collect(),
        as_of: context.clock.now().into(),
        captures: context.open_on_loopback,
        first_page: before.is_none(),
        open_only,
        live: choice.live.is_some() && before.is_none(),
        older,
        server: server(context.smtp, context.public_host.as_deref()),
    }))
}

impl GivenUp {
    fn of(webhook: Webhook) -> Option<Self> {
        let (at, reason) = webhook.health.disabled?;
        let origin = Url::parse(&webhook.settings.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        Some(Self { origin: visible(&origin, 200), at: at.into(), reason: visible(&reason, 200) })
    }
}

impl Row {
    fn of(listed: &Listed) -> Self {
        let (message, recipients) = (&listed.message, &listed.recipients);
        let from = if message.from_header.is_empty() { &message.from } else { &message.from_header };
        Self {
            id: message.id.to_string(),
            at: message.created_at.into(),
            from: visible(from, 100),
            to: recipients.first().map(|first| visible(first.path.address.as_str(), 100)).unwrap_or_default(),
            more: recipients.len().saturating_sub(1),
            subject: visible(&message.subject, 200),
            stream: message.stream.as_str(),
            sandbox: message.sandbox,
            status: listed.status(),
            size: octets(message.size),
        }
    }
}

/// Where a client reaches the SMTP door; a listener on every address is reached by the public name.
fn server(smtp: Option<SocketAddr>, public_host: Option<&str>) -> String {
    let Some(address) = smtp else { return "HOST:PORT".to_owned() };
    let host = match address.ip() {
        ip if ip.is_unspecified() => public_host.unwrap_or("localhost").to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("{host}:{}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mail_goes_where_a_client_reaches_the_door() {
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(server(at("127.0.0.1:2525"), Some("mail.example")), "127.0.0.1:2525");
        assert_eq!(server(at("0.0.0.0:25"), Some("mail.example")), "mail.example:25");
        assert_eq!(server(at("[::1]:2525"), None), "[::1]:2525");
    }
}
