//! Under which reverse-path mail leaves, and what comes back to it.

use std::sync::Arc;

use posthouse::clock::Timestamp;
use posthouse::model::domain::{DomainStatus, Look};
use posthouse::model::envelope::DsnRet;
use posthouse::model::event::EventKind;
use posthouse::model::message::Message;
use posthouse::model::status::MessageStatus;
use posthouse::store::secrets::RETURN_ADDRESSES;
use posthouse::wire::token::{Seal, Token};

use super::*;
use crate::returns::{ABUSE, Desk, GONE};
use crate::support::dns::{Dns, Records};
use crate::support::stores::on_every_engine;

/// A team that stands verified to the domain, whose return path leads here or not.
pub(super) async fn team_of(store: &Store, domain: &str, return_path: bool) -> Id {
    let team = team(store).await;
    store.trust_domain(team, domain).await.expect("trusted");
    let known = store.domain(team, domain).await.expect("read").expect("there");
    let next_look_at = Timestamp(i64::MAX);
    let (status, seen) = (DomainStatus::Verified, Vec::new());
    let look = Look { status, misses: 0, missing_since: None, return_path, tracking: false, next_look_at, seen };
    assert!(store.write_look(&known, &look).await.expect("written"));
    team
}

/// Something to be heard by: what comes back is looked after.
fn heard(config: Config) -> Config {
    let mut config = config;
    config.inbound.address = "127.0.0.1:25".to_owned();
    config
}

/// The MAIL line of a message to `to` that is changed in this, once it has left.
async fn mail_line(store: &Store, sink: &Sink, team: Id, to: &[&str], change: impl FnOnce(&mut Message)) -> (Id, String) {
    let before = sink.received().len();
    let mut acceptance = nouns::acceptance(team, to);
    change(Arc::make_mut(&mut acceptance.message));
    let id = accept(store, acceptance).await;
    let received = sink.wait_received(before + 1).await.swap_remove(before);
    (id, received.mail)
}

/// What the reverse-path of a MAIL line says.
fn token(seal: &Seal, line: &str) -> Option<Token> {
    seal.read(reverse_path(line).strip_suffix("@send.example.test")?)
}

fn reverse_path(line: &str) -> &str {
    line.strip_prefix("MAIL FROM:<").and_then(|rest| rest.split_once('>')).expect("a path").0
}

/// Sends to b@example.test by `config`; what is reported to the reverse-path then ends the recipient.
async fn a_report_ends_the_recipient(store: &Store, sink: &Sink, config: &Config, clock: &Clock, notify: &str) {
    let team = team_of(store, "example.test", true).await;
    let seal = Seal::new(&store.secret(RETURN_ADDRESSES).await.expect("a secret"));
    let engine = Running::start(store, &heard(config.clone()), clock);
    let (id, line) = mail_line(store, sink, team, &["b@example.test"], |m| {
        (m.envid, m.ret) = (Some("E1".to_owned()), Some(DsnRet::Full));
    })
    .await;
    assert_eq!(token(&seal, &line), seal.of_recipient(id, 0), "{line}");
    assert!(line.ends_with(" RET=HDRS ENVID=E1"), "what comes to us need not be whole: {line}");
    let asked = sink.received().remove(0).rcpt;
    assert_eq!(asked, [format!("RCPT TO:<b@example.test> NOTIFY={notify}")]);
    until("it has left", || async { !states(store, id).await[0].is_open() }).await;

    let desk = Desk::open(store).await;
    assert!(desk.delivery(reverse_path(&line), GONE).await.starts_with("250 "));
    assert_eq!(states(store, id).await, [RecipientState::Bounced]);
    desk.shutdown.begin();

    let (id, line) = mail_line(store, sink, team, &["c@example.test", "d@example.test"], |_| ()).await;
    assert_eq!(token(&seal, &line), Some(seal.of_domain(id, "example.test")), "they share it");
    assert!(line.contains(" RET=HDRS"), "nor when nobody said: {line}");
    engine.stop().await;
}

