//! What links in mail lead to.

mod tokens;
mod unsubscribe;

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::door::http::{Context, Readiness, router};
use posthouse::store::secrets::LINKS;
use posthouse::store::{Location, Store};
use posthouse::tracking::token::{Purpose, Seal, Token};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::support::api::{Answer, api};

/// The whole HTTP door over a store.
struct House {
    router: axum::Router,
    seal: Seal,
    _folder: Option<TempDir>,
}

impl House {
    /// Over a store of its own.
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&Location::Sqlite(folder.path().join("posthouse.db")), Clock::System).await.unwrap();
        Self { _folder: Some(folder), ..Self::over(store, &Config::defaults()).await }
    }

    async fn over(store: Store, config: &Config) -> Self {
        let seal = Seal::new(&store.secret(LINKS).await.unwrap());
        let router = router(Context::new(config, api(config, &store), Readiness::default()));
        Self { router, seal, _folder: None }
    }

    /// The path of the link that says this.
    fn link(&self, token: &Token) -> String {
        let page = match token.purpose {
            Purpose::Open => "/t/o",
            Purpose::Click(_) => "/t/c",
            Purpose::Unsubscribe => "/u",
        };
        format!("{page}/{}", self.seal.text(token))
    }

    /// GET as a stranger.
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let peer = SocketAddr::from(([192, 0, 2, 7], 40_000));
        let request = Request::get(path).extension(ConnectInfo(peer));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answer { status, headers, body }
    }
}
