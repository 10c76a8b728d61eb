//! The status in a message's row, and the counters that move with it, follow the recipients on every way.

use std::collections::BTreeMap;
use std::sync::Arc;

use posthouse::id::Id;
use posthouse::model::bounce::BounceClass;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::{Bounce, Outcome, RecipientState, Reply};
use posthouse::model::statistics::{Day, StatusCounts};
use posthouse::model::status::MessageStatus;
use posthouse::store::Store;
use posthouse::store::accept::Acceptance;
use posthouse::store::claim::Lane;
use posthouse::store::emails::{Filter, Page};
use posthouse::store::operate::QueueAction;
use posthouse::store::returns::{News, Recorded, Returned};
use posthouse::store::{read, settle};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{delivered, settlement};

/// Every message's status is that of its recipients, and every total counts what is there. Returns the statuses.
pub(super) async fn consistent(store: &Store, team: Id) -> BTreeMap<Id, MessageStatus> {
    let listed = store.messages(&read::Filter { team: Some(team), limit: 10_000, ..read::Filter::default() }).await.unwrap();
    let (mut all, mut live) = (StatusCounts::default(), StatusCounts::default());
    let mut statuses = BTreeMap::new();
    for one in listed {
        let events = store.events(one.message.id).await.unwrap();
        let complained = events.iter().any(|event| event.kind == EventKind::Complained);
        let status = MessageStatus::of(one.recipients.iter().map(|r| r.state), complained);
        assert_eq!(one.status, Some(status), "{:?}", one.recipients);
        all.add(status, 1);
        live.add(status, u64::from(!one.message.sandbox));
        statuses.insert(one.message.id, status);
    }
    for (status, number) in all.each() {
        let filter = Filter { status: Some(status), ..Filter::default() };
        let page = store.emails(team, &filter, Page::Number { page: 1, per_page: 3 }).await.unwrap();
        assert_eq!(page.total, number, "{status}");
        assert!(page.emails.iter().all(|email| email.status == status));
        assert_eq!(page.emails.len() as u64, number.min(3), "{status}");
    }
    let page = store.emails(team, &Filter::default(), Page::Number { page: 1, per_page: 1 }).await.unwrap();
    assert_eq!(page.total, all.total());
    assert_eq!(store.statistics(team, Day(1)).await.unwrap().statuses, live);
    statuses
}

/// All choices of up to three states, in one order each.
fn combinations() -> Vec<Vec<RecipientState>> {
    let states = RecipientState::ALL;
    let mut all = Vec::new();
    for (a, one) in states.iter().enumerate() {
        all.push(vec![*one]);
        for (b, two) in states.iter().enumerate().skip(a) {
            all.push(vec![*one, *two]);
            all.extend(states.iter().skip(b).map(|three| vec![*one, *two, *three]));
        }
    }
    all
}

/// Of the statement that gave old rows their status; the store's own test says that it writes by the same rule.
fn migration() -> &'static str {
    let text = include_str!("../../../migrations/0009_status.sql");
    let begin = text.find("UPDATE outbound_messages AS m").unwrap();
    &text[begin..begin + text[begin..].find(';').unwrap()]
}

#[test]
fn the_database_and_the_model_have_one_rule() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let mut expected = Vec::new();
        let mut offered = Vec::new();
        for (states, complained) in combinations().into_iter().flat_map(|states| [(states.clone(), false), (states, true)]) {
            let addresses: Vec<String> = states.iter().map(|state| format!("{}@example.test", state.as_str())).collect();
            let mut one = acceptance(team, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
            Arc::make_mut(&mut one.message).subject = if complained { "complained" } else { "" }.into();
            expected.push((one.message.id, states.clone(), MessageStatus::of(states, complained)));
            offered.push(one);
        }
        assert_eq!(offered.len(), 2 * 164);
        assert!(book.store.accept_all(offered).await.iter().all(Result::is_ok));
        book.tamper("UPDATE outbound_recipients SET state = replace(address, '@example.test', '')").await;
        book.tamper(
            "INSERT INTO events (message_id, id, team_id, recipient, kind, at, detail)
             SELECT id, id, team_id, 0, 'complained', 0, '{}' FROM outbound_messages WHERE subject = 'complained'",
        )
        .await;
        book.tamper("UPDATE outbound_messages SET recipients = 0").await;
        book.tamper(migration()).await;
        for (id, states, status) in expected {
            let listed = book.store.message(None, id).await.unwrap().unwrap();
            assert_eq!((listed.status, listed.message.recipients), (Some(status), states.len()), "{states:?}");
        }
    });
}

fn bounced() -> Outcome {
    let reply = Reply::new(550, Some("5.1.1".into()), "no such user");
    Outcome::Bounced(Bounce { reply, class: BounceClass::Other, bad_address: None })
}

/// Outcomes for the recipients, by their places.
fn settled(claim: &posthouse::store::handover::Claim, outcomes: &[(i64, Outcome)]) -> settle::Settlement {
    let mut settlement = settlement(claim, &Outcome::Released);
    settlement.outcomes =
        outcomes.iter().map(|(index, outcome)| settle::Settled { index: *index, attempt: 0, outcome: outcome.clone() }).collect();
    settlement
}

