//! Rows that were damaged: they end, and hold up nobody.

use std::sync::Arc;

use posthouse::model::event::EventKind;
use posthouse::model::outcome::RecipientState;
use posthouse::store::Location;
use posthouse::store::claim::Lane;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{delivered, settlement};

#[test]
fn what_cannot_be_read_is_given_up_and_holds_up_nobody() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let offer = |subject: &str, recipients: &[&str]| {
            let mut offered = acceptance(team, recipients);
            Arc::make_mut(&mut offered.message).subject = subject.into();
            offered
        };
        let mixed = offer("mixed", &["good@example.test", "broken@example.test"]);
        let (unreadable, bodyless) = (offer("unreadable", &["a@example.test"]), offer("bodyless", &["a@example.test"]));
        for offered in [&mixed, &unreadable, &bodyless, &offer("sound", &["a@example.test"])] {
            book.store.accept(offered.clone()).await.unwrap();
        }
        book.tamper("UPDATE outbound_recipients SET address = 'nowhere' WHERE address = 'broken@example.test'").await;
        book.tamper("UPDATE outbound_messages SET details = '{' WHERE subject = 'unreadable'").await;
        book.tamper(
            "DELETE FROM message_bodies WHERE message_id = (SELECT id FROM outbound_messages WHERE subject = 'bodyless')",
        )
        .await;
        let claims = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        let claimed: Vec<_> = claims.iter().map(|c| (c.message.subject.as_str(), c.recipients.len())).collect();
        assert!(claimed.len() == 2 && claimed.contains(&("mixed", 1)) && claimed.contains(&("sound", 1)), "{claimed:?}");
        for offered in [&mixed, &unreadable, &bodyless] {
            let events = book.store.events(offered.message.id).await.unwrap();
            assert_eq!(events.iter().map(|e| e.kind).collect::<Vec<_>>(), [EventKind::Failed]);
        }
        for claim in &claims {
            assert_eq!(book.store.settle(settlement(claim, &delivered())).await, Ok(0));
        }
        assert_eq!(book.store.queued(team).await, Ok(0));
        assert!(book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().is_empty());
    });
}

#[test]
fn what_belongs_to_nobody_is_ended_at_its_claim_and_at_the_sweep() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        assert_eq!(epoch, 1, "as the tampering below has it");
        let mut ids = Vec::new();
        for subject in ["gone", "teamless", "nameless", "swept", "sound"] {
            let mut offered = acceptance(team, &["a@example.test"]);
            Arc::make_mut(&mut offered.message).subject = subject.into();
            ids.push(offered.message.id);
            book.store.accept(offered).await.unwrap();
        }
        for damage in [
            "UPDATE outbound_recipients SET epoch = 1, message_id = substr(message_id, 1, 7)
             WHERE message_id = (SELECT id FROM outbound_messages WHERE subject = 'swept')",
            "UPDATE outbound_recipients SET message_id = substr(message_id, 1, 5)
             WHERE message_id = (SELECT id FROM outbound_messages WHERE subject = 'nameless')",
            "UPDATE outbound_messages SET team_id = substr(team_id, 1, 3) WHERE subject = 'teamless'",
            "DELETE FROM outbound_messages WHERE subject = 'gone'",
        ] {
            book.tamper(damage).await;
        }
        let claims = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        assert_eq!(claims.iter().map(|c| c.message.id).collect::<Vec<_>>(), [ids[4]], "the sound one alone");
        assert!(book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().is_empty());
        // The sound one is held by nobody, either; a nameless row does not stop the sweep.
        assert_eq!(book.store.sweep(epoch).await, Ok(0));
        assert_eq!(book.store.sweep(epoch).await, Ok(1));
        let by_state = book.store.queue_stats().await.unwrap().by_state;
        assert_eq!(by_state, [(RecipientState::Queued, 1), (RecipientState::Failed, 4)]);
    });
}

#[test]
fn text_that_is_none_spoils_one_row_only() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Postgres(_)) {
            // It checks its text by itself.
            return;
        }
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        for address in ["broken@example.test", "headless@example.test", "sound@example.test"] {
            let mut offered = acceptance(team, &[address]);
            Arc::make_mut(&mut offered.message).subject = address.into();
            book.store.accept(offered).await.unwrap();
        }
        book.tamper("UPDATE outbound_recipients SET address = CAST(x'ff' AS TEXT) WHERE address = 'broken@example.test'").await;
        book.tamper("UPDATE outbound_messages SET subject = CAST(x'ff' AS TEXT) WHERE subject = 'headless@example.test'").await;
        let claims = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        assert_eq!(claims.iter().map(|c| c.message.subject.as_str()).collect::<Vec<_>>(), ["sound@example.test"]);
        assert_eq!(book.store.queued(team).await, Ok(1), "the others have ended");
    });
}

#[test]
fn a_sweep_frees_whatever_number_together() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let addresses: Vec<String> = (0..1_100).map(|n| format!("you{n}@example.test")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        book.store.accept(acceptance(team, &addresses)).await.unwrap();
        let claimed = |claims: Vec<posthouse::store::handover::Claim>| claims.iter().map(|c| c.recipients.len()).sum::<usize>();
        assert_eq!(claimed(book.store.claim(epoch, Lane::FreshTransactional, 2_000).await.unwrap()), 1_100);
        assert_eq!(book.store.sweep(epoch).await, Ok(0));
        assert_eq!(book.store.sweep(epoch).await, Ok(1_100));
        assert_eq!(claimed(book.store.claim(epoch, Lane::FreshTransactional, 2_000).await.unwrap()), 1_100);
    });
}
