//! What each answer of the next hop comes to.

use std::time::Duration;

use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::fate::Fate;

use crate::support::sink::{Act, Script, Sink, Turn};

use super::{carry, config, courier, courier_within, patient, small, told};

/// How long a reply is waited for in vain; those that come before it are quicker.
const SOON: Duration = Duration::from_secs(3);

/// Refusals and misbehaviour at each step, pipelined and not: what becomes of the recipient, and how many messages the sink took.
#[tokio::test]
async fn each_step_fails_as_it_should() {
    let cases: Vec<(&'static str, Act, &str)> = vec![
        ("MAIL", Act::say("451 4.3.0 not now"), "later: 451 4.3.0 not now"),
        ("MAIL", Act::say("550 5.7.1 no"), "refused: 550 5.7.1 no"),
        ("MAIL", Act::say("530 5.7.0 log in"), "later: 530 5.7.0 log in"),
        ("MAIL", Act::SayAndClose("421 4.3.2 bye".into()), "later: 421 4.3.2 bye"),
        ("MAIL", Act::Close, "later: the connection ended at MAIL"),
        ("RCPT", Act::say("450 4.2.1 busy"), "later: 450 4.2.1 busy"),
        ("RCPT", Act::say("550-5.1.1 no\r\n550 5.1.1 such user"), "refused: 550 5.1.1 no such user"),
        ("RCPT", Act::say("552 too many"), "later: 552 too many"),
        ("RCPT", Act::SayAndClose("421 4.3.2 bye".into()), "later: 421 4.3.2 bye"),
        ("RCPT", Act::Close, "later: the connection ended at RCPT"),
        ("RCPT", Act::say("354 what"), "later: 354 what"),
        ("DATA", Act::say("451 4.3.0 not now"), "later: 451 4.3.0 not now"),
        ("DATA", Act::say("554 5.7.1 no"), "refused: 554 5.7.1 no"),
        ("DATA", Act::say("250 what"), "later: 250 what"),
        ("DATA", Act::SayAndClose("354 go".into()), "later: the connection ended at"),
        ("DATA", Act::say("354 go\r\n250 2.0.0 taken already"), "later: the peer spoke out of turn"),
        ("DATA", Act::SayAndClose("354 go\r\n552 5.3.4 too large".into()), "refused: 552 5.3.4 too large"),
        (".", Act::say("451 4.3.0 not now"), "later: 451 4.3.0 not now"),
        (".", Act::say("554 5.6.0 no"), "refused: 554 5.6.0 no"),
        (".", Act::SayAndClose("421 4.3.2 bye".into()), "later: 421 4.3.2 bye"),
        (".", Act::Close, "later: the connection ended at the final dot"),
        (".", Act::Silence, "later: no answer in time at the final dot"),
        (".", Act::say("354 what"), "later: 354 what"),
        ("EHLO", Act::say("421 4.3.2 bye"), "later: 421 4.3.2 bye"),
        ("EHLO", Act::Close, "later: the connection ended at EHLO"),
        ("greeting", Act::say("554 5.7.1 your address is blocked"), "later: 554 5.7.1 your address is blocked"),
        ("greeting", Act::say("421 4.3.2 busy"), "later: 421 4.3.2 busy"),
        ("greeting", Act::Close, "later: the connection ended at the greeting"),
        ("greeting", Act::Silence, "later: no answer in time at the greeting"),
        ("greeting", Act::Drip("220-slow\r\n".into()), "later: no answer in time at the greeting"),
        ("greeting", Act::Endless("220-more\r\n".into()), "later: no proper reply at the greeting: it is too long"),
        ("greeting", Act::Endless("x".into()), "later: no proper reply at the greeting"),
        ("MAIL", Act::Endless("250-more and more of it\r\n".into()), "later: no proper reply at MAIL: it is too long"),
        ("RCPT", Act::Drip("2".into()), "later: no answer in time at RCPT"),
        (".", Act::Endless("250".into()), "later: no proper reply at the final dot: it is too long"),
        (".", Act::say("hello"), "later: no proper reply at the final dot"),
        ("MAIL", Act::say("250-a\r\n550 b"), "later: no proper reply at MAIL: its lines have different codes"),
    ];
    let offers = [&["PIPELINING"][..], &[], &["PIPELINING", "CHUNKING"], &["CHUNKING"]];
    for (offers, (step, act, wanted)) in offers.iter().flat_map(|offers| cases.iter().map(move |case| (offers, case))) {
        // Where chunks are taken, DATA is never said.
        if *step == "DATA" && offers.contains(&"CHUNKING") {
            continue;
        }
        let sink = Sink::start(Script::at(step, act.clone()).offering(offers)).await;
        // Only who says nothing, or never comes to an end, is waited for in vain, and others at the same sink are not.
        let deadlines = match *step {
            "." if wanted.contains("in time") => Deadlines { dot: SOON, ..patient() },
            _ if wanted.contains("in time") => Deadlines { command: SOON, ..patient() },
            _ => patient(),
        };
        let mut courier = courier_within(&config(&sink), deadlines);
        let fates = told(&carry(&mut courier, &small(&["you@example.com"])).await);
        let what = format!("{step} {act:?} {offers:?}: {fates:?}");
        // A peer that hangs up may be found out while writing or while reading.
        let closed = wanted.contains("ended") && fates[0].starts_with("later: the connection ended");
        assert!(fates[0].starts_with(wanted) || closed, "{what}");
        assert_eq!(sink.received().len(), 0, "{what}");
    }
}

