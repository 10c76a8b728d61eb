//! `/u/{token}`: a page with a button, by which a reader unsubscribes, and the POST that a mail program makes by itself (RFC 8058).
//! To look at the page changes nothing.

use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::visit::Visit;
use super::{Problem, Public};
use crate::mime::form;
use crate::model::engagement::Visitor;
use crate::model::unsubscribe::{Evidence, How};
use crate::store::unsubscribes::Reader;
use crate::tracking::token::{Purpose, Token};

/// Octets of a form, which says one word.
const FORM_MAX: usize = 4096;
/// For the whole of it.
const FORM_WITHIN: Duration = Duration::from_secs(10);

const STYLE: &str = include_str!("../../../templates/public/style.css");

/// One style, known by its hash; one form, which leads to where it stands.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).expect("base64 is ASCII")
});

#[derive(Template)]
#[template(path = "public/unsubscribe.html")]
struct Choice<'a> {
    style: &'static str,
    address: &'a str,
    sender: &'a str,
    is_unsubscribed: bool,
    /// What was told otherwise is not taken back by a link.
    is_by_link: bool,
}

/// What is asked for by a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Unsubscribe(How),
    Resubscribe,
}

/// The page.
pub async fn page(State(public): State<Public>, visit: Visit) -> Result<Response, Problem> {
    let reader = reader(&public, &visit.token).await?;
    choice(&public, &reader).await
}

/// The button of the page, or one click in a mail program.
pub async fn act(State(public): State<Public>, visit: Visit, request: Request) -> Result<Response, Problem> {
    let reader = reader(&public, &visit.token).await?;
    let Visitor { ip, user_agent, .. } = visit.by;
    let user_agent = Some(user_agent).filter(|name| !name.is_empty());
    let evidence = Evidence { ip: Some(ip.to_string()), user_agent, reason: None };
    let wish = Wish::read(request).await.ok_or(Problem::Malformed)?;
    match wish {
        Wish::Unsubscribe(how) => _ = public.store.unsubscribe_reader(&reader, how, evidence).await?,
        Wish::Resubscribe => _ = public.store.resubscribe_reader(&reader, &evidence).await?,
    }
    choice(&public, &reader).await
}

/// Whose link it is.
async fn reader(public: &Public, token: &Token) -> Result<Reader, Problem> {
    let place = token.recipient.filter(|_| token.purpose == Purpose::Unsubscribe).ok_or(Problem::NotFound)?;
    public.store.reader(token.message, place.into()).await?.ok_or(Problem::NotFound)
}

/// The page, as the reader's wish stands now.
async fn choice(public: &Public, reader: &Reader) -> Result<Response, Problem> {
    let known = public.store.unsubscribed(reader.team, &reader.address).await?;
    let is_by_link = known.as_ref().is_some_and(|wish| wish.how.is_by_link());
    let is_unsubscribed = known.is_some();
    let page = Choice { style: STYLE, address: &reader.address, sender: &reader.sender, is_unsubscribed, is_by_link };
    match page.render() {
        Ok(page) => Ok(([(CONTENT_SECURITY_POLICY, POLICY.clone())], Html(page)).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}

impl Wish {
    async fn read(request: Request) -> Option<Self> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = tokio::time::timeout(FORM_WITHIN, axum::body::to_bytes(request.into_body(), FORM_MAX)).await.ok()?.ok()?;
        let fields = form::fields(&content_type, &body);
        let word = |(name, value): &(String, String)| match (name.as_str(), value.as_str()) {
            // RFC 8058 section 3.1
            ("List-Unsubscribe", "One-Click") => Some(Self::Unsubscribe(How::OneClick)),
            ("action", "unsubscribe") => Some(Self::Unsubscribe(How::Page)),
            ("action", "resubscribe") => Some(Self::Resubscribe),
            _ => None,
        };
        fields.iter().find_map(word)
    }
}
