//! What senders are told by mail, and when nobody is told.

use posthouse::config::units::Span;
use posthouse::mime::report::Report;
use posthouse::mime::report::delivery::{Action, RecipientReport};
use posthouse::model::envelope::DsnNotify;
use posthouse::model::key::{DsnChoice, KeyRights, Secret};
use posthouse::notices::Postmaster;
use posthouse::store::keys::NewKey;

use super::returning::team_of;
use super::*;
use crate::returns::{Desk, GONE};
use crate::support::dns::{Dns, Records};
use crate::support::sink::{Act, Received, Script};
use crate::support::stores::on_every_engine;

const OWN: &str = "a@example.test";

async fn key(store: &Store, team: Id, dsn: DsnChoice) -> Option<Id> {
    let rights = KeyRights { dsn, ..KeyRights::default() };
    let new = NewKey { team, name: format!("{dsn:?}"), secret: Secret::generate(), rights, expires_at: None };
    Some(store.create_key(new).await.expect("a key").id)
}

/// A message from `from` whose recipients are to be told of as said.
async fn ask(store: &Store, team: Id, key: Option<Id>, from: &str, to: &[&str], notify: Option<&str>) -> Id {
    let mut acceptance = nouns::acceptance(team, to);
    let message = std::sync::Arc::make_mut(&mut acceptance.message);
    (message.key, message.reverse_path, message.envid) = (key, Some(from.to_owned()), Some("E 1".to_owned()));
    for recipient in &mut acceptance.recipients {
        recipient.path.notify = notify.and_then(DsnNotify::parse);
    }
    accept(store, acceptance).await
}

/// Knows nobody whose name is `gone`.
fn picky(offers: &[&str]) -> Script {
    Script::on(|turn| turn.line.starts_with("RCPT TO:<gone@").then(|| Act::say("550 5.1.1 no such user"))).offering(offers)
}

/// What a notification tells of its one recipient; it must be one, to whom it may concern and from nobody.
fn told(received: &Received) -> RecipientReport {
    assert!(received.rcpt.len() == 1 && received.rcpt[0].starts_with("RCPT TO:<a@example.test>"), "{:?}", received.rcpt);
    let Some(Report::Delivery(report)) = Report::read(&received.content) else { panic!("no report") };
    assert_eq!(report.reporting_mta.as_deref(), Some("post.test"));
    assert!(String::from_utf8_lossy(&received.content).contains("\r\nOriginal-Envelope-Id: E 1\r\n"));
    let [recipient] = &report.recipients[..] else { panic!("not one recipient") };
    recipient.clone()
}

fn of_recipient(told: &RecipientReport) -> (&str, Action, Option<&str>) {
    (&told.final_recipient, told.action, told.reply.enhanced.as_deref())
}

/// By `config`, a refusal and a success are told of, each once.
async fn both_are_told(store: &Store, sink: &Sink, config: Config, clock: &Clock, success: Action) {
    let mut config = config;
    config.smtp.hostname = "post.test".to_owned();
    let team = team_of(store, "example.test", false).await;
    let key = key(store, team, DsnChoice::Auto).await;
    let engine = Running::start(store, &config, clock);
    ask(store, team, key, OWN, &["gone@dest.test", "fine@dest.test"], Some("FAILURE,SUCCESS")).await;
    let received = sink.wait_received(3).await;
    until("all have ended", || async { store.queued(team).await == Ok(0) }).await;
    engine.stop().await;
    assert_eq!(sink.received().len(), 3, "nothing is told twice, nor of what tells");
    let letters: Vec<_> = received.iter().filter(|r| r.mail.starts_with("MAIL FROM:<>")).map(told).collect();
    let mut actions: Vec<_> = letters.iter().map(of_recipient).collect();
    actions.sort_by_key(|(recipient, ..)| *recipient);
    assert_eq!(actions, [("fine@dest.test", success, Some("2.0.0")), ("gone@dest.test", Action::Failed, Some("5.1.1"))]);
}

