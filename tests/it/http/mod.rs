//! The HTTP door, on a real store: who may look, what is shown, what hostile mail can't do.

mod access;
mod bodies;
mod pages;
mod reference;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use posthouse::clock::Clock;
use posthouse::config::{Config, Route};
use posthouse::door::http::{Context, Readiness, router};
use posthouse::id::{Id, Ids};
use posthouse::model::address::Address;
use posthouse::model::key::{KeyRights, Secret};
use posthouse::model::message::{Body, Message};
use posthouse::store::accept::{Acceptance, NewRecipient};
use posthouse::store::keys::NewKey;
use posthouse::store::{Location, Store};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::support::api::api;

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [192, 0, 2, 7];

/// A store with two teams, and the door before it.
struct House {
    store: Store,
    context: Context,
    ours: Id,
    /// A key of `ours` that may read.
    key: String,
    /// A key of another team that may read.
    foreign_key: String,
    /// A key of `ours` that may only send.
    sending_key: String,
    _dir: TempDir,
}

/// An answer, read to its end.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl House {
    async fn open(route: Route) -> Self {
        let dir = TempDir::new().unwrap();
        let location = Location::Sqlite(dir.path().join("posthouse.db"));
        let store = Store::open(&location, Clock::System).await.unwrap();
        let (ours, theirs) = (store.create_team("ours").await.unwrap().id, store.create_team("theirs").await.unwrap().id);
        let mut config = Config::defaults();
        config.delivery.route = route;
        config.public_url = "https://mail.example:8443/".to_owned();
        let context = Context::new(&config, api(&config, &store), Readiness::default());
        Self {
            key: make_key(&store, ours, "*").await,
            foreign_key: make_key(&store, theirs, "mail:read").await,
            sending_key: make_key(&store, ours, "mail:send").await,
            store,
            context,
            ours,
            _dir: dir,
        }
    }

    fn router(&self) -> Router {
        router(self.context.clone())
    }

    /// GET as a browser on `peer` would, with these further headers.
    async fn get(&self, peer: [u8; 4], path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).extension(ConnectInfo(SocketAddr::from((peer, 40_000))));
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8025");
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.router().oneshot(request.body(HttpBody::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answer { status, headers, body }
    }

    /// Accepts `mime` for the team, with the row as `edit` leaves it.
    async fn accept(&self, mime: &str, edit: impl FnOnce(&mut Message, &mut Vec<NewRecipient>)) -> Id {
        let mut message = plain_message(self.ours, mime);
        let mut recipients = vec![recipient("friend@example.org")];
        edit(&mut message, &mut recipients);
        let id = message.id;
        let acceptance = Acceptance {
            message: Arc::new(message),
            body: Body::free(mime.as_bytes().to_vec()),
            recipients,
            idempotency: None,
            quirks: Vec::new(),
        };
        self.store.accept(acceptance).await.unwrap();
        id
    }
}

async fn make_key(store: &Store, team: Id, scope: &str) -> String {
    let secret = Secret::generate();
    let rights = KeyRights { scopes: vec![scope.parse().unwrap()], ..KeyRights::default() };
    let key = NewKey { team, name: format!("for {scope}"), secret: secret.clone(), rights, expires_at: None };
    store.create_key(key).await.unwrap();
    secret.reveal().to_owned()
}

fn recipient(address: &str) -> NewRecipient {
    NewRecipient { path: address.parse::<Address>().unwrap().into(), rejected: None }
}

fn plain_message(team: Id, mime: &str) -> Message {
    Message {
        reverse_path: Some("app@example.com".to_owned()),
        from: "app@example.com".to_owned(),
        from_header: "The App <app@example.com>".to_owned(),
        to_header: "friend@example.org".to_owned(),
        subject: "Hello".to_owned(),
        message_id: "<1@example.com>".to_owned(),
        size: mime.len() as u64,
        ..Message::bare(Ids::random(Clock::System).next(), team, Clock::System.now())
    }
}

fn basic(key: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("me:{key}")))
}

const MAIL: &str = "From: The App <app@example.com>\r\nTo: friend@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n\
                    \r\nIt works.\r\n";
