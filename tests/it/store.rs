//! The book on both engines: shared commits, idempotency, claims, epochs, fencing.

use std::sync::Arc;
use std::sync::Mutex;

use posthouse::clock::Timestamp;
use posthouse::id::Id;
use posthouse::model::domain::DomainStanding;
use posthouse::model::event::EventKind;
use posthouse::model::key::{KeyRights, Secret};
use posthouse::model::message::Body;
use posthouse::model::outcome::{Outcome, RecipientState, Reply};
use posthouse::model::stream::Stream;
use posthouse::model::suppression::Suppression;
use posthouse::store::accept::{Acceptance, Accepted, Idempotency};
use posthouse::store::claim::Lane;
use posthouse::store::handover::{Claim, Epoch, Offer, Scheduler, Slot};
use posthouse::store::keys::NewKey;
use posthouse::store::operate::QueueAction;
use posthouse::store::read::Filter;
use posthouse::store::refusals::RefusalRecord;
use posthouse::store::settle::{Settled, Settlement};
use posthouse::store::{Location, StoreError};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

fn keyed(mut acceptance: Acceptance, key: u8, fingerprint: u8, automatic: bool) -> Acceptance {
    acceptance.idempotency = Some(Idempotency { key: [key; 32], fingerprint: [fingerprint; 32], automatic });
    acceptance
}

fn settlement(claim: &Claim, outcome: &Outcome) -> Settlement {
    let outcomes = claim.recipients.iter().map(|r| Settled { index: r.index, attempt: r.attempts, outcome: outcome.clone() });
    Settlement { epoch: claim.epoch, team: claim.message.team, message: claim.message.id, outcomes: outcomes.collect() }
}

fn delivered() -> Outcome {
    Outcome::Delivered(Reply::new(250, Some("2.0.0".into()), "ok"))
}

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
        assert_eq!(book.store.accept(offer()).await, Ok(Accepted::New));
        let claim = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().remove(0);
        let mut one = settlement(&claim, &Outcome::Bounced(Reply::new(550, None, "no")));
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

#[test]
fn what_a_dead_epoch_left_behind_is_taken_over_once() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        for _ in 0..5 {
            book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        }
        let first = book.store.open_epoch("first").await.unwrap();
        let claims = book.store.claim(first, Lane::FreshTransactional, 3).await.unwrap();
        assert_eq!(claims.len(), 3);
        book.store.close_epoch(first).await.unwrap();
        assert_eq!(book.store.renew_epoch(first).await, Ok(false), "a dead epoch is never renewed");
        let own = book.store.claim_from_dead(first, first, Lane::FreshTransactional, 10).await.unwrap();
        assert!(own.is_empty(), "nor does it take over from itself");
        assert!(book.store.claim(first, Lane::FreshTransactional, 10).await.unwrap().is_empty(), "nor claim what is ready");
        let second = book.store.open_epoch("second").await.unwrap();
        assert!(second > first);
        assert_eq!(book.store.renew_epoch(second).await, Ok(true));
        assert_eq!(book.store.dead_epochs().await, Ok(vec![first]));
        assert_eq!(book.store.claim_from_dead(second, first, Lane::FreshTransactional, 10).await.unwrap().len(), 3);
        assert_eq!(book.store.dead_epochs().await, Ok(vec![]));
        assert_eq!(
            book.store.settle(settlement(&claims[0], &delivered())).await,
            Ok(1),
            "the dead engine's late word is refused"
        );
    });
}

#[test]
fn only_who_was_renewed_lately_finds_others_dead() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Sqlite(_)) {
            // The lock file proves it there, once and at the beginning.
            return;
        }
        let other = book.store.open_epoch("other").await.unwrap();
        let own = book.store.open_epoch("own").await.unwrap();
        assert_eq!(book.store.bury_epochs(own).await, Ok(0));
        // The database was away from both.
        book.tamper("UPDATE engines SET renewed_at = renewed_at - 60000").await;
        assert_eq!(book.store.bury_epochs(own).await, Ok(0));
        assert_eq!(book.store.renew_epoch(other).await, Ok(true));
        book.tamper("UPDATE engines SET renewed_at = renewed_at - 60000").await;
        assert_eq!(book.store.renew_epoch(own).await, Ok(true));
        assert_eq!(book.store.bury_epochs(own).await, Ok(1));
        assert_eq!(book.store.renew_epoch(other).await, Ok(false));
    });
}

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

/// A scheduler that gives places and notes what it is handed.
#[derive(Default)]
struct Places {
    epoch: Epoch,
    free: Mutex<usize>,
    handed: Mutex<Vec<Claim>>,
    woken: Mutex<Vec<Stream>>,
}

impl Scheduler for Places {
    fn reserve(&self, _offer: Offer<'_>) -> Option<(Epoch, Slot)> {
        let mut free = self.free.lock().unwrap();
        *free = free.checked_sub(1)?;
        Some((self.epoch, Box::new(())))
    }
    fn hand_over(&self, _slot: Slot, claim: Claim) {
        self.handed.lock().unwrap().push(claim);
    }
    fn wake(&self, stream: Stream) {
        self.woken.lock().unwrap().push(stream);
    }
    fn holds(&self, message: Id) -> bool {
        self.handed.lock().unwrap().iter().any(|c| c.message.id == message)
    }
}