#[test]
fn who_relays_tells_what_was_refused_and_what_was_passed_on() {
    on_every_engine(|book| async move {
        let sink = Sink::start(picky(&["PIPELINING", "8BITMIME"])).await;
        both_are_told(&book.store, &sink, config(&sink), &book.clock, Action::Relayed).await;
    });
}

#[test]
fn who_delivers_tells_what_was_refused_and_what_was_delivered() {
    on_every_engine(|book| async move {
        let sink = Sink::start(picky(&["PIPELINING", "8BITMIME"])).await;
        let records = Records::default().mx("dest.test", 10, "mx.dest.test").mx("example.test", 10, "mx.dest.test");
        let dns = Dns::start(records.address("mx.dest.test", direct::here(1))).await;
        both_are_told(&book.store, &sink, direct::config(&dns, &sink), &book.clock, Action::Delivered).await;
    });
}

#[test]
fn a_next_hop_that_was_asked_tells_of_success_itself() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::start(picky(&["DSN"])).await);
        let team = team_of(store, "example.test", false).await;
        let key = key(store, team, DsnChoice::Auto).await;
        let engine = Running::start(store, &config(&sink), &book.clock);
        let id = ask(store, team, key, OWN, &["fine@dest.test"], Some("SUCCESS")).await;
        until_all(store, &[id], RecipientState::Sent).await;
        assert_eq!(store.queued(team).await, Ok(0), "nothing more is to be told");
        engine.stop().await;
        let [passed] = &sink.received()[..] else { panic!("not one message") };
        assert!(passed.mail.ends_with(" ENVID=E+201"), "{}", passed.mail);
        assert_eq!(passed.rcpt, ["RCPT TO:<fine@dest.test> NOTIFY=SUCCESS"]);
    });
}

#[test]
fn a_bounce_that_comes_back_later_is_told_with_its_outcome_and_once() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::willing().await);
        let team = team_of(store, "example.test", true).await;
        let mut config = config(&sink);
        config.smtp.hostname = "post.test".to_owned();
        config.inbound.address = "127.0.0.1:25".to_owned();
        let desk =
            Desk::with(store, |inbound| inbound.telling_by(Postmaster::new(store.clone(), &config, book.clock.clone()))).await;
        let (auto, never) = (key(store, team, DsnChoice::Auto).await, key(store, team, DsnChoice::Never).await);
        let engine = Running::start(store, &config, &book.clock);
        for (number, (key, notify)) in [(auto, "DELAY"), (never, "FAILURE"), (auto, "FAILURE")].into_iter().enumerate() {
            let id = ask(store, team, key, OWN, &["b@example.test"], Some(notify)).await;
            let passed_on = sink.wait_received(number + 1).await.remove(number).mail;
            until("it has left", || async { states(store, id).await == [RecipientState::Sent] }).await;
            let path = passed_on.strip_prefix("MAIL FROM:<").and_then(|rest| rest.split_once('>')).expect("a path").0;
            for _ in 0..2 {
                assert!(desk.delivery(path, GONE).await.starts_with("250 "));
            }
            assert_eq!(states(store, id).await, [RecipientState::Bounced]);
        }
        let letter = sink.wait_received(4).await.remove(3);
        until("all have ended", || async { store.queued(team).await == Ok(0) }).await;
        engine.stop().await;
        assert_eq!(sink.received().len(), 4, "one is told, who asked for it, and of one bounce");
        assert!(letter.mail.starts_with("MAIL FROM:<>"), "{}", letter.mail);
        assert_eq!(of_recipient(&told(&letter)), ("b@example.test", Action::Failed, Some("5.1.1")));
        desk.shutdown.begin();
    });
}

