//! Endpoints that their team changes while they are worked at, or after they failed.

use std::time::Duration;

use posthouse::id::Id;
use posthouse::model::webhook::{WebhookHealth, WebhookSettings};
use posthouse::store::webhooks::deliveries::Standing;
use posthouse::store::webhooks::noted::Noted;

use super::{House, until};
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

const HOUR: Duration = Duration::from_secs(3600);

/// So many failures in a row, the last success so long ago.
fn health(house: &House, failures: i64, success: Option<Duration>) -> WebhookHealth {
    let now = house.clock.now();
    let failing_since = (failures > 0).then_some(now);
    WebhookHealth { failures, failing_since, succeeded_at: success.map(|ago| now.minus(ago)), ..WebhookHealth::default() }
}

#[test]
fn what_a_session_knows_from_before_a_change_changes_nothing() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let before = house.endpoint("first").await;
        house.fares(&before, health(&house, 12, None)).await;
        assert_eq!(house.shown(&before).await.health.failures, 12);
        let settings = WebhookSettings { url: house.receiver.url("second"), ..before.settings.clone() };
        let moved = house.change(&before, settings).await;
        assert_eq!(moved.health, WebhookHealth::default(), "another address begins anew");
        house.fares(&before, health(&house, 13, None)).await;
        assert_eq!(house.shown(&before).await.health, WebhookHealth::default());
        house.gives_up(&before).await.unwrap();
        assert!(house.shown(&before).await.settings.enabled);
        house.gives_up(&moved).await.unwrap();
        assert!(!house.shown(&before).await.settings.enabled);
        house.close().await;
    });
}

#[test]
fn what_a_team_decided_upon_before_a_change_is_not_written_over_it() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let before = house.endpoint("first").await;
        house.gives_up(&before).await.unwrap();
        let settings = WebhookSettings { description: "the shop's".to_owned(), ..before.settings.clone() };
        assert_eq!(house.store.update_webhook(&before, settings.clone()).await, Ok(None));
        let given_up = house.shown(&before).await;
        assert!(!given_up.settings.enabled && given_up.health.disabled.is_some(), "it is not switched on again unseen");
        let on = house.store.update_webhook(&given_up, settings.clone()).await.unwrap().unwrap();
        assert_eq!((on.settings, on.health), (settings.clone(), WebhookHealth::default()));
        house.store.delete_webhook(house.team, before.id).await.unwrap();
        assert_eq!(house.store.update_webhook(&given_up, settings).await, Ok(None), "it is gone");
        house.close().await;
    });
}

#[test]
fn one_hiccup_puts_no_good_endpoint_behind_those_that_are_dead() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        assert_eq!(house.store.announce(&[house.news()], Noted::default()).await, Ok(1));
        let day = 24 * HOUR;
        for (failures, success, standing) in [
            (0, Some(HOUR), Standing::Proven),
            (1, Some(HOUR), Standing::Proven),
            (9, Some(HOUR), Standing::Proven),
            (10, Some(HOUR), Standing::Failing),
            (1, Some(day), Standing::Failing),
            (1, None, Standing::Failing),
            (0, Some(day), Standing::Unproven),
            (0, None, Standing::Unproven),
        ] {
            house.fares(&webhook, health(&house, failures, success)).await;
            stands(&house, standing, &format!("{failures} {success:?}")).await;
        }
        house.close().await;
    });
}

#[test]
fn who_takes_long_is_beside_its_own_kind_for_a_while() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        assert_eq!(house.store.announce(&[house.news()], Noted::default()).await, Ok(1));
        let soon = Some(house.clock.now().plus(HOUR));
        for (failures, success, standing) in [
            (0, Some(HOUR), Standing::Slow),
            (9, Some(HOUR), Standing::Slow),
            (10, Some(HOUR), Standing::Failing),
            (1, None, Standing::Failing),
            (0, None, Standing::Unproven),
            (0, Some(HOUR), Standing::Slow),
        ] {
            house.fares(&webhook, WebhookHealth { slow_until: soon, ..health(&house, failures, success) }).await;
            stands(&house, standing, &format!("{failures} {success:?}")).await;
        }
        house.clock.advance(HOUR);
        stands(&house, Standing::Proven, "later").await;
        let settings = WebhookSettings { url: house.receiver.url("elsewhere"), ..webhook.settings.clone() };
        let moved = house.change(&webhook, settings).await;
        assert_eq!(moved.health.slow_until, None, "of another address nothing is known");
        house.close().await;
    });
}

/// The only endpoint has something due, and stands like this.
async fn stands(house: &House, standing: Standing, what: &str) {
    for asked in [Standing::Proven, Standing::Slow, Standing::Unproven, Standing::Failing] {
        let found = house.store.webhooks_with_due(Id([9; 16]), asked, 10).await.unwrap().len();
        assert_eq!(found, usize::from(asked == standing), "{what} {asked:?}");
    }
}

#[test]
fn what_another_process_works_at_takes_no_place_of_what_waits() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (ours, others) = (Id([2; 16]), Id([3; 16]));
        let endpoints = [house.endpoint("first").await.id, house.endpoint("second").await.id];
        house.store.announce(&[house.news()], Noted::default()).await.unwrap();
        let due = async |holder| house.store.webhooks_with_due(holder, Standing::Unproven, 1).await.unwrap()[0].id;
        let first = due(ours).await;
        house.store.lease_webhooks(ours, vec![first]).await.unwrap();
        assert_eq!(due(ours).await, first);
        let second = *endpoints.iter().find(|id| **id != first).unwrap();
        // On SQLite there is one process at a time.
        assert_eq!(due(others).await, if house.store.is_shared() { second } else { first });
        house.close().await;
    });
}

#[test]
fn what_waits_begins_anew_with_another_address_and_when_it_is_switched_on() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("ill").await;
        house.receiver.behave("ill", Manner::Closes);
        house.happens().await;
        house.run();
        for attempt in 1..=5 {
            house.attempts(&webhook, attempt).await;
            house.clock.advance(Duration::from_secs(60));
        }
        // The next would be tomorrow.
        let settings = WebhookSettings { url: house.receiver.url("well"), ..webhook.settings.clone() };
        house.change(&webhook, settings.clone()).await;
        until("it to be told", async || house.receiver.of("well").len() == 1).await;
        until("it on record", async || house.log(&webhook).await.iter().any(|a| a.number == 1 && a.error.is_none())).await;

        house.receiver.behave("well", Manner::Closes);
        house.happens().await;
        until("a failure", async || house.shown(&webhook).await.health.failures == 1).await;
        let off = WebhookSettings { enabled: false, ..settings.clone() };
        house.change(&webhook, off).await;
        house.receiver.behave("well", Manner::Status(204, String::new()));
        house.change(&webhook, settings).await;
        until("the rest", async || house.shown(&webhook).await.health.failures == 0 && house.receiver.of("well").len() == 3)
            .await;
        house.close().await;
    });
}
