//! The engine on a real store, against a sink: nothing lost, nothing sent twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::units::Span;
use posthouse::config::{Config, Route};
use posthouse::delivery::Engine;
use posthouse::delivery::boottime::Boottime;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::gate::Gate;
use posthouse::delivery::ledger::Ledger;
use posthouse::delivery::pace::Pace;
use posthouse::delivery::places::Places;
use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::message::{Body, Recipient};
use posthouse::model::outcome::{Outcome, RecipientState, Reply};
use posthouse::model::stream::Stream;
use posthouse::shutdown::Shutdown;
use posthouse::store::accept::Acceptance;
use posthouse::store::claim::Lane;
use posthouse::store::settle::{Settled, Settlement};
use posthouse::store::{Location, Store};

use super::support::nouns;
use super::support::sink::{Act, Script, Sink};
use super::support::stores::on_every_engine;

fn config(sink: &Sink) -> Config {
    let mut config = Config::defaults();
    config.delivery.route = Route::Relay;
    config.delivery.relay.host = sink.address.ip().to_string();
    config.delivery.relay.port = sink.address.port();
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
        let engine = Engine::with_pace(store.clone(), config, clock.clone(), pace, Deadlines::default()).expect("an engine");
        let task = shutdown.spawn(engine.run(shutdown.clone()));
        Self { shutdown, task }
    }

    /// As SIGTERM does it.
    async fn stop(self) {
        self.shutdown.begin();
        self.shutdown.finished(Duration::from_secs(20)).await;
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

/// Waits until `holds`, looking again and again, for at most 20 seconds.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "waited in vain: {what}");
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

#[test]
fn accepted_mail_is_handed_over_and_arrives_once() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let ids = accept_many(&book.store, team, 0..300).await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        let arrivals = arrivals(&sink);
        assert!(arrivals.len() == 300 && arrivals.values().all(|&times| times == 1));
        assert!(sink.connections() <= 20, "{} connections", sink.connections());
        assert_eq!(book.store.renew_epoch(1).await, Ok(false), "closed in order");
        let sent = recipients(&book.store, ids[0]).await.remove(0);
        assert_eq!((sent.attempts, sent.last_reply.as_str()), (1, "250 2.0.0 taken"));
    });
}

#[test]
fn what_waits_in_the_store_is_read_back() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let mut ids = accept_many(&book.store, team, 0..700).await;
        let mut later = numbered(team, 9999, &["you@example.com"]);
        let message = Arc::get_mut(&mut later.message).expect("ours alone");
        message.send_at = Some(book.clock.now().plus(Duration::from_secs(3600)));
        let later = accept(&book.store, later).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        let mut scheduled = numbered(team, 9998, &["you@example.com"]);
        let message = Arc::get_mut(&mut scheduled.message).expect("ours alone");
        message.send_at = Some(book.clock.now().plus(Duration::from_millis(300)));
        let due = message.send_at.expect("a time");
        ids.push(accept(&book.store, scheduled).await);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        assert!(book.clock.now() >= due, "not before its time");
        engine.stop().await;
        let arrivals = arrivals(&sink);
        assert!(arrivals.len() == 701 && arrivals.values().all(|&times| times == 1));
        assert_eq!(states(&book.store, later).await, [RecipientState::Queued]);
    });
}

#[test]
fn capture_keeps_everything_and_the_sandbox_acts() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let mut config = config(&sink);
        let engine = Running::start(&book.store, &config, &book.clock);
        let mut sandboxed = numbered(team, 1, &["you@example.com", "bounced+x@sandbox.test", "failed@sandbox.test"]);
        Arc::get_mut(&mut sandboxed.message).expect("ours alone").sandbox = true;
        let id = accept(&book.store, sandboxed).await;
        let wanted = [RecipientState::Delivered, RecipientState::Bounced, RecipientState::Failed];
        until("the fates", || async { states(&book.store, id).await == wanted }).await;
        engine.stop().await;
        config.delivery.route = Route::Capture;
        let store = book.again().await;
        let engine = Running::start(&store, &config, &book.clock);
        let ids = accept_many(&store, team, 2..100).await;
        until_all(&store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        store.close().await;
        assert_eq!(sink.connections(), 0, "nothing leaves");
    });
}

