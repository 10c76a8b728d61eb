//! What links in mail lead to.

mod names;
mod tokens;
mod unsubscribe;
mod visits;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use posthouse::config::Config;
use posthouse::door::http::{Context, Readiness, router};
use posthouse::id::{Id, Ids};
use posthouse::model::event::{Event, EventKind};
use posthouse::store::Store;
use posthouse::store::secrets::LINKS;
use posthouse::tracking::links::{self, CLICK, OPEN, UNSUBSCRIBE};
use posthouse::tracking::token::{Purpose, Seal, Token};
use tower::ServiceExt as _;

use crate::support::api::{Answer, api};
use crate::support::nouns::acceptance;
use crate::support::stores::Book;

const TARGET: &str = "https://shop.example/a?b=c&d=%20#e";
const FIREFOX: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");

/// The whole HTTP door over a book that has a message to one recipient.
struct House {
    store: Store,
    context: Context,
    /// Over this context: made once, as that takes long.
    router: Router,
    seal: Seal,
    team: Id,
    message: Id,
}

impl House {
    async fn over(book: &Book) -> Self {
        Self::with(book, |_| {}).await
    }

    async fn with(book: &Book, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::defaults();
        change(&mut config);
        let store = book.store.clone();
        let seal = Seal::new(&store.secret(LINKS).await.unwrap()).at(&links::host(&config.public_url));
        let context = Context::new(&config, api(&config, &store), Readiness::default());
        let team = store.create_team(&Ids::random(book.clock.clone()).next().uuid()).await.unwrap().id;
        let acceptance = acceptance(team, &["b@example.test"]);
        let message = acceptance.message.id;
        store.accept(acceptance).await.unwrap();
        let router = router(context.clone());
        Self { store, context, router, seal, team, message }
    }

    /// The path of the link that says this.
    fn link(&self, token: &Token) -> String {
        format!("{}/{}", page(&token.purpose), self.seal.text(token))
    }

    /// The path of the link for this in the copy of the first recipient.
    fn copy(&self, purpose: Purpose) -> String {
        self.link(&Token::new(purpose, self.message, 0))
    }

    fn open(&self) -> String {
        self.copy(Purpose::Open)
    }

    fn click(&self) -> String {
        self.copy(Purpose::Click(TARGET.to_owned()))
    }

    /// GET as a stranger.
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let peer = SocketAddr::from(([192, 0, 2, 7], 40_000));
        let request = Request::builder().method(method).uri(path).extension(ConnectInfo(peer));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answer { status, headers, body }
    }

    /// What visitors did.
    async fn events(&self) -> Vec<Event> {
        let events = self.store.events(self.message).await.unwrap();
        events.into_iter().filter(|event| matches!(event.kind, EventKind::Opened | EventKind::Clicked)).collect()
    }
}

fn page(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Open => OPEN,
        Purpose::Click(_) => CLICK,
        Purpose::Unsubscribe => UNSUBSCRIBE,
    }
}