#[test]
fn a_success_that_comes_back_is_told_then_and_nothing_untrue_before() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::start(picky(&["PIPELINING", "DSN"])).await);
        let team = team_of(store, "example.test", true).await;
        let mut config = config(&sink);
        config.smtp.hostname = "post.test".to_owned();
        config.inbound.address = "127.0.0.1:25".to_owned();
        let desk =
            Desk::with(store, |inbound| inbound.telling_by(Postmaster::new(store.clone(), &config, book.clock.clone()))).await;
        let key = key(store, team, DsnChoice::Auto).await;
        let engine = Running::start(store, &config, &book.clock);
        let id = ask(store, team, key, OWN, &["b@example.test"], Some("SUCCESS")).await;
        let passed_on = sink.wait_received(1).await.remove(0);
        assert_eq!(passed_on.rcpt, ["RCPT TO:<b@example.test> NOTIFY=SUCCESS,FAILURE"]);
        until_all(store, &[id], RecipientState::Sent).await;
        assert_eq!(store.queued(team).await, Ok(0), "the next hop was asked to tell more: there is nothing to tell yet");
        let path = passed_on.mail.strip_prefix("MAIL FROM:<").and_then(|rest| rest.split_once('>')).expect("a path").0;
        let done = "Final-Recipient: rfc822; b@example.test\nAction: delivered\nStatus: 2.1.5";
        for _ in 0..2 {
            assert!(desk.delivery(path, done).await.starts_with("250 "));
        }
        let letter = sink.wait_received(2).await.remove(1);
        until("all have ended", || async { store.queued(team).await == Ok(0) }).await;
        engine.stop().await;
        assert_eq!(sink.received().len(), 2, "a success is told once");
        assert_eq!(of_recipient(&told(&letter)), ("b@example.test", Action::Delivered, Some("2.1.5")));
        desk.shutdown.begin();
    });
}

#[test]
fn a_delay_is_told_once() {
    on_every_engine(|book| async move {
        let script = Script::on(|turn| turn.line.starts_with("RCPT TO:<busy@").then(|| Act::say("451 4.2.0 not now")));
        let (store, sink) = (&book.store, Sink::start(script).await);
        let team = team_of(store, "example.test", false).await;
        let key = key(store, team, DsnChoice::Auto).await;
        let mut config = config(&sink);
        config.smtp.hostname = "post.test".to_owned();
        config.delivery.retry.schedule = vec![Span(Duration::from_millis(1))];
        config.delivery.retry.delay_notice = Span(Duration::from_millis(1));
        let engine = Running::start(store, &config, &book.clock);
        let id = ask(store, team, key, OWN, &["busy@dest.test"], Some("DELAY")).await;
        let letter = sink.wait_received(1).await.remove(0);
        let attempts = async || recipients(store, id).await[0].attempts;
        let before = attempts().await;
        until("more attempts", || async { attempts().await >= before + 3 }).await;
        engine.stop().await;
        assert_eq!(sink.received().len(), 1);
        assert_eq!(of_recipient(&told(&letter)), ("busy@dest.test", Action::Delayed, Some("4.2.0")));
        assert!(String::from_utf8_lossy(&letter.content).contains("\r\nWill-Retry-Until: "));
    });
}

#[test]
fn nobody_else_is_told_anything() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::start(picky(&["PIPELINING"])).await);
        let team = team_of(store, "example.test", false).await;
        let them = store.create_team("them").await.expect("a team").id;
        store.trust_domain(them, "theirs.test").await.expect("trusted");
        let auto = key(store, team, DsnChoice::Auto).await;
        let never = key(store, team, DsnChoice::Never).await;
        let (to, failure) = (["gone@dest.test"], Some("FAILURE"));
        let ids = [
            ask(store, team, auto, "a@foreign.test", &to, failure).await,
            ask(store, team, auto, "a@theirs.test", &to, failure).await,
            ask(store, team, never, OWN, &to, failure).await,
            ask(store, team, None, OWN, &to, failure).await,
            ask(store, team, auto, OWN, &to, Some("NEVER")).await,
            ask(store, team, auto, OWN, &to, Some("SUCCESS")).await,
            ask(store, team, auto, OWN, &to, None).await,
        ];
        let engine = Running::start(store, &config(&sink), &book.clock);
        until_all(store, &ids, RecipientState::Bounced).await;
        assert_eq!(store.queued(team).await, Ok(0), "a letter is there as soon as its outcome");
        engine.stop().await;
        assert_eq!(sink.received(), []);
    });
}
