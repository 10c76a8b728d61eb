//! Connections that are kept from one request to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use posthouse::model::webhook::{WebhookHealth, WebhookSettings};
use posthouse::store::webhooks::noted::Noted;

use super::{House, until};
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

#[test]
fn what_waits_for_a_healthy_endpoint_comes_over_few_connections_and_these_are_its_own() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        for name in ["first", "second"] {
            let webhook = house.endpoint(name).await;
            house.fares(&webhook, WebhookHealth { succeeded_at: Some(house.clock.now()), ..WebhookHealth::default() }).await;
        }
        let news: Vec<_> = (0..100).map(|_| house.news()).collect();
        house.store.announce(&news, Noted::default()).await.unwrap();
        house.run();
        let mut connections = BTreeMap::new();
        for name in ["first", "second"] {
            until("all to be told", async || house.receiver.of(name).len() == 100).await;
            let own: BTreeSet<usize> = house.receiver.of(name).iter().map(|receipt| receipt.connection).collect();
            assert!(own.len() < 80, "{name}: {} connections", own.len());
            connections.insert(name, own);
        }
        assert!(connections["first"].is_disjoint(&connections["second"]));
        house.close().await;
    });
}

#[test]
fn a_connection_that_its_server_closes_is_no_failure() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        house.fares(&webhook, WebhookHealth { succeeded_at: Some(house.clock.now()), ..WebhookHealth::default() }).await;
        // It does not say that it closes after each.
        house.receiver.behave("first", Manner::Once(204));
        let news: Vec<_> = (0..50).map(|_| house.news()).collect();
        house.store.announce(&news, Noted::default()).await.unwrap();
        house.run();
        let log = house.attempts(&webhook, 51).await;
        assert!(log.iter().all(|attempt| attempt.error.is_none()), "{log:?}");
        house.close().await;
    });
}

#[test]
fn an_endpoint_that_moves_is_not_called_where_it_was() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("before").await;
        house.fares(&webhook, WebhookHealth { succeeded_at: Some(house.clock.now()), ..WebhookHealth::default() }).await;
        house.receiver.behave("before", Manner::Late(Duration::from_millis(500)));
        let news: Vec<_> = (0..500).map(|_| house.news()).collect();
        house.store.announce(&news, Noted::default()).await.unwrap();
        house.run();
        until("it to be called", async || !house.receiver.of("before").is_empty()).await;
        let settings = WebhookSettings { url: house.receiver.url("after"), ..webhook.settings.clone() };
        house.change(&webhook, settings).await;
        until("it to be called there", async || !house.receiver.of("after").is_empty()).await;
        let connections = |name| house.receiver.of(name).iter().map(|receipt| receipt.connection).collect::<BTreeSet<_>>();
        assert!(connections("before").is_disjoint(&connections("after")));
        house.close().await;
    });
}
