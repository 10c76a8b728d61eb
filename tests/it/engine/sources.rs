//! Where direct mail leaves from, and how much of it while an address or a domain warms up.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::Config;
use posthouse::config::warmup::{Day, Ramp, Sender, Source};
use posthouse::delivery::Engine;
use posthouse::id::Id;
use posthouse::model::outcome::RecipientState;
use posthouse::model::stream::Stream;
use posthouse::store::accept::Acceptance;
use posthouse::store::{Location, Store};

use crate::support::dns::{Dns, Records};
use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::{Book, on_every_engine};

use super::{Running, accept, numbered, recipients, states, team, until, until_all};

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// `example.com` behind one host, where `sink` answers, and mail that goes there by itself.
async fn direct(sink: &Sink) -> (Dns, Config) {
    let host = Ipv4Addr::LOCALHOST;
    let records = Records::default().mx("example.com", 10, "mx.one.example").address("mx.one.example", host);
    let dns = Dns::start(records).await;
    let config = super::direct::config(&dns, sink);
    (dns, config)
}

fn source(address: Ipv4Addr, streams: &[Stream], warmup: Option<Ramp>) -> Source {
    Source { address: address.into(), streams: streams.to_vec(), warmup }
}

/// So many today, and far from warm.
fn ramp(book: &Book, start: u64) -> Ramp {
    Ramp { since: Day::of(book.clock.now()), start, growth: 2.0, until: 1_000_000 }
}

fn broadcast(team: Id, number: usize) -> Acceptance {
    let mut acceptance = numbered(team, number, &["you@example.com"]);
    Arc::get_mut(&mut acceptance.message).expect("ours alone").stream = Stream::Broadcast;
    acceptance
}

async fn accept_broadcast(store: &Store, team: Id, numbers: std::ops::Range<usize>) -> Vec<Id> {
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(accept(store, broadcast(team, number)).await);
    }
    ids
}

/// How many messages came from there.
fn came_from(sink: &Sink, address: Ipv4Addr) -> usize {
    sink.received().iter().filter(|received| sink.peer(received.connection) == IpAddr::V4(address)).count()
}

/// When what waits of these comes back.
async fn waiting(store: &Store, ids: &[Id]) -> Vec<Timestamp> {
    let mut waiting = Vec::new();
    for &id in ids {
        let recipient = recipients(store, id).await.remove(0);
        if recipient.state == RecipientState::Queued {
            assert_eq!(recipient.attempts, 0, "nothing was attempted");
            waiting.push(recipient.next_attempt_at);
        }
    }
    waiting
}

/// Waits until all but so many were delivered, and the rest are put off to the day after `today`.
async fn until_put_off(store: &Store, ids: &[Id], rest: usize, today: Day) {
    let tomorrow = |waiting: &[Timestamp]| waiting.len() == rest && waiting.iter().all(|&at| at >= today.end());
    until("the rest put off to tomorrow", || async { tomorrow(&waiting(store, ids).await) }).await;
}

#[test]
fn each_stream_leaves_from_its_own_address() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let (_dns, mut config) = direct(&sink).await;
        config.delivery.source = vec![source(FIRST, &[Stream::Transactional], None), source(SECOND, &[Stream::Broadcast], None)];
        let engine = Running::start(&book.store, &config, &book.clock);
        let team = team(&book.store).await;
        let mut ids = Vec::new();
        for number in 0..20 {
            let acceptance = match number % 2 {
                0 => numbered(team, number, &["transactional@example.com"]),
                _ => broadcast(team, number),
            };
            ids.push(accept(&book.store, acceptance).await);
        }
        until_all(&book.store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        assert_eq!((came_from(&sink, FIRST), came_from(&sink, SECOND)), (10, 10));
        for received in sink.received() {
            let own = if received.rcpt[0].contains("transactional") { FIRST } else { SECOND };
            assert_eq!(sink.peer(received.connection), IpAddr::V4(own), "no connection serves both");
        }
    });
}

