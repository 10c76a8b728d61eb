//! `/u/{token}`: a page with a button, by which a reader unsubscribes, and the POST that a mail program makes by itself (RFC 8058).
//! To look at the page changes nothing.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Problem, Public};
use crate::mime::form;
use crate::mime::text::clipped;
use crate::model::unsubscribe::{Evidence, How};
use crate::store::unsubscribes::Reader;
use crate::tracking::token::Purpose;

/// Octets of a form, which says one word.
const FORM_MAX: usize = 4096;
/// For the whole of it.
const FORM_WITHIN: Duration = Duration::from_secs(10);
/// Octets of what a visitor's program calls itself.
const USER_AGENT_MAX: usize = 500;

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
}

/// What is asked for by a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Unsubscribe(How),
    Resubscribe,
}

/// The page.
pub async fn page(State(public): State<Public>, Path(token): Path<String>) -> Result<Response, Problem> {
    let reader = reader(&public, &token).await?;
    let known = public.store.unsubscribed(reader.team, &reader.address).await?;
    choice(&reader, known.is_some())
}

/// The button of the page, or one click in a mail program.
pub async fn act(State(public): State<Public>, Path(token): Path<String>, request: Request) -> Result<Response, Problem> {
    let reader = reader(&public, &token).await?;
    let evidence = evidence(&request);
    let wish = Wish::read(request).await.ok_or(Problem::Malformed)?;
    match wish {
        Wish::Unsubscribe(how) => _ = public.store.unsubscribe_reader(&reader, how, evidence).await?,
        Wish::Resubscribe => _ = public.store.resubscribe(reader.team, &reader.address).await?,
    }
    choice(&reader, wish != Wish::Resubscribe)
}

/// Whose link it is.
async fn reader(public: &Public, token: &str) -> Result<Reader, Problem> {
    let token = public.read(token).await?;
    let place = token.recipient.filter(|_| token.purpose == Purpose::Unsubscribe).ok_or(Problem::NotFound)?;
    public.store.reader(token.message, place.into()).await?.ok_or(Problem::NotFound)
}

fn choice(reader: &Reader, is_unsubscribed: bool) -> Result<Response, Problem> {
    let page = Choice { style: STYLE, address: &reader.address, sender: &reader.sender, is_unsubscribed };
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
        let content_type = header(request.headers(), CONTENT_TYPE).unwrap_or_default();
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

fn evidence(request: &Request) -> Evidence {
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical().to_string());
    let user_agent = header(request.headers(), USER_AGENT).map(|text| clipped(text, USER_AGENT_MAX));
    Evidence { ip: peer, user_agent, reason: None }
}

/// A header's value; one that is no text of ASCII is none.
fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
