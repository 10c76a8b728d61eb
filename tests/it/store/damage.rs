//! Rows that were damaged: they end, and hold up nobody.

use std::sync::Arc;

use posthouse::model::event::EventKind;
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