#[test]
fn a_warming_address_sends_its_budget_and_a_warm_one_the_rest() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let (_dns, mut config) = direct(&sink).await;
        config.delivery.source = vec![source(FIRST, &[], Some(ramp(&book, 20))), source(SECOND, &[], None)];
        let engine = Running::start(&book.store, &config, &book.clock);
        let ids = accept_broadcast(&book.store, team(&book.store).await, 0..60).await;
        until_all(&book.store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        assert_eq!((came_from(&sink, FIRST), came_from(&sink, SECOND)), (20, 40));
    });
}

#[test]
fn when_every_address_has_sent_its_budget_the_rest_waits_for_the_next_day() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let (_dns, mut config) = direct(&sink).await;
        config.delivery.source =
            vec![source(FIRST, &[Stream::Broadcast], Some(ramp(&book, 3))), source(SECOND, &[], Some(ramp(&book, 4)))];
        let today = Day::of(book.clock.now());
        let engine = Running::start(&book.store, &config, &book.clock);
        let ids = accept_broadcast(&book.store, team(&book.store).await, 0..12).await;
        until_put_off(&book.store, &ids, 5, today).await;
        engine.stop().await;
        assert_eq!((came_from(&sink, FIRST), came_from(&sink, SECOND)), (3, 4));
    });
}

#[test]
fn what_the_host_refused_before_the_content_costs_no_budget() {
    on_every_engine(|book| async move {
        let refuse = |turn: &crate::support::sink::Turn| turn.line.contains("nobody").then(|| Act::say("550 5.1.1 nobody"));
        let sink = Sink::start(Script::on(move |turn| refuse(turn))).await;
        let (_dns, mut config) = direct(&sink).await;
        config.delivery.source = vec![source(FIRST, &[], Some(ramp(&book, 2)))];
        let engine = Running::start(&book.store, &config, &book.clock);
        let team = team(&book.store).await;
        for number in 0..4 {
            let id = accept(&book.store, numbered(team, number, &["nobody@example.com"])).await;
            until("a refusal", || async { states(&book.store, id).await == [RecipientState::Bounced] }).await;
        }
        let mut ids = Vec::new();
        for number in 4..7 {
            ids.push(accept(&book.store, numbered(team, number, &["you@example.com"])).await);
        }
        until_put_off(&book.store, &ids, 1, Day::of(book.clock.now())).await;
        engine.stop().await;
        assert_eq!(came_from(&sink, FIRST), 2);
    });
}

#[test]
fn a_warming_domain_sends_its_budget_by_whatever_route() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let mut config = super::config(&sink);
        config.delivery.sender = vec![Sender { domain: "example.test".parse().expect("a pattern"), warmup: ramp(&book, 3) }];
        // A domain's budget holds by every way: there is no use in the next one.
        by(&mut config, &["relay", "capture"]);
        let today = Day::of(book.clock.now());
        let engine = Running::start(&book.store, &config, &book.clock);
        let team = team(&book.store).await;
        let ids = accept_broadcast(&book.store, team, 0..8).await;
        until_put_off(&book.store, &ids, 5, today).await;
        // Others are not kept waiting.
        let mut other = broadcast(team, 8);
        Arc::get_mut(&mut other.message).expect("ours alone").from = "a@elsewhere.test".to_owned();
        let id = accept(&book.store, other).await;
        until_all(&book.store, &[id], RecipientState::Sent).await;
        engine.stop().await;
        assert_eq!(sink.received().len(), 4);
    });
}

/// All mail goes these ways.
fn by(config: &mut Config, routes: &[&str]) {
    let rule = format!("rule = [{{ routes = {routes:?} }}]");
    config.delivery.rule = toml::from_str::<toml::Table>(&rule).unwrap().remove("rule").unwrap().try_into().unwrap();
}

#[test]
fn a_smarthost_is_reached_from_the_streams_address() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let mut config = super::config(&sink);
        config.delivery.source = vec![source(FIRST, &[Stream::Transactional], None), source(SECOND, &[Stream::Broadcast], None)];
        let engine = Running::start(&book.store, &config, &book.clock);
        let team = team(&book.store).await;
        let mut ids = vec![accept(&book.store, numbered(team, 0, &["you@example.com"])).await];
        ids.extend(accept_broadcast(&book.store, team, 1..3).await);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        assert_eq!((came_from(&sink, FIRST), came_from(&sink, SECOND)), (1, 2));
    });
}