#[test]
fn whatever_happens_to_recipients_shows_in_their_message_and_its_totals() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let epoch = store.open_epoch("test").await.unwrap();
        let sandboxed = |mut offered: Acceptance| {
            Arc::make_mut(&mut offered.message).sandbox = true;
            offered
        };
        let two = ["b@example.test", "c@example.test"];
        let (mut partly, lone, pair) = (acceptance(team, &two), acceptance(team, &two[..1]), acceptance(team, &two));
        partly.recipients[1].rejected = Some("suppressed: bounce".into());
        let trial = sandboxed(acceptance(team, &two[..1]));
        let ids = [&partly, &lone, &pair, &trial].map(|offered| offered.message.id);
        for offered in [partly, lone, pair, trial] {
            store.accept(offered).await.unwrap();
        }
        let is = async |expected: [MessageStatus; 4]| {
            let statuses = consistent(store, team).await;
            assert_eq!(ids.map(|id| statuses[&id]), expected);
        };
        use MessageStatus::{Bounced, Complained, Delivered, Failed, Queued, Sent};
        is([Queued; 4]).await;
        let mut claims = store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        let mut claim = |id: Id| claims.remove(claims.iter().position(|claim| claim.message.id == id).unwrap());
        let [partly, lone, pair, trial] = ids.map(&mut claim);
        assert_eq!(store.settle(settled(&partly, &[(0, Outcome::Sent(Reply::default()))])).await, Ok(0));
        assert_eq!(store.settle(settled(&pair, &[(0, delivered())])).await, Ok(0));
        assert_eq!(store.settle(settled(&trial, &[(0, bounced())])).await, Ok(0));
        is([Sent, Queued, Sent, Bounced]).await;
        // Fenced outcomes change nothing, whatever shares their batch.
        let again = settled(&pair, &[(0, bounced())]);
        let (late, good) = tokio::join!(store.settle(again), store.settle(settled(&lone, &[(0, delivered())])));
        assert_eq!((late, good), (Ok(1), Ok(0)));
        is([Sent, Delivered, Sent, Bounced]).await;
        assert_eq!(store.settle(settled(&pair, &[(1, Outcome::Failed(Reply::fault("gone")))])).await, Ok(0));
        is([Sent, Delivered, Failed, Bounced]).await;
        let told = |index, news| vec![Returned { index, news, by: None, notice: None }];
        let Outcome::Bounced(bounce) = bounced() else { unreachable!() };
        let late = store.record_returns(ids[0], &told(0, News::Bounced(bounce))).await;
        assert_eq!(late, Ok(Recorded::Written(1)));
        let complaint = store.record_returns(ids[1], &told(0, News::Complained("abuse".into()))).await;
        assert_eq!(complaint, Ok(Recorded::Written(1)));
        is([Bounced, Complained, Failed, Bounced]).await;
    });
}

#[test]
fn what_an_operator_or_a_damaged_row_ends_shows_too() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let epoch = store.open_epoch("test").await.unwrap();
        let (cancelled, lost) = (acceptance(team, &["b@example.test"]), acceptance(team, &["c@example.test"]));
        let ids = [cancelled.message.id, lost.message.id];
        store.accept(cancelled).await.unwrap();
        store.accept(lost).await.unwrap();
        assert_eq!(store.queue_action(ids[0], QueueAction::Hold).await, Ok(1));
        assert_eq!(consistent(store, team).await[&ids[0]], MessageStatus::Queued);
        assert_eq!(store.queue_action(ids[0], QueueAction::Cancel).await, Ok(1));
        book.tamper("DELETE FROM message_bodies").await;
        assert!(store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().is_empty());
        let statuses = consistent(store, team).await;
        assert_eq!(ids.map(|id| statuses[&id]), [MessageStatus::Cancelled, MessageStatus::Failed]);
    });
}

#[test]
fn two_processes_that_end_a_message_at_once_agree_on_its_status() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let other = book.again().await;
        for _ in 0..40 {
            book.store.accept(acceptance(team, &["b@example.test", "c@example.test"])).await.unwrap();
            let claim = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().remove(0);
            let (store, other) = (book.store.clone(), other.clone());
            let (one, rest) = (settled(&claim, &[(0, bounced())]), settled(&claim, &[(1, delivered())]));
            let (one, rest) = tokio::join!(
                tokio::spawn(async move { store.settle(one).await }),
                tokio::spawn(async move { other.settle(rest).await })
            );
            assert_eq!((one.unwrap(), rest.unwrap()), (Ok(0), Ok(0)));
        }
        let statuses = consistent(&book.store, team).await;
        assert!(statuses.values().all(|status| *status == MessageStatus::Bounced), "{statuses:?}");
        other.close().await;
    });
}

#[test]
fn days_are_counted_apart() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let epoch = store.open_epoch("test").await.unwrap();
        let today = Day::at(book.clock.now());
        for ago in [0, 0, 1, 5] {
            let mut offered = acceptance(team, &["b@example.test"]);
            Arc::make_mut(&mut offered.message).created_at = Day(today.0 - ago).begins();
            store.accept(offered).await.unwrap();
        }
        for claim in store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap() {
            store.settle(settlement(&claim, &delivered())).await.unwrap();
        }
        store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let delivered = async |since| store.statistics(team, Day(since)).await.unwrap().statuses.of(MessageStatus::Delivered);
        assert_eq!([delivered(today.0).await, delivered(today.0 - 4).await, delivered(1).await], [2, 3, 4]);
        let days = store.daily_statistics(team, 3).await.unwrap();
        let seen: Vec<_> = days
            .iter()
            .map(|d| {
                (d.day.0 - today.0, d.counts.statuses.of(MessageStatus::Delivered), d.counts.statuses.of(MessageStatus::Queued))
            })
            .collect();
        assert_eq!(seen, [(-2, 0, 0), (-1, 1, 0), (0, 2, 1)]);
    });
}
