//! Leases of endpoints, by which one process at a time sends to each.

use posthouse::id::Id;
use posthouse::store::Location;

use crate::support::stores::on_every_engine;

#[test]
fn an_endpoint_is_leased_to_one_process_and_to_its_next_life() {
    on_every_engine(|book| async move {
        let (endpoint, ours, others) = (Id([1; 16]), Id([2; 16]), Id([3; 16]));
        // On SQLite there is one process at a time.
        let of_others: &[Id] = if matches!(book.location, Location::Sqlite(_)) { &[endpoint] } else { &[] };
        assert_eq!(book.store.lease_webhooks(ours, vec![endpoint]).await.unwrap(), [endpoint]);
        assert_eq!(book.store.lease_webhooks(others, vec![endpoint]).await.unwrap(), of_others);
        assert_eq!(book.store.lease_webhooks(ours, vec![endpoint]).await.unwrap(), [endpoint], "its own, not given back");
        book.store.release_webhooks(others, vec![endpoint]).await.unwrap();
        assert_eq!(book.store.lease_webhooks(others, vec![endpoint]).await.unwrap(), of_others, "it is not theirs to give back");
        book.store.release_webhooks(ours, vec![Id([4; 16]), endpoint]).await.unwrap();
        assert_eq!(book.store.lease_webhooks(others, vec![endpoint]).await.unwrap(), [endpoint]);
    });
}

#[test]
fn a_lease_from_a_time_when_the_clock_was_ahead_is_none() {
    on_every_engine(|book| async move {
        let (endpoint, ours, others) = (Id([1; 16]), Id([2; 16]), Id([3; 16]));
        book.store.lease_webhooks(ours, vec![endpoint]).await.unwrap();
        book.tamper("UPDATE webhook_leases SET ends_at = ends_at + 86400000").await;
        assert_eq!(book.store.lease_webhooks(others, vec![endpoint]).await.unwrap(), [endpoint]);
    });
}
