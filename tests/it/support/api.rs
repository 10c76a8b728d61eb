//! The HTTP API over a store, asked without a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::delivery::dns::Resolver;
use posthouse::domains::watch::Watch;
use posthouse::door::keyring::Keyring;
use posthouse::door::rest::{self, Door};
use posthouse::event::Webhooks;
use posthouse::event::client::Client;
use posthouse::id::{Id, Ids};
use posthouse::intake::Intake;
use posthouse::model::key::{ApiKey, KeyRights, Secret, StreamWord};
use posthouse::model::stream::Stream;
use posthouse::store::Store;
use posthouse::store::keys::NewKey;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::stores::Book;

/// The API of `config` over `store`, with an intake of its own.
pub fn api(config: &Config, store: &Store) -> Door {
    api_at(config, store, &Clock::System)
}

fn api_at(config: &Config, store: &Store, clock: &Clock) -> Door {
    let intake = Intake::new(store.clone(), config, clock.clone(), Ids::random(clock.clone()));
    let keyring = Keyring::new(store.clone(), clock.clone());
    let budget = Arc::new(Semaphore::new(config.smtp.limits.buffered.as_usize()));
    let resolver = Resolver::new(&config.delivery.dns).expect("a resolver");
    let watch = Watch::new(store.clone(), resolver, config, clock.clone()).expect("a watch");
    let client = Client::new(config, watch.resolver.clone()).expect("a client");
    let webhooks = Webhooks::new(store.clone(), client, rest::webhook_body, clock.clone());
    Door::new(config, intake, watch, webhooks, keyring, Arc::default(), budget)
}

/// The API over a book, with two teams and a key of each that may do everything on the transactional stream.
pub struct Api {
    pub store: Store,
    pub router: Router,
    pub ours: Id,
    pub key: String,
    pub foreign_key: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// What is the same for everybody who hears it.
    pub fn bare(&self) -> (StatusCode, Vec<(String, String)>, String) {
        let own = ["x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset"];
        let headers = self.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        (self.status, headers, String::from_utf8_lossy(&self.body).into_owned())
    }
}

impl Api {
    /// Without a limit of requests, and with room on any disk.
    pub async fn over(book: &Book) -> Self {
        Self::with(book, |_| {}).await
    }

    pub async fn with(book: &Book, change: impl FnOnce(&mut Config)) -> Self {
        Self::made(book, change, &Clock::System).await
    }

    /// Whose mail is accepted by this clock.
    pub async fn at(book: &Book, clock: &Clock) -> Self {
        Self::made(book, |_| {}, clock).await
    }

    async fn made(book: &Book, change: impl FnOnce(&mut Config), clock: &Clock) -> Self {
        let mut config = Config::defaults();
        config.limits.min_free = posthouse::config::units::ByteSize(0);
        config.limits.requests_per_minute = 0;
        change(&mut config);
        let store = book.store.clone();
        let (ours, theirs) = (store.create_team("ours").await.unwrap().id, store.create_team("theirs").await.unwrap().id);
        Self {
            router: rest::router(api_at(&config, &store, clock)),
            key: make_key(&store, ours, transactional()).await.1,
            foreign_key: make_key(&store, theirs, transactional()).await.1,
            store,
            ours,
        }
    }

    /// Another key of our team.
    pub async fn key(&self, rights: KeyRights) -> String {
        make_key(&self.store, self.ours, rights).await.1
    }

    /// Asks with these headers.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let request =
            Request::builder().method(method).uri(path).extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 40_000))));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answer { status, headers, body }
    }

    /// GET under a key.
    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.ask(Method::GET, path, &[("authorization", &format!("Bearer {key}"))], Body::empty()).await
    }

    /// DELETE under a key.
    pub async fn delete(&self, key: &str, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[("authorization", &format!("Bearer {key}"))], Body::empty()).await
    }

    /// POST of JSON under a key.
    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.post_with(key, path, &[], body).await
    }

    /// The same with further headers.
    pub async fn post_with(&self, key: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(Method::POST, key, path, headers, body).await
    }

    /// JSON under a key, by another method.
    pub async fn send(&self, method: Method, key: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        let usual = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.ask(method, path, &[&usual, headers].concat(), body.to_string()).await
    }
}

/// The rights of a key that may do everything on the transactional stream.
pub fn transactional() -> KeyRights {
    KeyRights { streams: vec![StreamWord(Stream::Transactional)], ..KeyRights::default() }
}

/// The rights of a key with these scopes.
pub fn scoped(scopes: &[&str]) -> KeyRights {
    KeyRights { scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(), ..transactional() }
}

async fn make_key(store: &Store, team: Id, rights: KeyRights) -> (ApiKey, String) {
    let secret = Secret::generate();
    let key = NewKey { team, name: "a key".to_owned(), secret: secret.clone(), rights, expires_at: None };
    (store.create_key(key).await.unwrap(), secret.reveal().to_owned())
}
