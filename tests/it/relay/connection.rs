//! Connections: reused, replaced, ended, and not begun too late.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use posthouse::delivery::attempts::Attempts;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::fate::Fate;
use posthouse::delivery::gate::Gate;
use posthouse::delivery::route::carried::{Away, Carried};
use posthouse::delivery::route::errand::Errand;
use posthouse::delivery::route::means::Means;
use tokio::time::Instant;

use crate::support::IN_TIME;
use crate::support::sink::{Act, Script, Sink, Turn};

use super::{carry, carry_by, config, courier, courier_by, courier_with, courier_within, open_gate, patient, small, told};

#[tokio::test]
async fn a_connection_gone_stale_is_replaced_and_nobody_notices() {
    let stale: Vec<Script> = vec![
        // Closed while idle; closed at the next MAIL.
        Script::on(|turn| (turn.verb() == "." && turn.connection == 0).then(|| Act::SayAndClose("250 2.0.0 taken".into()))),
        Script::on(|turn| (turn.verb() == "MAIL" && turn.nth == 1).then_some(Act::Close)),
        // A second reply to the same dot: out of step, and not to be used again.
        Script::on(|turn| (turn.verb() == "." && turn.connection == 0).then(|| Act::say("250 2.0.0 taken\r\n250 2.0.0 taken"))),
    ];
    for (case, script) in stale.into_iter().enumerate() {
        let sink = Sink::start(script).await;
        let mut courier = courier(&sink);
        for _ in 0..2 {
            let fates = told(&carry(&mut courier, &small(&["you@example.com"])).await);
            assert_eq!(fates, ["sent: 250 2.0.0 taken"], "case {case}");
        }
        assert_eq!((sink.received().len(), sink.connections()), (2, 2), "case {case}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_no_word_of_the_peer_about_the_next() {
    // Each session is good for two messages.
    let over = |turn: &Turn| (turn.verb() == "MAIL" && turn.nth % 3 == 2).then(|| Act::SayAndClose("421 4.7.0 enough".into()));
    let sink = Sink::start(Script::on(over)).await;
    let mut courier = courier(&sink);
    for _ in 0..6 {
        assert_eq!(told(&carry(&mut courier, &small(&["you@example.com"])).await), ["sent: 250 2.0.0 taken"]);
    }
    assert_eq!((sink.received().len(), sink.connections()), (6, 3));
}

#[tokio::test]
async fn who_ends_a_session_may_ask_for_less_all_the_same() {
    for (said, asks) in [
        ("421 4.7.0 slow down", true),
        ("421 4.3.2 overloaded", true),
        ("421 4.4.2 idle for too long", false),
        ("421 enough of this session", false),
    ] {
        let over = move |turn: &Turn| (turn.verb() == "MAIL" && turn.nth == 1).then(|| Act::SayAndClose(said.into()));
        let sink = Sink::start(Script::on(over)).await;
        let (mut courier, claim, gate) = (courier(&sink), small(&["you@example.com"]), open_gate());
        let errand = Errand { claim: &claim, service: None, gate: &gate, queue: None };
        for nth in 0..2 {
            let Carried::Fates(fates) = courier.carry(&errand, None).await else { panic!("{said}: not carried") };
            assert_eq!(told(&fates.each), ["sent: 250 2.0.0 taken"], "{said}");
            let asked = fates.slow_down.map(|reply| reply.line());
            assert_eq!(asked, (nth == 1 && asks).then(|| said.to_owned()));
        }
    }
}

#[tokio::test]
async fn a_connection_ends_after_as_many_messages_as_it_is_good_for() {
    let sink = Sink::willing().await;
    let mut config = config(&sink);
    config.delivery.relay.messages_per_connection = NonZeroU32::MIN.saturating_add(1);
    let mut courier = courier_with(&config);
    for _ in 0..5 {
        assert_eq!(told(&carry(&mut courier, &small(&["you@example.com"])).await), ["sent: 250 2.0.0 taken"]);
    }
    assert_eq!((sink.received().len(), sink.connections(), sink.said("QUIT")), (5, 3, 2));
}

#[tokio::test]
async fn a_peer_that_has_enough_is_dialled_once_more_and_then_let_alone() {
    let enough = |turn: &Turn| (turn.verb() == "MAIL" && turn.nth >= 1).then(|| Act::SayAndClose("421 4.7.0 enough".into()));
    let sink = Sink::start(Script::on(enough)).await;
    let (mut courier, claim, gate) = (courier(&sink), small(&["you@example.com"]), open_gate());
    assert_eq!(told(&carry(&mut courier, &claim).await), ["sent: 250 2.0.0 taken"]);
    let errand = Errand { claim: &claim, service: None, gate: &gate, queue: None };
    let Carried::Away(Away::TurnedUs(reply)) = courier.carry(&errand, None).await else { panic!("no sign of it") };
    assert_eq!(reply.line(), "421 4.7.0 enough");
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn dialling_has_an_end_and_so_has_a_transaction() {
    let soon = Duration::from_secs(1);
    let silent = Sink::start(Script::at("greeting", Act::Silence)).await;
    let deadlines = Deadlines { dial: soon, ..patient() };
    let fates = carry(&mut courier_within(&config(&silent), deadlines), &small(&["you@example.com"])).await;
    assert_eq!(told(&fates), ["later: no answer in time at the connection"]);

    // Each reply comes in time, and all together do not.
    let slow = Script::at("RCPT", Act::Delay(Duration::from_millis(200))).offering(&[]);
    let sink = Sink::start(slow).await;
    let many: Vec<String> = (0..20).map(|n| format!("u{n}@x.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let deadlines = Deadlines { transaction: soon, ..patient() };
    let fates = carry(&mut courier_within(&config(&sink), deadlines), &small(&many)).await;
    assert!(told(&fates)[19].starts_with("later: no answer in time at "), "{:?}", told(&fates));
    assert_eq!(sink.received().len(), 0);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_connection() {
    let sink = Sink::start(Script::at("greeting", Act::Silence)).await;
    let (mut courier, claim, gate) = (courier(&sink), small(&["a@x.example", "b@x.example"]), open_gate());
    let closing = async {
        sink.wait("a connection", |sink| sink.connections() == 1).await;
        gate.drain();
    };
    let (fates, ()) = tokio::join!(carry_by(&mut courier, &claim, &gate), closing);
    assert_eq!(fates, [Fate::Released, Fate::Released]);
}

#[tokio::test]
async fn helo_serves_where_ehlo_is_unknown() {
    let sink = Sink::start(Script::at("EHLO", Act::say("502 5.5.1 what"))).await;
    assert_eq!(told(&carry(&mut courier(&sink), &small(&["you@example.com"])).await), ["sent: 250 2.0.0 taken"]);
    assert_eq!(sink.received()[0].mail, "MAIL FROM:<a@example.test>");
    assert_eq!(sink.said("HELO CLIENT.EXAMPLE"), 1);
}

#[tokio::test]
async fn quit_is_said_at_the_end() {
    let sink = Sink::willing().await;
    let mut courier = courier(&sink);
    carry(&mut courier, &small(&["you@example.com"])).await;
    courier.retire().await;
    assert_eq!(sink.said("QUIT"), 1);
}

#[tokio::test]
async fn a_dead_host_is_not_tried_for_each_message() {
    let sink = Sink::willing().await;
    let config = config(&sink);
    drop(sink);
    let mut courier = courier_with(&config);
    for _ in 0..3 {
        let fates = told(&carry(&mut courier, &small(&["you@example.com"])).await);
        assert!(fates[0].starts_with("later: no connection to 127.0.0.1:"), "{fates:?}");
    }
}

/// A sink that shuts the gate when it hears `verb` for the first time.
async fn shutting(verb: &'static str) -> (Sink, Arc<Gate>) {
    let gate = Arc::new(open_gate());
    let shut = gate.clone();
    let script = Script::on(move |turn| {
        if turn.verb() == verb {
            shut.end();
        }
        None
    });
    (Sink::start(script).await, gate)
}

#[tokio::test]
async fn nothing_is_sent_over_a_connection_that_came_too_late() {
    let (sink, gate) = shutting("EHLO").await;
    let fates = carry_by(&mut courier(&sink), &small(&["a@x.example", "b@x.example"]), &gate).await;
    assert_eq!(fates, [Fate::Released, Fate::Released]);
    assert_eq!((sink.connections(), sink.said("MAIL")), (1, 0));
}

#[tokio::test]
async fn a_listener_of_our_own_is_no_smarthost() {
    let sink = Sink::willing().await;
    let mut config = config(&sink);
    config.smtp.listener[0].address = sink.address;
    let fates = told(&carry(&mut courier_with(&config), &small(&["you@example.com"])).await);
    assert!(fates[0].starts_with("later: ") && fates[0].contains("listener of this gateway"), "{fates:?}");
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn what_waits_for_its_attempt_has_its_connection_by_then() {
    let (sink, attempts) = (Sink::willing().await, Attempts::new(1, IN_TIME));
    let (claim, gate) = (small(&["you@example.com"]), open_gate());
    let other = attempts.begin(&claim.message, None).await;
    let mut courier = courier_by(&config(&sink), patient(), Means::bare(attempts));
    let over = async {
        sink.wait("a connection", |sink| sink.said("EHLO") == 1).await;
        drop(other);
        Instant::now()
    };
    let (fates, over) = tokio::join!(carry_by(&mut courier, &claim, &gate), over);
    assert_eq!(told(&fates), ["sent: 250 2.0.0 taken"]);
    assert!(courier.began().is_some_and(|began| began >= over), "what it tells of the next hop began at MAIL");
}

#[tokio::test]
async fn what_was_never_said_tells_nothing_of_the_next_hop() {
    let sink = Sink::willing().await;
    let mut courier = courier(&sink);
    assert_eq!(told(&carry(&mut courier, &small(&["you@example.com"])).await), ["sent: 250 2.0.0 taken"]);
    let mut unsayable = small(&["you@example.com"]);
    Arc::make_mut(&mut unsayable.message).reverse_path = Some("nobody".to_owned());
    assert!(matches!(carry(&mut courier, &unsayable).await[..], [Fate::Failed(_)]));
    assert_eq!(courier.began(), None);
}

#[tokio::test]
async fn what_is_dialled_in_flight_makes_room_for_other_attempts() {
    let (sink, attempts) = (Sink::start(Script::at("greeting", Act::Silence)).await, Attempts::new(1, Duration::from_millis(10)));
    let (claim, gate) = (small(&["you@example.com"]), open_gate());
    let in_flight = attempts.begin(&claim.message, None).await;
    let mut courier = courier_by(&config(&sink), patient(), Means::bare(attempts.clone()));
    let errand = Errand { claim: &claim, service: None, gate: &gate, queue: None };
    let other = tokio::select! {
        carried = courier.carry(&errand, Some(in_flight)) => panic!("{carried:?}"),
        other = tokio::time::timeout(IN_TIME, attempts.begin(&claim.message, None)) => other,
    };
    assert!(other.is_ok(), "the only attempt is held by what dials");
}