#[test]
fn who_is_elsewhere_shares_no_reverse_path() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::willing().await);
        let team = team_of(store, "example.test", true).await;
        let seal = Seal::new(&store.secret(RETURN_ADDRESSES).await.expect("a secret"));
        let engine = Running::start(store, &heard(config(&sink)), &book.clock);
        let id = accept(store, nouns::acceptance(team, &["x@evil.test", "boss@bank.test", "y@Evil.test"])).await;
        let received = sink.wait_received(2).await;
        engine.stop().await;
        let mut told: Vec<_> = received.iter().map(|r| (r.rcpt.len(), token(&seal, &r.mail))).collect();
        told.sort_by_key(|(recipients, _)| *recipients);
        assert_eq!(told, [(1, seal.of_recipient(id, 1)), (2, Some(seal.of_domain(id, "evil.test")))]);
    });
}

#[test]
fn what_is_relayed_returns_to_us() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        a_report_ends_the_recipient(&book.store, &sink, &config(&sink), &book.clock, "SUCCESS,FAILURE").await;
    });
}

#[test]
fn what_goes_directly_returns_to_us() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let records = Records::default().mx("example.test", 10, "mx.example.test").address("mx.example.test", direct::here(1));
        let dns = Dns::start(records).await;
        a_report_ends_the_recipient(&book.store, &sink, &direct::config(&dns, &sink), &book.clock, "FAILURE").await;
    });
}

#[test]
fn a_reader_of_what_went_directly_complains_by_way_of_a_feedback_loop() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::willing().await);
        let records = Records::default().mx("example.test", 10, "mx.example.test").address("mx.example.test", direct::here(1));
        let dns = Dns::start(records).await;
        let team = team_of(store, "example.test", true).await;
        let engine = Running::start(store, &heard(direct::config(&dns, &sink)), &book.clock);
        let (id, line) = mail_line(store, &sink, team, &["b@example.test"], |_| ()).await;
        until("it was delivered", || async { states(store, id).await == [RecipientState::Delivered] }).await;
        engine.stop().await;

        // As the provider keeps it: on top the path it came by, its reader's name taken out.
        let content = String::from_utf8(sink.received().remove(0).content).expect("text").replace("\r\n", "\n");
        let kept = format!("Return-Path: <{}>\n{content}", reverse_path(&line));
        let desk = Desk::open(store).await;
        assert!(desk.complaint(ABUSE, "Original-Rcpt-To: <redacted@example.test>\n", &kept).await.starts_with("250 "));
        desk.shutdown.begin();
        let events = store.events(id).await.expect("read");
        let last = events.last().expect("an event");
        assert_eq!((last.kind, last.recipient, &last.detail["complaint"]), (EventKind::Complained, Some(0), &"abuse".into()));
        let listed = store.message(None, id).await.expect("read").expect("there");
        assert_eq!(listed.status, Some(MessageStatus::Complained));
        let suppression = store.suppression(team, "b@example.test").await.expect("read").expect("one");
        assert_eq!((suppression.reason.as_str(), suppression.message), ("complaint", Some(id)));
    });
}

#[test]
fn the_reverse_path_stays_where_nothing_would_come_back_to_us() {
    on_every_engine(|book| async move {
        let (store, sink, clock) = (&book.store, Sink::willing().await, &book.clock);
        let team = team_of(store, "example.test", true).await;
        store.trust_domain(team, "pathless.test").await.expect("trusted");
        let to = ["b@example.test"];
        let engine = Running::start(store, &heard(config(&sink)), clock);
        let (_, null) = mail_line(store, &sink, team, &to, |m| m.reverse_path = None).await;
        assert!(null.starts_with("MAIL FROM:<> "), "{null}");
        let (_, pathless) = mail_line(store, &sink, team, &to, |m| m.from = "a@pathless.test".to_owned()).await;
        assert!(pathless.starts_with("MAIL FROM:<a@example.test> "), "{pathless}");
        engine.stop().await;

        let engine = Running::start(store, &config(&sink), clock);
        let (_, unheard) = mail_line(store, &sink, team, &to, |_| ()).await;
        assert!(unheard.starts_with("MAIL FROM:<a@example.test> "), "{unheard}");
        engine.stop().await;
    });
}
