//! What our own store can't say keeps mail waiting, and costs it no attempt.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::config::units::Span;
use posthouse::domains::keys;
use posthouse::id::Id;
use posthouse::model::outcome::RecipientState::{Delivered, Failed, Queued, Sent};
use posthouse::model::wait::Wait;
use posthouse::store::Store;

use crate::support::dns::{Dns, Records};
use crate::support::sink::Sink;
use crate::support::stores::{Book, on_every_engine};

use super::{Running, accept, config, direct, numbered, recipients, states, team, until};

/// Something that is read before mail leaves: how it is lost and found again, and what is said of that.
struct Loss {
    lose: &'static str,
    find: &'static str,
    why: &'static str,
}

const BARRIERS: Loss = Loss {
    lose: "ALTER TABLE suppressions RENAME TO lost",
    find: "ALTER TABLE lost RENAME TO suppressions",
    why: "whom it is kept from can't be read",
};
const KEYS: Loss = Loss {
    lose: "ALTER TABLE dkim_keys RENAME TO lost",
    find: "ALTER TABLE lost RENAME TO dkim_keys",
    why: "the keys that sign can't be read",
};
const POLICIES: Loss = Loss {
    lose: "ALTER TABLE sts_policies RENAME TO lost",
    find: "ALTER TABLE lost RENAME TO sts_policies",
    why: "what the recipient's domain asks of TLS can't be read",
};

/// A message lives for so many seconds, in which it is tried once.
const LIFE: u64 = 1_000_000;

/// Sends a message that has lived for so long, by a clock that stands still.
async fn aged(store: &Store, team: Id, clock: &Clock, seconds: u64) -> Id {
    let mut acceptance = numbered(team, 1, &["you@one.example"]);
    Arc::make_mut(&mut acceptance.message).created_at = clock.now().minus(Duration::from_secs(seconds));
    accept(store, acceptance).await
}

/// Has mail wait for what is lost, when its only attempt was due, and then leave or, where the loss lasts, fail.
async fn survives(book: &Book, loss: Loss, mut config: Config) {
    config.delivery.retry.schedule = vec![Span(Duration::from_secs(2 * LIFE))];
    config.delivery.retry.give_up_after = Span(Duration::from_secs(LIFE));
    let clock = Clock::manual(book.clock.now());
    let store = &Store::open(&book.location, clock.clone()).await.expect("the book opens");
    let team = team(store).await;
    keys::trust(store, team, "example.test", clock.now()).await.expect("a domain with keys");
    let engine = Running::start(store, &config, &clock);
    book.tamper(loss.lose).await;
    let id = aged(store, team, &clock, LIFE + LIFE / 2).await;
    let waits = async || store.message(None, id).await.expect("read").expect("there").waits.remove(&0);
    let says = |wait: Option<Wait>| matches!(wait, Some(Wait::Room { why, .. }) if why.contains(loss.why));
    until(loss.why, || async { says(waits().await) }).await;
    let waiting = recipients(store, id).await.remove(0);
    assert_eq!((waiting.state, waiting.attempts, waiting.last_reply.as_str()), (Queued, 0, ""));
    let hopeless = aged(store, team, &clock, 2 * LIFE).await;
    until("it is given up", || async { states(store, hopeless).await == [Failed] }).await;
    let reply = recipients(store, hopeless).await.remove(0).last_reply;
    assert!(reply.starts_with("given up: ") && reply.contains(loss.why), "{reply}");

    book.tamper(loss.find).await;
    until("it leaves", || async {
        clock.advance(Duration::from_secs(5));
        matches!(states(store, id).await[..], [Sent | Delivered])
    })
    .await;
    assert_eq!(recipients(store, id).await[0].attempts, 1);
    engine.stop().await;
    store.close().await;
}

#[test]
fn whom_mail_is_kept_from() {
    on_every_engine(async |book| {
        let sink = Sink::willing().await;
        survives(&book, BARRIERS, config(&sink)).await;
    });
}

#[test]
fn the_keys_that_sign() {
    on_every_engine(async |book| {
        let sink = Sink::willing().await;
        survives(&book, KEYS, config(&sink)).await;
    });
}

#[test]
fn the_policies_that_bind() {
    on_every_engine(async |book| {
        let sink = Sink::willing().await;
        let records = Records::default().mx("one.example", 10, "mx.one.example").address("mx.one.example", direct::here(1));
        let dns = Dns::start(records).await;
        survives(&book, POLICIES, direct::config(&dns, &sink)).await;
    });
}
