//! What leaves by a relay is signed by both keys of its domain, and else as it was stored.

use std::sync::Arc;

use posthouse::domains::gateway::Gateway;
use posthouse::domains::keys;
use posthouse::domains::records::records;
use posthouse::model::dkim::{KeyState, OVERLAP};
use posthouse::model::domain::{Domain, ReturnLabel};

use super::*;
use crate::support::dkim::{Signed, verify};
use crate::support::sink::{Received, Script};
use crate::support::stores::on_every_engine;

const FROM: &str = "example.test";

/// What a message of `from` arrives as.
async fn sent(store: &Store, sink: &Sink, team: Id, from: &str, content: &[u8]) -> Received {
    let before = sink.received().len();
    let mut acceptance = nouns::acceptance(team, &["you@dest.test"]);
    let message = Arc::make_mut(&mut acceptance.message);
    message.from = format!("a@{from}");
    message.size = content.len() as u64;
    acceptance.body = Body::free(content.to_vec());
    let id = accept(store, acceptance).await;
    until_all(store, &[id], RecipientState::Sent).await;
    sink.received().swap_remove(before)
}

fn content(from: &str, body: &str) -> Vec<u8> {
    format!("Received: by here\r\nFrom: A <a@{from}>\r\nTo: you@dest.test\r\nSubject: hi\r\nDate: now\r\n\r\n{body}").into_bytes()
}

/// The signatures that hold, by the records that the domain is to publish.
pub(super) async fn signatures(store: &Store, domain: &Domain, message: &[u8]) -> Vec<Signed> {
    let published = records(domain, &store.dkim_keys(domain.id).await.unwrap(), &Gateway::default());
    let txt = |name: &str| published.iter().find(|record| record.name == name).map(|record| record.value.clone());
    verify(message, txt).into_iter().map(|verdict| verdict.expect("a signature that holds")).collect()
}

fn algorithms(signed: &[Signed]) -> Vec<&str> {
    signed.iter().map(|s| s.algorithm.as_str()).collect()
}

#[test]
fn mail_of_a_trusted_domain_is_signed_twice_and_changed_in_nothing_else() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let team = team(store).await;
        let domain = keys::trust(store, team, FROM, book.clock.now()).await.unwrap();
        let engine = Running::start(store, &config(&sink), &book.clock);
        let large = format!("{}\r\n.\r\n \t\r\n", "A line.  With blanks \t\r\n".repeat(60_000));
        for (from, body) in [(FROM, ".dot\r\n\r\n\r\n"), ("news.example.test", ""), (FROM, large.as_str())] {
            let stored = content(from, body);
            let got = sent(store, &sink, team, from, &stored).await.content;
            let head = got.len() - stored.len();
            let signed = signatures(store, &domain, &got).await;
            assert_eq!(algorithms(&signed), ["rsa-sha256", "ed25519-sha256"]);
            assert!(signed.iter().all(|s| s.domain == FROM), "{signed:?}");
            assert!(got[head..] == stored, "{} octets became {}", stored.len(), got.len());
            assert!(got.starts_with(b"DKIM-Signature: ") && head < 2000, "{head} octets on top");
        }
        engine.stop().await;
    });
}

#[test]
fn what_is_not_the_teams_own_goes_unsigned() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let us = team(store).await;
        let them = store.create_team("them").await.unwrap().id;
        keys::trust(store, them, "theirs.test", book.clock.now()).await.unwrap();
        keys::trust(store, them, "sub.ours.test", book.clock.now()).await.unwrap();
        keys::trust(store, us, "ours.test", book.clock.now()).await.unwrap();
        keys::add(store, us, "pending.test", &ReturnLabel::default(), book.clock.now()).await.unwrap();
        let engine = Running::start(store, &config(&sink), &book.clock);
        for from in ["theirs.test", "sub.ours.test", "pending.test", "unheard-of.test"] {
            let stored = content(from, "hi\r\n");
            assert_eq!(sent(store, &sink, us, from, &stored).await.content, stored, "{from}");
        }
        engine.stop().await;
    });
}

#[test]
fn new_keys_sign_once_they_are_vouched_for_and_the_old_ones_stay_published() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let (team, now) = (team(store).await, book.clock.now());
        let domain = keys::trust(store, team, FROM, now).await.unwrap();
        let first = selectors(store, &domain, KeyState::Active).await;
        assert!(keys::rotate(store, &domain, now).await.unwrap());
        assert!(!keys::rotate(store, &domain, now).await.unwrap(), "one pair waits already");
        assert_eq!(selectors(store, &domain, KeyState::Active).await, first);
        keys::trust(store, team, FROM, now).await.unwrap();
        assert_eq!(selectors(store, &domain, KeyState::Retiring).await, first);
        let second = selectors(store, &domain, KeyState::Active).await;
        assert!(second.len() == 2 && second.iter().all(|selector| !first.contains(selector)));

        let engine = Running::start(store, &config(&sink), &book.clock);
        let got = sent(store, &sink, team, FROM, &content(FROM, "hi\r\n")).await;
        let signed = signatures(store, &domain, &got.content).await;
        assert!(signed.len() == 2 && signed.iter().all(|s| second.contains(&s.selector)), "{signed:?}");
        engine.stop().await;

        assert_eq!(store.remove_retired_keys().await.unwrap(), 0);
        let later = Clock::manual(book.clock.now().plus(OVERLAP));
        let after = Store::open(&book.location, later).await.unwrap();
        assert_eq!(after.remove_retired_keys().await.unwrap(), 2);
        assert_eq!(store.dkim_keys(domain.id).await.unwrap().len(), 2);
        assert!(store.remove_domain(team, FROM).await.unwrap());
        assert!(store.dkim_keys(domain.id).await.unwrap().is_empty(), "the keys go with their domain");
        after.close().await;
    });
}

async fn selectors(store: &Store, domain: &Domain, state: KeyState) -> Vec<String> {
    let keys = store.dkim_keys(domain.id).await.unwrap();
    keys.into_iter().filter(|key| key.state == state).map(|key| key.selector).collect()
}
