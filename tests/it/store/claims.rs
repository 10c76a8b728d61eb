//! Claims are exclusive, and settling them is fenced.

use std::sync::Arc;

use posthouse::clock::Timestamp;
use posthouse::id::Id;
use posthouse::model::outcome::{Outcome, Reply};
use posthouse::store::claim::{Lane, Limit};
use posthouse::store::operate::QueueAction;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{delivered, settlement};

#[test]
fn a_claim_is_exclusive_and_its_settle_is_fenced() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        for _ in 0..200 {
            book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        }
        let epoch = book.store.open_epoch("test").await.unwrap();
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let store = book.store.clone();
                tokio::spawn(async move {
                    let mut mine = Vec::new();
                    loop {
                        let claims = store.claim(epoch, Lane::FreshTransactional, 9).await.unwrap();
                        if claims.is_empty() {
                            return mine;
                        }
                        mine.extend(claims);
                    }
                })
            })
            .collect();
        let mut claims = Vec::new();
        for worker in workers {
            claims.extend(worker.await.unwrap());
        }
        let ids: std::collections::HashSet<Id> = claims.iter().map(|c| c.message.id).collect();
        assert_eq!((claims.len(), ids.len()), (200, 200), "each once");
        assert_eq!(&*claims[0].body, b"From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n");

        let done = settlement(&claims[0], &delivered());
        assert_eq!(book.store.settle(done.clone()).await, Ok(0));
        assert_eq!(book.store.settle(done).await, Ok(1), "settled already: fenced");
        let mut wrong_epoch = settlement(&claims[1], &delivered());
        wrong_epoch.epoch += 1;
        assert_eq!(book.store.settle(wrong_epoch).await, Ok(1));
        assert!(book.store.events(claims[1].message.id).await.unwrap().is_empty(), "a fenced settle writes nothing");
        assert_eq!(book.store.queued(team).await, Ok(199));
    });
}

#[test]
fn a_team_with_thousands_of_messages_keeps_no_other_waiting() {
    on_every_engine(|book| async move {
        let large = book.store.create_team("large").await.unwrap().id;
        // Two teams in 128 share a turn.
        let turn = |team: Id| team.0[15] % 128;
        let mut small = large;
        for n in 0.. {
            if turn(small) != turn(large) {
                break;
            }
            small = book.store.create_team(&format!("small{n}")).await.unwrap().id;
        }
        for _ in 0..10 {
            let many = (0..500).map(|_| acceptance(large, &["b@example.test"])).collect();
            assert!(book.store.accept_all(many).await.iter().all(Result::is_ok));
        }
        book.store.accept(acceptance(small, &["b@example.test"])).await.unwrap();
        let epoch = book.store.open_epoch("test").await.unwrap();
        let mut claims = book.store.claim(epoch, Lane::FreshTransactional, 64).await.unwrap();
        assert_eq!(claims.iter().filter(|claim| claim.message.team == small).count(), 1, "it comes with the first");
        assert!(claims.len() > 32);
        loop {
            let more = book.store.claim(epoch, Lane::FreshTransactional, 1000).await.unwrap();
            if more.is_empty() {
                break;
            }
            claims.extend(more);
        }
        assert_eq!(claims.len(), 5001);
        assert_eq!(book.store.next_due().await, Ok(None));
    });
}

#[test]
fn a_claim_brings_no_more_octets_than_there_is_room_for_and_one_message_in_any_case() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        for size in [1000, 100, 100, 100] {
            let mut offered = acceptance(team, &["b@example.test"]);
            Arc::get_mut(&mut offered.message).unwrap().size = size;
            book.store.accept(offered).await.unwrap();
        }
        let epoch = book.store.open_epoch("test").await.unwrap();
        let sizes = async |octets| {
            let limit = Limit { recipients: 10, octets };
            let claims = book.store.claim(epoch, Lane::FreshTransactional, limit).await.unwrap();
            claims.iter().map(|claim| claim.message.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(10).await, [1000], "the first, whatever its size");
        assert_eq!(sizes(250).await, [100, 100]);
        assert_eq!(sizes(250).await, [100], "what there was no room for is claimed again");
    });
}

#[test]
fn of_many_outcomes_at_once_only_the_standing_claim_counts() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let first = book.store.open_epoch("first").await.unwrap();
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let late = book.store.claim(first, Lane::FreshTransactional, 9).await.unwrap().remove(0);
        book.store.close_epoch(first).await.unwrap();
        let second = book.store.open_epoch("second").await.unwrap();
        let held = book.store.claim_from_dead(second, first, Lane::FreshTransactional, 9).await.unwrap().remove(0);
        // Handed in together, so that they share a commit: the late word of the dead engine comes first, and a repetition last.
        let words = [&late, &late, &held, &held].map(|claim| book.store.settle(settlement(claim, &delivered())));
        let [a, b, c, d] = words;
        let (a, b, c, d) = tokio::join!(biased; a, b, c, d);
        assert_eq!((a, b), (Ok(1), Ok(1)), "the late words are refused");
        let (c, d) = (c.unwrap(), d.unwrap());
        // Committers work side by side: either of the two equal words may come first.
        assert_eq!((c + d, c * d), (1, 0), "of the standing claim's words one counts");
        assert_eq!(book.store.events(held.message.id).await.unwrap().len(), 1);
        assert_eq!(book.store.queued(team).await, Ok(0));
    });
}

#[test]
fn a_deferral_waits_and_a_release_counts_no_attempt() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let claim = book.store.claim(epoch, Lane::FreshTransactional, 9).await.unwrap().remove(0);
        book.store.settle(settlement(&claim, &Outcome::Released)).await.unwrap();
        let claim = book.store.claim(epoch, Lane::FreshTransactional, 9).await.unwrap().remove(0);
        assert_eq!(claim.recipients[0].attempts, 0);
        let until = Timestamp(book.clock.now().0 + 3_600_000);
        let deferred = Outcome::Deferred { reply: Reply::new(451, Some("4.3.0".into()), "later"), until };
        book.store.settle(settlement(&claim, &deferred)).await.unwrap();
        assert!(book.store.claim(epoch, Lane::RetriedTransactional, 9).await.unwrap().is_empty(), "not due");
        assert_eq!(book.store.next_due().await, Ok(Some(until)));
        assert_eq!(book.store.queue_action(claim.message.id, QueueAction::Retry).await, Ok(1));
        let claim = book.store.claim(epoch, Lane::RetriedTransactional, 9).await.unwrap().remove(0);
        assert_eq!((claim.recipients[0].attempts, claim.recipients[0].last_reply.as_str()), (1, "451 4.3.0 later"));
        assert_eq!(book.store.queue_action(claim.message.id, QueueAction::Cancel).await, Ok(0), "an attempt under way stays");
    });
}
