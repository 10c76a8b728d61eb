//! Cancelling what waits for its time.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::RecipientState;
use posthouse::model::status::MessageStatus;
use posthouse::store::Store;
use posthouse::store::accept::{Acceptance, Accepted};
use posthouse::store::cancel::Cancel;
use posthouse::store::claim::Lane;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::status::consistent;
use super::{delivered, keyed, settlement};

/// For in an hour.
fn scheduled(team: Id, recipients: &[&str]) -> Acceptance {
    let mut offered = acceptance(team, recipients);
    let message = Arc::make_mut(&mut offered.message);
    message.send_at = Some(message.created_at.plus(Duration::from_secs(3600)));
    offered
}

#[test]
fn what_waits_for_its_time_can_be_cancelled_once_and_nothing_else_can() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let offer = || keyed(scheduled(team, &["b@example.test", "c@example.test"]), 1, 1, true);
        let (later, now) = (offer(), acceptance(team, &["b@example.test"]));
        let (id, at_once) = (later.message.id, now.message.id);
        store.accept(later).await.unwrap();
        store.accept(now).await.unwrap();
        assert_eq!(store.cancel_email(team, false, at_once).await, Ok(Cancel::TooLate));
        let stranger = store.create_team("other").await.unwrap().id;
        assert_eq!(store.cancel_email(stranger, false, id).await, Ok(Cancel::Unknown));
        assert_eq!(store.cancel_email(team, false, Id([9; 16])).await, Ok(Cancel::Unknown));
        assert_eq!(store.cancel_email(team, true, id).await, Ok(Cancel::Unknown), "it is live mail");
        let Cancel::Done(email) = store.cancel_email(team, false, id).await.unwrap() else { panic!("it waits") };
        assert_eq!(email.status, MessageStatus::Cancelled);
        assert!(email.recipients.iter().all(|r| r.state == RecipientState::Cancelled));
        let kinds: Vec<_> = store.email_events(team, id, None).await.unwrap().unwrap().0.events.iter().map(|e| e.kind).collect();
        assert_eq!(kinds, [EventKind::Queued, EventKind::Cancelled, EventKind::Cancelled]);
        assert_eq!(store.cancel_email(team, false, id).await, Ok(Cancel::TooLate), "once");
        assert_eq!(store.queued(team).await, Ok(1));
        consistent(store, team).await;
        assert_eq!(store.accept(offer()).await, Ok(Accepted::New), "its automatic key was given up");
    });
}

#[test]
fn a_message_is_cancelled_or_delivered_and_never_both() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        // By its clock everything is due.
        let ahead = Clock::manual(book.clock.now().plus(Duration::from_secs(7200)));
        let engine = Store::open(&book.location, ahead).await.unwrap();
        let epoch = engine.open_epoch("ahead").await.unwrap();
        for round in 0..60 {
            let offered = scheduled(team, &["b@example.test"]);
            let id = offered.message.id;
            book.store.accept(offered).await.unwrap();
            let (store, engine) = (book.store.clone(), engine.clone());
            let cancelling = async move {
                // So that now one comes first and now the other.
                for _ in 0..(round % 6) * 5 {
                    tokio::task::yield_now().await;
                }
                store.cancel_email(team, false, id).await
            };
            let delivering = async move {
                let claims = engine.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
                for claim in &claims {
                    assert_eq!(engine.settle(settlement(claim, &delivered())).await, Ok(0));
                }
                claims.len()
            };
            let (cancelled, claimed) = tokio::join!(tokio::spawn(cancelling), tokio::spawn(delivering));
            let (cancelled, claimed) = (matches!(cancelled.unwrap(), Ok(Cancel::Done(_))), claimed.unwrap());
            assert_eq!(claimed, usize::from(!cancelled), "round {round}");
            let expected = if cancelled { MessageStatus::Cancelled } else { MessageStatus::Delivered };
            assert_eq!(book.store.email(team, id).await.unwrap().unwrap().status, expected, "round {round}");
        }
        consistent(&book.store, team).await;
        engine.close().await;
    });
}
