//! Telling endpoints of events, on both stores, to a receiver that misbehaves.

mod address;
mod ahead;
mod behind;
mod changed;
mod crowded;
mod failing;
mod history;
mod kept;
mod partly;
mod telling;

use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::delivery::dns::Resolver;
use posthouse::door::rest;
use posthouse::event::client::Client;
use posthouse::event::{Places, Webhooks};
use posthouse::id::{Id, Ids};
use posthouse::model::webhook::{Webhook, WebhookHealth, WebhookKind, WebhookSettings};
use posthouse::shutdown::Shutdown;
use posthouse::store::webhooks::attempts::Attempt;
use posthouse::store::webhooks::deliveries::{Attempted, Next};
use posthouse::store::webhooks::outbox::WebhookEvent;
use posthouse::store::{Store, StoreError};

use crate::support::IN_TIME;
use crate::support::nouns::{acceptance, last_attempt};
use crate::support::receiver::Receiver;
use crate::support::stores::Book;

/// A house that tells of events, by a clock of its own.
struct House {
    store: Store,
    clock: Clock,
    team: Id,
    receiver: Receiver,
    shutdown: Shutdown,
}

impl House {
    async fn over(book: &Book) -> Self {
        let clock = Clock::manual(Clock::System.now());
        let store = Store::open(&book.location, clock.clone()).await.unwrap();
        let team = store.create_team("ours").await.unwrap().id;
        Self { store, clock, team, receiver: Receiver::start().await, shutdown: Shutdown::default() }
    }

    /// Begins to tell; another call is another process.
    fn run(&self) {
        webhooks(&self.store, &self.clock).run(&self.shutdown);
    }

    /// The same in little room.
    fn run_with(&self, places: Places) {
        webhooks(&self.store, &self.clock).with_places(places).run(&self.shutdown);
    }

    /// An endpoint of our team at the receiver, told of what the tests do.
    async fn endpoint(&self, name: &str) -> Webhook {
        self.endpoint_for(self.team, name, &[WebhookKind::Rejected, WebhookKind::Disabled]).await
    }

    async fn endpoint_for(&self, team: Id, name: &str, kinds: &[WebhookKind]) -> Webhook {
        let kinds = kinds.iter().copied().collect();
        let settings = WebhookSettings { url: self.receiver.url(name), kinds, enabled: true, description: String::new() };
        self.store.create_webhook(team, settings, 1000).await.unwrap().unwrap()
    }

    /// Changes an endpoint, however it stands now.
    async fn change(&self, webhook: &Webhook, settings: WebhookSettings) -> Webhook {
        self.store.update_webhook(&self.shown(webhook).await, settings).await.unwrap().expect("nobody else changes it")
    }

    /// Something happens: a message whose only recipient is turned away. Its id.
    async fn happens(&self) -> Id {
        let mut offered = acceptance(self.team, &["gone@example.test"]);
        offered.recipients[0].rejected = Some("it bounced before".to_owned());
        let id = offered.message.id;
        self.store.accept(offered).await.unwrap();
        id
    }

    /// The requests to an endpoint that are on record, oldest first, once there are so many.
    async fn attempts(&self, webhook: &Webhook, number: usize) -> Vec<Attempt> {
        until("attempts on record", async || self.log(webhook).await.len() >= number).await;
        self.log(webhook).await
    }

    /// Something that our team is to be told, and nothing else knows of.
    fn news(&self) -> WebhookEvent {
        self.news_for(self.team)
    }

    fn news_for(&self, team: Id) -> WebhookEvent {
        let id = Ids::random(self.clock.clone()).next();
        WebhookEvent { id, team, kind: WebhookKind::Rejected, body: "{}".to_owned() }
    }

    /// Writes down that an endpoint, as it was read, fares like this.
    async fn fares(&self, webhook: &Webhook, health: WebhookHealth) {
        let ended = Attempted {
            attempt: self.attempt_at(webhook, Ids::random(self.clock.clone()).next()),
            next: Next::Done,
            health: Some(health),
            as_of: webhook.updated_at,
            is_back: None,
            given_up: None,
        };
        self.store.record_attempts(&[ended]).await.unwrap();
    }

    /// Writes down that an endpoint, as it was read, is given up with an attempt.
    async fn gives_up(&self, webhook: &Webhook) -> Result<(), StoreError> {
        let told = WebhookEvent { kind: WebhookKind::Disabled, ..self.news_for(webhook.team) };
        let ended = last_attempt(webhook, "it failed", told, self.clock.now());
        self.store.record_attempts(&[ended]).await
    }

    /// The first attempt to tell an endpoint of an event.
    fn attempt_at(&self, webhook: &Webhook, event: Id) -> Attempt {
        Attempt {
            id: Ids::random(self.clock.clone()).next(),
            webhook: webhook.id,
            event,
            kind: WebhookKind::Rejected,
            request: String::new(),
            number: 1,
            at: self.clock.now(),
            status: None,
            latency: Duration::ZERO,
            answer: String::new(),
            error: None,
        }
    }

    async fn log(&self, webhook: &Webhook) -> Vec<Attempt> {
        let mut log = self.store.webhook_attempts(webhook.id, None, 0, 1000).await.unwrap();
        log.sort_by_key(|attempt| (attempt.event, attempt.number));
        log
    }

    async fn shown(&self, webhook: &Webhook) -> Webhook {
        self.store.webhook(webhook.team, webhook.id).await.unwrap().unwrap()
    }

    async fn close(self) {
        self.shutdown.begin();
        self.shutdown.finished(IN_TIME).await;
        self.store.close().await;
    }
}

/// Who tells of the events of a store, whatever the address.
fn webhooks(store: &Store, clock: &Clock) -> Webhooks {
    let mut config = Config::defaults();
    config.webhooks.allow_insecure = true;
    let resolver = Resolver::new(&config.delivery.dns).unwrap();
    Webhooks::new(store.clone(), Client::new(&config, resolver).unwrap(), rest::webhook_body, clock.clone())
}

/// Waits for a condition, on a machine that may have much else to do.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(IN_TIME, waiting).await.is_ok(), "waited in vain for {what}");
}
