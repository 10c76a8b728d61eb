//! Pages for whoever holds a link of ours: no login, and any Host, since a domain may have links of its own.
//!
//! A token that is none of ours, or was made for another name, is 404 whatever is wrong with it, and nothing is written.

mod click;
mod open;
mod unsubscribe;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::OnceCell;

use crate::config::Config;
use crate::door::unread;
use crate::model::domain::TRACKING_LABEL;
use crate::model::engagement::{Deed, Engagement, Visitor};
use crate::store::secrets::LINKS;
use crate::store::{Store, StoreError};
use crate::tracking::links;
use crate::tracking::token::{Seal, Token};
use visit::{Networks, Visit};

/// For the store, before a visitor is answered without it.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// What these pages need of the house. Clones share it.
#[derive(Clone, Debug)]
pub struct Public {
    store: Store,
    seal: Arc<OnceCell<Seal>>,
    /// The host of the house's own links.
    host: Arc<str>,
    networks: Arc<Networks>,
}

/// A request that is not served.
#[derive(Debug)]
enum Problem {
    NotFound,
    /// The form asks for nothing that there is.
    Malformed,
    Away(StoreError),
}

/// Below these stand the tokens.
pub fn router(public: Public) -> Router {
    Router::new()
        .route("/t/o/{token}", get(open::open))
        .route("/t/c/{token}", get(click::click))
        .route("/u/{token}", get(unsubscribe::page).post(unsubscribe::act))
        .layer(from_fn(unread::pass_over))
        .with_state(public)
}

impl Public {
    /// Over this store, by the secret it keeps.
    pub fn new(store: Store, config: &Config) -> Self {
        let host = links::host(&config.public_url).into();
        Self { store, seal: Arc::default(), host, networks: Arc::new(Networks::new(config)) }
    }

    /// Reads the secret while the store is there: links then lead on without it.
    pub async fn prepare(&self) {
        if let Ok(Err(error)) = tokio::time::timeout(STORE_WITHIN, self.seal()).await {
            tracing::warn!(%error, "the secret of links can't be read now; the first visitor will ask again");
        }
    }

    async fn seal(&self) -> Result<&Seal, StoreError> {
        self.seal.get_or_try_init(|| async { Ok(Seal::new(&self.store.secret(LINKS).await?)) }).await
    }

    /// What a token says at the host that was asked. At the name of a domain only those made for it count, or one team could lead readers
    /// on in the name of another; the house's own count by every other name, since a proxy may put its own for the one it was asked by.
    async fn read(&self, text: &str, host: &str) -> Result<Token, Problem> {
        let seal = self.seal().await.map_err(Problem::Away)?;
        let of_the_house = || match host.split_once('.') {
            Some((TRACKING_LABEL, _)) => None,
            _ => seal.at(&self.host).read(text),
        };
        seal.at(host).read(text).or_else(of_the_house).ok_or(Problem::NotFound)
    }

    /// Whether the name that a link was asked for by is, by now, another team's than the one whose mail it is in: that one leads nobody on in
    /// the name of this. Where the store does not say so in time, the link is good.
    async fn is_anothers(&self, visit: &Visit) -> bool {
        let domain = match visit.host.split_once('.') {
            Some((TRACKING_LABEL, domain)) if *visit.host != *self.host => domain,
            _ => return false,
        };
        let asked = tokio::time::timeout(STORE_WITHIN, self.store.is_anothers(domain, visit.token.message)).await;
        matches!(asked, Ok(Ok(true)))
    }

    /// Has it written what a visitor did. Whoever holds a link is answered all the same when it can't be: the mail is theirs.
    async fn engage(&self, token: &Token, deed: Deed, by: Visitor) {
        let Some(place) = token.recipient.map(i64::from) else { return };
        let engagement = Engagement { message: token.message, place, deed, by };
        let written = tokio::time::timeout(STORE_WITHIN, self.store.engage(engagement)).await;
        match written {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(message = %token.message, %error, "what a visitor did is not written"),
            Err(_) => tracing::warn!(message = %token.message, "what a visitor did may not be written: the store is slow"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not found\n").into_response(),
            Self::Malformed => (StatusCode::BAD_REQUEST, "nothing was asked for\n").into_response(),
            Self::Away(error) => {
                tracing::warn!(%error, "a link can't be read now");
                (StatusCode::SERVICE_UNAVAILABLE, "not now; try again in a moment\n").into_response()
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Away(error)
    }
}
