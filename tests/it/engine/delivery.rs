//! From acceptance to the next hop, and each recipient's own fate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::Route;
use posthouse::config::units::Span;
use posthouse::delivery::pace::Pace;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::RecipientState;
use posthouse::store::Store;

use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::on_every_engine;

use super::{Running, accept, accept_many, arrivals, brisk, config, numbered, recipients, states, team, until, until_all};

/// Keeps its connections, and dials no others once it was turned away, however long all of it takes.
fn faithful() -> Pace {
    Pace { idle: Duration::from_hours(1), outage: Duration::from_hours(1), ..brisk() }
}

#[test]
fn accepted_mail_is_handed_over_and_arrives_once() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let engine = Running::at_pace(faithful(), &book.store, &config(&sink), &book.clock);
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
fn a_next_hop_that_takes_few_connections_gets_everything_over_those() {
    on_every_engine(|book| async move {
        let script = Script::on(|turn| match turn.verb().as_str() {
            "GREETING" if turn.connection >= 3 => Some(Act::SayAndClose("421 4.7.0 too many connections".into())),
            "." => Some(Act::Delay(Duration::from_millis(1))),
            _ => None,
        });
        let sink = Sink::start(script).await;
        let team = team(&book.store).await;
        let engine = Running::at_pace(faithful(), &book.store, &config(&sink), &book.clock);
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