#[test]
fn each_recipient_has_its_own_fate() {
    on_every_engine(|book| async move {
        let script = Script::on(|turn| match turn.line.as_str() {
            line if line.contains("bad@") => Some(Act::say("550 5.1.1 unknown")),
            line if line.contains("busy@") => Some(Act::say("450 4.2.1 busy")),
            _ => None,
        });
        let sink = Sink::start(script).await;
        let team = team(&book.store).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let id = accept(&book.store, numbered(team, 1, &["a@x.example", "bad@x.example", "busy@x.example"])).await;
        let wanted = [RecipientState::Sent, RecipientState::Bounced, RecipientState::Queued];
        until("the fates", || async { states(&book.store, id).await == wanted }).await;
        engine.stop().await;
        let busy = recipients(&book.store, id).await.remove(2);
        assert_eq!((busy.attempts, busy.last_reply.as_str()), (1, "450 4.2.1 busy"));
        assert!(busy.next_attempt_at > book.clock.now(), "not at once");
        let kinds: Vec<EventKind> = book.store.events(id).await.expect("events").into_iter().map(|e| e.kind).collect();
        assert_eq!(kinds.len(), 3, "{kinds:?}");
    });
}

#[test]
fn a_deferral_is_tried_again_by_the_schedule_and_given_up_at_its_age() {
    on_every_engine(|book| async move {
        let clock = Clock::manual(book.clock.now());
        let store = Store::open(&book.location, clock.clone()).await.expect("the book opens");
        let willing = Arc::new(AtomicBool::new(false));
        let asked = willing.clone();
        let busy = move || (!asked.load(Ordering::SeqCst)).then(|| Act::say("450 4.2.1 busy"));
        let sink = Sink::start(Script::on(move |turn| if turn.verb() == "RCPT" { busy() } else { None })).await;
        let mut config = config(&sink);
        config.delivery.retry.schedule = vec![Span(Duration::from_secs(30)), Span(Duration::from_secs(60))];
        config.delivery.retry.give_up_after = Span(Duration::from_secs(1000));
        let team = team(&store).await;
        let engine = Running::start(&store, &config, &clock);
        let mut message = numbered(team, 1, &["you@example.com"]);
        Arc::get_mut(&mut message.message).expect("ours alone").created_at = clock.now();
        let id = accept(&store, message).await;
        let attempts = |n: i64| {
            let store = &store;
            async move { until("an attempt", || async { recipients(store, id).await[0].attempts == n }).await }
        };
        attempts(1).await;
        let wait = recipients(&store, id).await[0].next_attempt_at.since(clock.now());
        assert!((1..=30).contains(&wait.as_secs()), "{wait:?}");
        clock.advance(Duration::from_secs(30));
        attempts(2).await;
        let wait = recipients(&store, id).await[0].next_attempt_at.since(clock.now());
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
        willing.store(true, Ordering::SeqCst);
        clock.advance(Duration::from_secs(60));
        until_all(&store, &[id], RecipientState::Sent).await;
        assert_eq!(recipients(&store, id).await[0].attempts, 3);

        willing.store(false, Ordering::SeqCst);
        let mut message = numbered(team, 2, &["you@example.com"]);
        Arc::get_mut(&mut message.message).expect("ours alone").created_at = clock.now();
        let id = accept(&store, message).await;
        until("its end", || async {
            clock.advance(Duration::from_secs(20));
            states(&store, id).await == [RecipientState::Failed]
        })
        .await;
        assert_eq!(recipients(&store, id).await[0].last_reply, "450 4.2.1 busy");
        engine.stop().await;
        store.close().await;
    });
}

#[test]
fn closing_under_load_sends_nothing_twice_and_loses_nothing() {
    on_every_engine(|book| async move {
        let sink = Sink::start(Script::on(|turn| (turn.verb() == ".").then(|| Act::Delay(Duration::from_millis(2))))).await;
        let team = team(&book.store).await;
        let mut ids = Vec::new();
        for round in 0..5 {
            // As another process: a store has one engine.
            let store = book.again().await;
            let engine = Running::start(&store, &config(&sink), &book.clock);
            let (closed, start) = (store.clone(), round * 200);
            let load = tokio::spawn(async move { accept_many(&store, team, start..start + 200).await });
            let before = round * 200 + 50;
            sink.wait_received(before).await;
            engine.stop().await;
            ids.extend(load.await.expect("accepted"));
            closed.close().await;
        }
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        let arrivals = arrivals(&sink);
        let twice: Vec<_> = arrivals.iter().filter(|(_, times)| **times != 1).collect();
        assert!(arrivals.len() == 1000 && twice.is_empty(), "{} arrived, {twice:?}", arrivals.len());
    });
}

#[test]
fn what_a_dead_engine_held_is_taken_over() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 0..20).await;
        let dead = book.store.open_epoch("dead").await.expect("an epoch");
        let claimed = book.store.claim(dead, Lane::FreshTransactional, 100).await.expect("claims");
        assert_eq!(claimed.len(), 20);
        book.store.close_epoch(dead).await.expect("closed");
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        assert!(arrivals(&sink).values().all(|&times| times == 1));
        // Its own word comes too late.
        let late = Settlement {
            epoch: dead,
            team,
            message: ids[0],
            outcomes: vec![Settled { index: 0, attempt: 0, outcome: Outcome::Bounced(Reply::fault("late")) }],
        };
        assert_eq!(book.store.settle(late).await.expect("answered"), 1);
        assert_eq!(states(&book.store, ids[0]).await, [RecipientState::Sent]);
    });
}