/// What the ledger tells of ways that could not be used, of a message that was attempted once.
async fn passed(store: &Store, id: Id) -> Option<serde_json::Value> {
    let events = store.events(id).await.expect("read");
    let [event] = &events[..] else { panic!("one attempt, one event: {events:?}") };
    event.detail.get("passed").cloned()
}

#[test]
fn what_a_spent_budget_keeps_from_one_way_goes_by_the_next() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let (_dns, mut config) = direct(&sink).await;
        config.delivery.source = vec![source(FIRST, &[], Some(ramp(&book, 2)))];
        by(&mut config, &["direct", "capture"]);
        let engine = Running::start(&book.store, &config, &book.clock);
        let ids = accept_broadcast(&book.store, team(&book.store).await, 0..5).await;
        until_all(&book.store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        assert_eq!(came_from(&sink, FIRST), 2);
        let mut told = Vec::new();
        for &id in &ids {
            told.extend(passed(&book.store, id).await);
        }
        assert_eq!(told.len(), 3);
        for ways in told {
            assert_eq!(ways[0]["route"], "direct");
            assert!(ways[0]["reply"].as_str().unwrap().contains("today's budgets are spent"), "{ways}");
        }
    });
}

#[test]
fn the_ledger_tells_of_ways_that_could_not_be_used() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let (_dns, mut config) = direct(&sink).await;
        // Nobody listens there.
        (config.delivery.relay.host, config.delivery.relay.port) = ("127.0.0.9".to_owned(), sink.address.port());
        by(&mut config, &["relay", "direct"]);
        let engine = Running::start(&book.store, &config, &book.clock);
        let id = accept(&book.store, numbered(team(&book.store).await, 1, &["you@example.com"])).await;
        until_all(&book.store, &[id], RecipientState::Delivered).await;
        engine.stop().await;
        let ways = passed(&book.store, id).await.expect("a way that was passed over");
        assert_eq!((&ways[0]["route"], &ways[0]["host"]), (&serde_json::json!("relay"), &serde_json::json!("127.0.0.9")));
        assert!(ways[0]["took_ms"].is_u64() && ways[0]["reply"].as_str().unwrap().contains("127.0.0.9"), "{ways}");
    });
}

#[tokio::test]
async fn an_address_that_this_machine_does_not_have_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&Location::Sqlite(folder.path().join("book.db")), Clock::System).await.expect("the book opens");
    let mut config = Config::defaults();
    config.delivery.source = vec![source(FIRST, &[], None), source(Ipv4Addr::new(192, 0, 2, 77), &[], None)];
    let fault = Engine::new(store.clone(), &config, &[], Clock::System).expect_err("an address of documentation");
    assert!(fault.starts_with("delivery.source 2 (192.0.2.77): no connection can be made from this address: "), "{fault}");
    store.close().await;
}

#[test]
fn engines_share_the_budget_of_a_day() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Sqlite(_)) {
            return;
        }
        let sink = Sink::willing().await;
        let mut config = super::config(&sink);
        config.delivery.sender = vec![Sender { domain: "*.test".parse().expect("a pattern"), warmup: ramp(&book, 20) }];
        let today = Day::of(book.clock.now());
        let other = book.again().await;
        let engines = [&book.store, &other].map(|store| Running::start(store, &config, &book.clock));
        let team = team(&book.store).await;
        // What a process accepts goes to its own engine.
        let (mut ids, more) = tokio::join!(accept_broadcast(&book.store, team, 0..30), accept_broadcast(&other, team, 30..60));
        ids.extend(more);
        until_put_off(&book.store, &ids, 40, today).await;
        for engine in engines {
            engine.stop().await;
        }
        other.close().await;
        assert_eq!(sink.received().len(), 20);
        let drawn = book.store.drawn_budget("domain:*.test", today.0).await;
        assert_eq!(drawn, Ok(20));
    });
}
