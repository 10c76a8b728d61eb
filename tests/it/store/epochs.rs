//! Engines' lives: who is found dead, and who takes over.

use std::collections::BTreeSet;
use std::sync::Arc;

use posthouse::id::Id;
use posthouse::store::Location;
use posthouse::store::claim::Lane;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::hand_over::Places;
use super::{delivered, settlement};

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
        assert_eq!(book.store.live_epochs().await, Ok(vec![second]));
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
fn the_first_death_is_charged_to_all_that_were_in_flight_and_others_to_what_was_alone() {
    on_every_engine(|book| async move {
        let [alone, other, stranger] = [1, 2, 3].map(|n| Id([n; 16]));
        for _ in 0..2 {
            book.store.note_death(&BTreeSet::from([alone, other]), false).await.unwrap();
        }
        let faults = async |id| book.store.faults(id).await.unwrap();
        assert_eq!([faults(alone).await, faults(other).await, faults(stranger).await], [1, 1, 0]);
        book.store.note_death(&BTreeSet::from([alone]), true).await.unwrap();
        assert_eq!([faults(alone).await, faults(other).await], [2, 1]);
        assert_eq!(book.store.suspected([alone, stranger, other].into_iter()).await, Ok(BTreeSet::from([alone, other])));
        assert_eq!(book.store.note_fault(alone).await, Ok(3), "a panic counts as well");
        book.store.acquit(alone).await.unwrap();
        assert_eq!(faults(alone).await, 0);
        book.store.note_death(&BTreeSet::from([alone]), true).await.unwrap();
        assert_eq!(faults(alone).await, 1, "the first death counts for one alone, too");
    });
}

#[test]
fn what_a_commit_left_behind_that_came_long_after_the_death_is_taken_over() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let first = book.store.open_epoch("first").await.unwrap();
        book.store.close_epoch(first).await.unwrap();
        book.tamper("UPDATE engines SET renewed_at = renewed_at - 60000").await;
        assert_eq!(book.store.dead_epochs().await, Ok(vec![]), "it holds nothing, and is not looked at again");
        // The process was suspended between the place that it gave and the commit.
        book.store.attach(Arc::new(Places::of(first, 1)));
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        assert_eq!(book.store.renew_epoch(first).await, Ok(false));
        let second = book.store.open_epoch("second").await.unwrap();
        assert_eq!(book.store.dead_epochs().await, Ok(vec![first]));
        assert_eq!(book.store.claim_from_dead(second, first, Lane::FreshTransactional, 10).await.unwrap().len(), 1);
    });
}
