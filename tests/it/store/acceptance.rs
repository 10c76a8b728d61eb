//! What is accepted is written whole, once, and together with others.

use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::message::Body;
use posthouse::model::outcome::RecipientState;
use posthouse::store::accept::Accepted;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

#[test]
fn what_was_accepted_is_read_back_as_it_was() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let mut offered = acceptance(team, &["b@example.test", "c@example.test"]);
        offered.recipients[1].rejected = Some("suppressed: bounce".into());
        let bytes: Vec<u8> = (0..=255u8).cycle().take(10_000).collect();
        offered.body = Body::free(bytes.clone());
        assert_eq!(book.store.accept(offered.clone()).await, Ok(Accepted::New));

        let again = book.again().await;
        let listed = again.message(Some(team), offered.message.id).await.unwrap().unwrap();
        assert_eq!(listed.message, *offered.message);
        assert_eq!(
            listed.recipients.iter().map(|r| r.state).collect::<Vec<_>>(),
            [RecipientState::Queued, RecipientState::Rejected]
        );
        assert_eq!(again.body(Some(team), offered.message.id).await.unwrap().unwrap(), bytes);
        let events = again.events(offered.message.id).await.unwrap();
        assert_eq!(events.iter().map(|e| (e.kind, e.recipient)).collect::<Vec<_>>(), [(EventKind::Rejected, Some(1))]);
        assert_eq!(again.queued(team).await, Ok(1));
        assert!(again.message(Some(Id([9; 16])), offered.message.id).await.unwrap().is_none(), "another team sees nothing");
        again.close().await;
    });
}

#[test]
fn many_at_once_share_commits_and_none_is_lost() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let tasks: Vec<_> = (0..300)
            .map(|_| {
                let store = book.store.clone();
                tokio::spawn(async move { store.accept(acceptance(team, &["b@example.test"])).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(Accepted::New));
        }
        assert_eq!(book.store.queue_stats().await.unwrap().messages, 300);
        assert_eq!(book.store.queued(team).await, Ok(300));
    });
}

#[test]
fn a_bad_row_fails_alone() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let taken = acceptance(team, &["b@example.test"]);
        assert_eq!(book.store.accept(taken.clone()).await, Ok(Accepted::New));
        // Many at once, so that they share commits; one of them has an id that is taken.
        let mut tasks = Vec::new();
        for n in 0..50 {
            let (store, taken) = (book.store.clone(), taken.clone());
            let offered = if n == 25 { taken } else { acceptance(team, &["b@example.test"]) };
            tasks.push(tokio::spawn(async move { (n, store.accept(offered).await) }));
        }
        for task in tasks {
            let (n, outcome) = task.await.unwrap();
            assert_eq!(outcome.is_err(), n == 25, "{n}: {outcome:?}");
        }
        assert_eq!(book.store.queue_stats().await.unwrap().messages, 50);
    });
}