#[tokio::test]
async fn recipients_have_answers_of_their_own() {
    let script = |offers: &[&str]| {
        Script::on(|turn| match turn.line.as_str() {
            line if line.contains("bad@") => Some(Act::say("550 5.1.1 unknown")),
            line if line.contains("busy@") => Some(Act::say("450 4.2.1 busy")),
            _ => None,
        })
        .offering(offers)
    };
    for offers in [&["PIPELINING"][..], &[], &["PIPELINING", "CHUNKING"], &["CHUNKING"]] {
        let sink = Sink::start(script(offers)).await;
        let mut courier = courier(&sink);
        let recipients = ["bad@x.example", "one@x.example", "busy@x.example", "two@x.example"];
        let fates = told(&carry(&mut courier, &small(&recipients)).await);
        let wanted = ["refused: 550 5.1.1 unknown", "sent: 250 2.0.0 taken", "later: 450 4.2.1 busy", "sent: 250 2.0.0 taken"];
        assert_eq!(fates, wanted);
        // With nobody to receive, no content goes, and the connection is good for more.
        let fates = told(&carry(&mut courier, &small(&["bad@x.example", "bad@y.example"])).await);
        assert_eq!(fates, ["refused: 550 5.1.1 unknown"; 2]);
        let fates = told(&carry(&mut courier, &small(&["one@x.example"])).await);
        assert_eq!(fates, ["sent: 250 2.0.0 taken"]);
        assert_eq!((sink.received().len(), sink.connections(), sink.said("RSET")), (2, 1, 1));
        let chunks = if offers.contains(&"CHUNKING") { 2 } else { 0 };
        assert_eq!(sink.said("BDAT"), chunks, "content goes only to whom somebody is to receive it");
    }
}

#[tokio::test]
async fn a_chunk_that_is_refused_leaves_the_connection_as_good_as_new() {
    for (reply, wanted) in [("554 5.7.1 no", "refused: 554 5.7.1 no"), ("451 4.3.0 not now", "later: 451 4.3.0 not now")] {
        let script = Script::on(move |turn| (turn.verb() == "." && turn.nth == 0).then(|| Act::say(reply)));
        let sink = Sink::start(script.offering(&["PIPELINING", "CHUNKING"])).await;
        let mut courier = courier(&sink);
        assert_eq!(told(&carry(&mut courier, &small(&["one@x.example"])).await), [wanted]);
        assert_eq!(told(&carry(&mut courier, &small(&["one@x.example"])).await), ["sent: 250 2.0.0 taken"]);
        assert_eq!((sink.connections(), sink.said("RSET"), sink.said("BDAT")), (1, 1, 2));
    }
}

#[tokio::test]
async fn a_chunk_refused_before_it_was_written_is_explained() {
    let script = Script::at("BDAT", Act::SayAndClose("552 5.3.4 too large".into())).offering(&["CHUNKING"]);
    let sink = Sink::start(script).await;
    let large = super::claim(&[b"a: b\r\n\r\n".to_vec(), b"x\r\n".repeat(8_000_000)].concat(), &["one@x.example"]);
    assert_eq!(told(&carry(&mut courier(&sink), &large).await), ["refused: 552 5.3.4 too large"]);
}

/// The reply to a recipient that comes too late must not be taken for one to what is said next.
#[tokio::test]
async fn who_is_lost_among_the_recipients_is_told_nothing_more() {
    for offers in [&["PIPELINING"][..], &[], &["PIPELINING", "CHUNKING"], &["CHUNKING"]] {
        let late = Script::on(|turn| turn.line.contains("late@").then_some(Act::Silence)).offering(offers);
        let sink = Sink::start(late).await;
        let mut courier = courier_within(&config(&sink), Deadlines { command: SOON, ..patient() });
        let fates = told(&carry(&mut courier, &small(&["one@x.example", "late@x.example"])).await);
        assert_eq!(fates, ["later: no answer in time at RCPT"; 2], "{offers:?}");
        assert_eq!(sink.said("BDAT"), 0);
    }
}

#[tokio::test]
async fn content_asked_for_by_nobody_is_a_lone_dot() {
    let script = Script::on(|turn| match turn.verb().as_str() {
        "RCPT" if turn.line.contains("bad@") => Some(Act::say("550 5.1.1 unknown")),
        "DATA" if turn.nth == 0 => Some(Act::say("354 go on")),
        _ => None,
    });
    let sink = Sink::start(script).await;
    let mut courier = courier(&sink);
    assert_eq!(told(&carry(&mut courier, &small(&["bad@x.example"])).await), ["refused: 550 5.1.1 unknown"]);
    assert_eq!(told(&carry(&mut courier, &small(&["one@x.example"])).await), ["sent: 250 2.0.0 taken"]);
    let received = sink.received();
    assert_eq!(received[0].raw, b".\r\n", "{received:?}");
    assert_eq!((received.len(), sink.connections()), (2, 1));
}

#[tokio::test]
async fn recipients_beyond_the_peers_limit_are_left_over() {
    let many: Vec<String> = (0..8).map(|n| format!("u{n}@x.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let enough = |turn: &Turn| (turn.verb() == "RCPT" && turn.nth >= 3).then(|| Act::say("452 4.5.3 too many"));
    let sink = Sink::start(Script::on(enough)).await;
    let fates = carry(&mut courier(&sink), &small(&many)).await;
    assert!(fates[..3].iter().all(|fate| matches!(fate, Fate::Sent(_))), "{fates:?}");
    assert_eq!(fates[3..], vec![Fate::LeftOver; 5]);
    assert_eq!((sink.said("MAIL"), sink.received().len()), (1, 1));
}