#[test]
fn with_a_place_the_message_is_handed_over_without_a_read() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let places = Arc::new(Places { epoch, free: Mutex::new(1), ..Places::default() });
        book.store.attach(places.clone());
        let mut later = acceptance(team, &["b@example.test"]);
        Arc::make_mut(&mut later.message).send_at = Some(Timestamp(book.clock.now().0 + 60_000));
        book.store.accept(later).await.unwrap();
        book.store.accept(acceptance(team, &["b@example.test", "c@example.test"])).await.unwrap();
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let claim = {
            let handed = places.handed.lock().unwrap();
            assert_eq!(handed.len(), 1, "one place, and a message for later takes none");
            handed[0].clone()
        };
        assert_eq!(claim.recipients.len(), 2);
        assert!(places.woken.lock().unwrap().contains(&Stream::Transactional));
        let ready = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        assert_eq!(ready.len(), 1, "the one without a place was inserted ready; the later one is not due");
        assert_eq!(book.store.settle(settlement(&claim, &delivered())).await, Ok(0));
        // The engine has forgotten what it claimed: two sweeps give it back.
        assert_eq!(book.store.sweep(epoch).await, Ok(0));
        assert_eq!(book.store.sweep(epoch).await, Ok(1));
        assert_eq!(book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn keys_domains_and_suppressions_are_kept_by_team() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let (us, them) = (store.create_team("us").await.unwrap().id, store.create_team("them").await.unwrap().id);
        assert!(matches!(store.create_team("us").await, Err(StoreError::Conflict(_))));

        let secret = Secret::generate();
        let new = NewKey { team: us, name: "k".into(), secret: secret.clone(), rights: KeyRights::default(), expires_at: None };
        let key = store.create_key(new.clone()).await.unwrap();
        assert_eq!(store.key_by_hash(secret.hash()).await.unwrap().as_ref(), Some(&key));
        assert!(matches!(store.create_key(new).await, Err(StoreError::Conflict(_))), "the same text twice");
        assert_eq!(store.revoke_key(them, key.id).await, Ok(false));
        assert_eq!(store.revoke_key(us, key.id).await, Ok(true));
        store.touch_keys(&[(key.id, Timestamp(5))]).await.unwrap();
        let key = store.key_by_hash(secret.hash()).await.unwrap().unwrap();
        assert!(key.revoked_at.is_some() && key.last_used_at == Some(Timestamp(5)));

        assert_eq!(store.domain_standing(us, "mail.example.test").await, Ok(DomainStanding::Unverified));
        store.trust_domain(us, "example.test").await.unwrap();
        assert_eq!(store.domain_standing(us, "mail.example.test").await, Ok(DomainStanding::Verified));
        assert_eq!(store.domain_standing(them, "example.test").await, Ok(DomainStanding::Unverified));
        assert!(matches!(store.trust_domain(them, "example.test").await, Err(StoreError::Conflict(_))));
        store.add_domain(them, "example.test").await.unwrap();
        assert_eq!(store.remove_domain(them, "example.test").await, Ok(true));

        let suppression = |address: &str| Suppression {
            team: us,
            address: address.into(),
            reason: "manual".into(),
            message: None,
            evidence: None,
            created_at: Timestamp(1),
        };
        assert_eq!(store.suppress(&[suppression("b@example.test"), suppression("a@example.test")]).await, Ok(2));
        let asked = vec!["x@example.test".to_owned(), "b@example.test".to_owned()];
        assert_eq!(store.suppressed(us, asked.clone()).await, Ok(vec![("b@example.test".into(), "manual".into())]));
        assert_eq!(store.suppressed(them, asked).await, Ok(vec![]));
        assert_eq!(store.unsuppress(us, "b@example.test").await, Ok(true));
        assert_eq!(store.suppressions(us, "", 10).await.unwrap().len(), 1);
    });
}

#[test]
fn refusals_are_kept_within_bounds() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        for _ in 0..200 {
            book.store.record_refusal(RefusalRecord {
                team,
                key: Id([3; 16]),
                door: "smtp".into(),
                at: Timestamp(book.clock.now().0),
                code: "forbidden_header".into(),
                text: "X-Krafter-Foo is reserved".into(),
                reverse_path: "a@example.test".into(),
                recipients: vec!["b@example.test".into()],
                subject: "s".into(),
            });
        }
        // The committer takes work in order: what is accepted now is written after them.
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let kept = book.store.refusals(team, 1000).await.unwrap().len();
        assert!((1..=120).contains(&kept), "60 a minute, and the minute may have turned: {kept}");
        assert_eq!(book.store.forget_expired().await, Ok(false));
    });
}

#[test]
fn lists_page_by_key_and_by_team() {
    on_every_engine(|book| async move {
        let (us, them) = (book.store.create_team("us").await.unwrap().id, book.store.create_team("them").await.unwrap().id);
        for team in [us, them, us, us] {
            book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        }
        let page = |team, before, open_only| Filter { team, before, open_only, limit: 2 };
        let first = book.store.messages(&page(Some(us), None, true)).await.unwrap();
        assert_eq!(first.len(), 2);
        let second = book.store.messages(&page(Some(us), Some(first[1].message.id), false)).await.unwrap();
        assert_eq!(second.len(), 1);
        assert_eq!(book.store.messages(&page(None, None, true)).await.unwrap().len(), 2);
    });
}