#[test]
fn the_silent_are_not_found_dead_before_an_engine_is_steady_but_the_dead_are_taken_over_at_once() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Sqlite(_)) {
            // One engine at a time.
            return;
        }
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 0..2).await;
        let silent = book.store.open_epoch("silent").await.expect("an epoch");
        let held = book.store.claim(silent, Lane::FreshTransactional, 1).await.expect("claims").remove(0).message.id;
        let dead = book.store.open_epoch("dead").await.expect("an epoch");
        let left = book.store.claim(dead, Lane::FreshTransactional, 1).await.expect("claims").remove(0).message.id;
        book.store.close_epoch(dead).await.expect("closed");
        book.tamper("UPDATE engines SET renewed_at = 0").await;
        let patient = Pace { steady: Duration::from_secs(3600), ..brisk() };
        let engine = Running::at_pace(patient, &book.store, &config(&sink), &book.clock);
        until_all(&book.store, &[left], RecipientState::Sent).await;
        assert_eq!(states(&book.store, held).await, [RecipientState::Queued]);
        engine.stop().await;
        assert_eq!(book.store.renew_epoch(silent).await, Ok(true), "it may have been the database that was away");
        book.tamper("UPDATE engines SET renewed_at = 0").await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        assert_eq!(arrivals(&sink).values().sum::<usize>(), 2);
    });
}

#[test]
fn stuck_broadcast_of_one_dead_engine_does_not_delay_what_another_left() {
    on_every_engine(|book| async move {
        let stuck = |turn: &super::support::sink::Turn| turn.line.starts_with("RCPT TO:<bulk@").then_some(Act::Silence);
        let sink = Sink::start(Script::on(stuck)).await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 1000..1010).await;
        let mut accepting = tokio::task::JoinSet::new();
        for number in 0..600 {
            let mut newsletter = numbered(team, number, &["bulk@example.com"]);
            Arc::get_mut(&mut newsletter.message).expect("ours alone").stream = Stream::Broadcast;
            let store = book.store.clone();
            accepting.spawn(async move { accept(&store, newsletter).await });
        }
        accepting.join_all().await;
        for lane in [Lane::FreshTransactional, Lane::FreshBroadcast] {
            let dead = book.store.open_epoch("dead").await.expect("an epoch");
            assert!(!book.store.claim(dead, lane, 600).await.expect("claims").is_empty());
            book.store.close_epoch(dead).await.expect("closed");
        }
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
    });
}

#[test]
fn an_engine_whose_epoch_is_dead_begins_another_and_goes_on() {
    on_every_engine(|book| async move {
        let sink =
            Sink::start(Script::on(|turn| (turn.verb() == "." && turn.nth < 5).then(|| Act::Delay(Duration::from_millis(400)))))
                .await;
        let team = team(&book.store).await;
        let mut config = config(&sink);
        config.delivery.relay.max_connections = 5;
        let engine = Running::start(&book.store, &config, &book.clock);
        let mut ids = accept_many(&book.store, team, 0..50).await;
        sink.wait("five final dots", |sink| sink.said(".") >= 5).await;
        // Whatever epoch the engine has, it is dead now.
        let newest = book.store.open_epoch("another").await.expect("an epoch");
        for epoch in 1..=newest {
            book.store.close_epoch(epoch).await.expect("closed");
        }
        ids.extend(accept_many(&book.store, team, 50..60).await);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        let arrivals = arrivals(&sink);
        assert_eq!(arrivals.len(), 60);
        let twice = arrivals.values().filter(|&&times| times > 1).count();
        // Those in flight when the epoch died; every other came once.
        assert!(twice <= 5 && arrivals.values().all(|&times| times <= 2), "{arrivals:?}");
        for id in ids {
            let sent = book.store.events(id).await.expect("events").into_iter().filter(|e| e.kind == EventKind::Sent).count();
            assert_eq!(sent, 1, "the late outcome wrote nothing");
        }
    });
}

