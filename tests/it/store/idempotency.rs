//! One key, one message.

use posthouse::model::outcome::{Outcome, Reply};
use posthouse::store::accept::Accepted;
use posthouse::store::operate::QueueAction;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{claimed, delivered, keyed, settlement};

#[test]
fn one_key_makes_one_message_however_many_race() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let other = book.again().await;
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let store = if n % 2 == 0 { book.store.clone() } else { other.clone() };
                tokio::spawn(async move {
                    let offered = keyed(acceptance(team, &["b@example.test"]), 7, 1, false);
                    (offered.message.id, store.accept(offered).await.unwrap())
                })
            })
            .collect();
        let (mut new, mut replays) = (Vec::new(), Vec::new());
        for task in tasks {
            match task.await.unwrap() {
                (id, Accepted::New) => new.push(id),
                (_, Accepted::Replay { id, .. }) => replays.push(id),
                (_, reused) => panic!("{reused:?}"),
            }
        }
        assert_eq!(new.len(), 1);
        assert!(replays.iter().all(|id| *id == new[0]), "every repeat is told the first id");
        let reused = book.store.accept(keyed(acceptance(team, &["b@example.test"]), 7, 2, false)).await.unwrap();
        assert_eq!(reused, Accepted::KeyReused { id: new[0] });
        assert_eq!(book.store.queue_stats().await.unwrap().messages, 1);
        other.close().await;
    });
}

#[test]
fn an_automatic_key_is_given_up_when_its_message_ends_badly() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let offer = || keyed(acceptance(team, &["b@example.test", "c@example.test"]), 1, 1, true);
        let claim = claimed(&book.store, epoch, offer()).await;
        let mut one = settlement(&claim, &Outcome::Bounced(Reply::new(550, None, "no").into()));
        let mut rest = one.clone();
        one.outcomes.truncate(1);
        rest.outcomes.remove(0);
        rest.outcomes[0].outcome = delivered();
        book.store.settle(one).await.unwrap();
        assert!(matches!(book.store.accept(offer()).await, Ok(Accepted::Replay { .. })), "a recipient is still open");
        book.store.settle(rest).await.unwrap();
        assert_eq!(book.store.accept(offer()).await, Ok(Accepted::New), "it ended as bounced: the same bytes may be sent again");
    });
}

#[test]
fn an_automatic_key_is_given_up_when_two_processes_end_its_message_at_once() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let other = book.again().await;
        for round in 0..60 {
            let offer = || keyed(acceptance(team, &["b@example.test", "c@example.test"]), round, 1, true);
            let claim = claimed(&book.store, epoch, offer()).await;
            let mut one = settlement(&claim, &Outcome::Bounced(Reply::new(550, None, "no").into()));
            let mut rest = one.clone();
            one.outcomes.truncate(1);
            rest.outcomes.remove(0);
            rest.outcomes[0].outcome = delivered();
            let (store, other) = (book.store.clone(), other.clone());
            let (one, rest) = tokio::join!(
                tokio::spawn(async move { store.settle(one).await }),
                tokio::spawn(async move { other.settle(rest).await })
            );
            assert_eq!((one.unwrap(), rest.unwrap()), (Ok(0), Ok(0)), "round {round}");
            let again = offer();
            assert_eq!(book.store.accept(again.clone()).await, Ok(Accepted::New), "round {round}: the key is still held");
            book.store.queue_action(again.message.id, QueueAction::Cancel).await.unwrap();
        }
        other.close().await;
    });
}
