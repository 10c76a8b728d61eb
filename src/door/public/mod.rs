//! Pages for whoever holds a link of ours: no login, and any Host, since a domain may have links of its own.
//!
//! A token that is none of ours is 404 whatever is wrong with it, and nothing is written.

mod click;
mod open;
mod unsubscribe;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::OnceCell;

use crate::store::secrets::LINKS;
use crate::store::{Store, StoreError};
use crate::tracking::token::{Seal, Token};

/// What these pages need of the house. Clones share it.
#[derive(Clone, Debug)]
pub struct Public {
    store: Store,
    seal: Arc<OnceCell<Seal>>,
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
        .with_state(public)
}

impl Public {
    /// Over this store, by the secret it keeps.
    pub fn new(store: Store) -> Self {
        Self { store, seal: Arc::default() }
    }

    /// What a token says.
    async fn read(&self, text: &str) -> Result<Token, Problem> {
        let read = || async { Ok(Seal::new(&self.store.secret(LINKS).await?)) };
        let seal = self.seal.get_or_try_init(read).await.map_err(Problem::Away)?;
        seal.read(text).ok_or(Problem::NotFound)
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