#[test]
fn a_stuck_broadcast_does_not_delay_a_password_reset() {
    on_every_engine(|book| async move {
        let stuck = |turn: &super::support::sink::Turn| turn.line.starts_with("RCPT TO:<bulk@").then_some(Act::Silence);
        let sink = Sink::start(Script::on(stuck)).await;
        let team = team(&book.store).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let mut bulk = Vec::new();
        for number in 0..600 {
            let mut newsletter = numbered(team, number, &["bulk@example.com"]);
            Arc::get_mut(&mut newsletter.message).expect("ours alone").stream = Stream::Broadcast;
            bulk.push(newsletter);
        }
        let mut accepting = tokio::task::JoinSet::new();
        for newsletter in bulk {
            let store = book.store.clone();
            accepting.spawn(async move { accept(&store, newsletter).await });
        }
        accepting.join_all().await;
        sink.wait("stuck connections", |sink| sink.said("RCPT") >= 15).await;
        let ids = accept_many(&book.store, team, 1000..1020).await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        assert_eq!((sink.received().len(), sink.said("RCPT TO:<BULK@")), (20, 15));
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
        engine.task.await.expect("the engine ends");
        assert_eq!(book.store.renew_epoch(1).await, Ok(true), "what is still attempted is not free for others");
    });
}

#[test]
fn a_next_hop_that_takes_few_connections_gets_everything_over_those() {
    on_every_engine(|book| async move {
        let script = Script::on(|turn| match turn.verb().as_str() {
            "GREETING" if turn.connection >= 3 => Some(Act::SayAndClose("421 4.7.0 too many connections".into())),
            "." => Some(Act::Delay(Duration::from_millis(1))),
            _ => None,
        });
        let sink = Sink::start(script).await;
        let team = team(&book.store).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let ids = accept_many(&book.store, team, 0..200).await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        for id in ids {
            assert_eq!(recipients(&book.store, id).await[0].attempts, 1, "being turned away is no attempt");
        }
        assert!(sink.connections() <= 20);
    });
}

#[test]
fn nothing_starts_while_an_outcome_waits_to_be_written() {
    on_every_engine(|book| async move {
        let team = team(&book.store).await;
        let id = accept(&book.store, numbered(team, 1, &["you@example.com"])).await;
        let gate = Arc::new(Gate::new(Boottime::manual()));
        gate.begin(1, gate.now());
        let away = book.again().await;
        away.close().await;
        let shutdown = Shutdown::default();
        let ledger = Ledger::new(away, gate.clone(), brisk(), shutdown.clone());
        let places = Arc::new(Places::new(8));
        let place = Arc::new(places.admit(id, Stream::Transactional, 1));
        let outcomes = vec![Settled { index: 0, attempt: 0, outcome: Outcome::Sent(Reply::fault("done")) }];
        ledger.settle(Settlement { epoch: 1, team, message: id, outcomes }, place, None);
        until("the gate shuts", || async { gate.open().is_none() }).await;
        assert!(places.holds(id), "held until it is durable");
        shutdown.finished(Duration::ZERO).await;
    });
}

#[test]
fn outcomes_that_had_to_wait_are_written_when_the_store_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("book.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&Location::Sqlite(file.clone()), Clock::System).await.expect("the book opens");
        let team = team(&store).await;
        let go = Arc::new(tokio::sync::Notify::new());
        let sink = Sink::start(Script::on(|turn| (turn.verb() == ".").then(|| Act::Delay(Duration::from_millis(300))))).await;
        let mut config = config(&sink);
        config.delivery.relay.max_connections = 1;
        let engine = Running::start(&store, &config, &Clock::System);
        let ids = accept_many(&store, team, 0..3).await;
        sink.wait("the first dot", |sink| sink.said(".") >= 1).await;
        let lock = lock_file(&file, go.clone());
        sink.wait_received(1).await;
        go.notify_one();
        lock.await.expect("the lock is let go");
        until_all(&store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        store.close().await;
        assert!(arrivals(&sink).values().all(|&times| times == 1));
        assert_eq!(arrivals(&sink).len(), 3);
    });
}

/// Another program holds the database until told to let go.
fn lock_file(file: &std::path::Path, go: Arc<tokio::sync::Notify>) -> tokio::task::JoinHandle<()> {
    use sqlx::Connection as _;
    let url = format!("sqlite:{}", file.display());
    tokio::spawn(async move {
        let mut other = sqlx::SqliteConnection::connect(&url).await.expect("another connection");
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("the lock");
        go.notified().await;
        sqlx::query("ROLLBACK").execute(&mut other).await.expect("let go");
    })
}

#[test]
fn times_before_the_epoch_of_the_clock_do_no_harm() {
    // A message accepted under a clock that stood wrong is tried, not expired.
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let mut old = numbered(team, 1, &["you@example.com"]);
        Arc::get_mut(&mut old.message).expect("ours alone").created_at = Timestamp(0);
        let id = accept(&book.store, old).await;
        until_all(&book.store, &[id], RecipientState::Sent).await;
        engine.stop().await;
    });
}
