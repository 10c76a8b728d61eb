//! The engine on a real store, against a sink: nothing lost, nothing sent twice.

mod barriers;
mod copies;
mod delivery;
mod demands;
mod direct;
mod fairness;
mod faults;
mod lives;
mod outage;
mod outcomes;
mod reporting;
mod returning;
mod signing;
mod silent_zones;
mod sources;
mod tarpits;
mod telling;
mod tracking;
mod transactions;
mod wake;
mod way_out;

use std::collections::BTreeMap;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::{Config, Route};
use posthouse::delivery::Engine;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::pace::Pace;
use posthouse::id::Id;
use posthouse::model::message::{Body, Recipient};
use posthouse::model::outcome::RecipientState;
use posthouse::shutdown::Shutdown;
use posthouse::store::Store;
use posthouse::store::accept::Acceptance;

use crate::support::sink::Sink;
use crate::support::{IN_TIME, nouns};

fn config(sink: &Sink) -> Config {
    let mut config = Config::defaults();
    config.delivery.route = Route::Relay;
    config.delivery.relay.host = sink.address.ip().to_string();
    config.delivery.relay.port = sink.address.port();
    config.public_url = "https://mail.house.test".to_owned();
    config
}

fn brisk() -> Pace {
    let ms = Duration::from_millis;
    Pace { renew: ms(100), poll: ms(50), takeover: ms(100), steady: ms(0), sweep: ms(200), outage: ms(10), ..Pace::default() }
}

struct Running {
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(store: &Store, config: &Config, clock: &Clock) -> Self {
        Self::at_pace(brisk(), store, config, clock)
    }

    fn at_pace(pace: Pace, store: &Store, config: &Config, clock: &Clock) -> Self {
        let shutdown = Shutdown::default();
        // A connection that is given up before its QUIT is answered counts still at a sink that is slow.
        let deadlines = Deadlines { quit: IN_TIME, ..Deadlines::default() };
        let engine = Engine::with_pace(store.clone(), config, &[], clock.clone(), pace, deadlines).expect("an engine");
        let task = shutdown.spawn(engine.run(shutdown.clone()));
        Self { shutdown, task }
    }

    /// As SIGTERM does it.
    async fn stop(self) {
        self.shutdown.begin();
        self.shutdown.finished(IN_TIME).await;
        self.task.await.expect("the engine ends in order");
    }
}

async fn team(store: &Store) -> Id {
    store.create_team("engine").await.expect("a team").id
}

/// A message whose content names it.
fn numbered(team: Id, number: usize, recipients: &[&str]) -> Acceptance {
    let mut acceptance = nouns::acceptance(team, recipients);
    let content = format!("Subject: {number}\r\n\r\n.\r\nbody {number}\r\n");
    acceptance.body = Body::free(content.into_bytes());
    acceptance
}

async fn accept(store: &Store, acceptance: Acceptance) -> Id {
    let id = acceptance.message.id;
    store.accept(acceptance).await.expect("accepted");
    id
}

async fn accept_many(store: &Store, team: Id, numbers: std::ops::Range<usize>) -> Vec<Id> {
    let mut tasks = tokio::task::JoinSet::new();
    for number in numbers {
        let store = store.clone();
        tasks.spawn(async move { accept(&store, numbered(team, number, &["you@example.com"])).await });
    }
    tasks.join_all().await
}

async fn recipients(store: &Store, id: Id) -> Vec<Recipient> {
    store.message(None, id).await.expect("read").expect("there").recipients
}

async fn states(store: &Store, id: Id) -> Vec<RecipientState> {
    recipients(store, id).await.into_iter().map(|r| r.state).collect()
}

/// Waits until `holds`, looking again and again.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(IN_TIME, waiting).await.is_ok(), "waited in vain: {what}");
}

async fn until_all(store: &Store, ids: &[Id], state: RecipientState) {
    for &id in ids {
        until(&format!("{state:?}"), || async { states(store, id).await.iter().all(|&s| s == state) }).await;
    }
}

/// How often each numbered message arrived.
fn arrivals(sink: &Sink) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for received in sink.received() {
        let content = String::from_utf8(received.content).expect("text");
        let number = content.lines().next().and_then(|l| l.strip_prefix("Subject: ")).expect("a number").to_owned();
        assert_eq!(content, format!("Subject: {number}\r\n\r\n.\r\nbody {number}\r\n"), "octet for octet");
        *counts.entry(number).or_default() += 1;
    }
    counts
}
