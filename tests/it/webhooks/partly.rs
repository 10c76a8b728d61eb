//! Endpoints that take some of what they are sent, or are away for a while: each delivery has the attempts that are documented.

use std::time::Duration;

use posthouse::model::webhook::{WebhookHealth, WebhookKind};
use posthouse::store::Location;
use posthouse::store::webhooks::deliveries::Standing;
use posthouse::store::webhooks::noted::Noted;
use posthouse::store::webhooks::outbox::WebhookEvent;

use super::{House, until};
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

const HOUR: Duration = Duration::from_secs(3600);

impl House {
    /// So many events of a kind.
    async fn happen(&self, number: usize, kind: WebhookKind) {
        let news: Vec<_> = (0..number).map(|_| WebhookEvent { kind, ..self.news() }).collect();
        self.store.announce(&news, Noted::default()).await.unwrap();
    }

    /// Moves the clock on until an event that an endpoint refuses waits for the next day.
    async fn waits_for_a_day(&self, webhook: &posthouse::model::webhook::Webhook) {
        for attempt in 1..=5 {
            self.attempts(webhook, attempt).await;
            self.clock.advance(Duration::from_secs(60));
        }
    }
}

#[test]
fn what_is_taken_among_what_is_refused_brings_nothing_forward() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint_for(house.team, "partly", &[WebhookKind::Rejected, WebhookKind::Sent]).await;
        house.fares(&webhook, WebhookHealth { succeeded_at: Some(house.clock.now()), ..WebhookHealth::default() }).await;
        house.receiver.behave("partly", Manner::Refuses("email.rejected"));
        // Most of what is under way at once is refused.
        house.happen(5, WebhookKind::Rejected).await;
        house.clock.advance(Duration::from_millis(1));
        house.happen(3, WebhookKind::Sent).await;
        house.run();
        for round in 1..=4 {
            let taken =
                async || house.log(&webhook).await.iter().filter(|a| a.kind == WebhookKind::Sent && a.error.is_none()).count();
            until("what it takes", async || taken().await == 3 * round).await;
            house.happen(3, WebhookKind::Sent).await;
        }
        let log = house.log(&webhook).await;
        let refused: Vec<i64> = log.iter().filter(|a| a.error.is_some()).map(|attempt| attempt.number).collect();
        assert_eq!(refused, [1; 5], "the time stands still: none is due again");
        house.close().await;
    });
}

#[test]
fn what_waits_for_a_day_comes_when_an_endpoint_was_away_for_minutes_and_is_back() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("ill").await;
        house.receiver.behave("ill", Manner::Closes);
        house.happens().await;
        house.run();
        house.waits_for_a_day(&webhook).await;
        house.receiver.behave("ill", Manner::Status(204, String::new()));
        house.happens().await;
        until("both to be told", async || house.log(&webhook).await.iter().filter(|a| a.error.is_none()).count() == 2).await;
        house.close().await;
    });
}

#[test]
fn an_endpoint_that_is_back_every_hour_uses_no_attempt_up_each_time() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint_for(house.team, "partly", &[WebhookKind::Rejected, WebhookKind::Sent]).await;
        house.receiver.behave("partly", Manner::Refuses("email.rejected"));
        house.happen(1, WebhookKind::Rejected).await;
        house.run();
        house.waits_for_a_day(&webhook).await;
        for hour in 1..=4 {
            let away = WebhookHealth { failures: 9, failing_since: Some(house.clock.now()), ..WebhookHealth::default() };
            house.fares(&webhook, away).await;
            house.clock.advance(HOUR);
            house.happen(1, WebhookKind::Sent).await;
            until("what it takes", async || {
                let log = house.log(&webhook).await;
                log.iter().filter(|a| a.kind == WebhookKind::Sent).count() == hour
            })
            .await;
            until("its first day to be cut short", async || {
                house.log(&webhook).await.iter().any(|a| a.kind == WebhookKind::Rejected && a.number == 6)
            })
            .await;
        }
        let last = house.log(&webhook).await.iter().filter(|a| a.kind == WebhookKind::Rejected).map(|a| a.number).max();
        assert_eq!(last, Some(6), "once, and then a day");
        house.close().await;
    });
}

#[test]
fn among_teams_too_those_come_first_that_were_not_tried_for_longest() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let theirs = house.store.create_team("theirs").await.unwrap().id;
        let endpoints = [house.endpoint("first").await, house.endpoint_for(theirs, "second", &[WebhookKind::Rejected]).await];
        house.store.announce(&[house.news(), house.news_for(theirs)], Noted::default()).await.unwrap();
        for place in [1, 0, 1] {
            // As its session would write it: this one was tried last.
            house.clock.advance(Duration::from_secs(1));
            let failing = WebhookHealth { failures: 1, failing_since: Some(house.clock.now()), ..WebhookHealth::default() };
            house.fares(&endpoints[place], failing.clone()).await;
            if place == 1 && house.shown(&endpoints[0]).await.health.failures == 0 {
                continue;
            }
            let due = house.store.webhooks_with_due(posthouse::id::Id([9; 16]), Standing::Failing, 1).await.unwrap();
            assert_eq!(due[0].id, endpoints[1 - place].id);
        }
        house.close().await;
    });
}

#[test]
fn the_last_attempt_and_the_end_of_its_endpoint_are_written_together() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("ill").await;
        house.endpoint("witness").await;
        book.tamper(match book.location {
            Location::Sqlite(_) => {
                "CREATE TRIGGER bad BEFORE INSERT ON webhook_events WHEN NEW.kind = 2048 BEGIN SELECT RAISE(ABORT, 'bad'); END"
            }
            Location::Postgres(_) => "ALTER TABLE webhook_events ADD CONSTRAINT bad CHECK (kind <> 2048)",
        })
        .await;
        assert!(house.gives_up(&webhook).await.is_err());
        assert!(house.log(&webhook).await.is_empty() && house.shown(&webhook).await.settings.enabled);
        book.tamper(match book.location {
            Location::Sqlite(_) => "DROP TRIGGER bad",
            Location::Postgres(_) => "ALTER TABLE webhook_events DROP CONSTRAINT bad",
        })
        .await;
        house.gives_up(&webhook).await.unwrap();
        let shown = house.shown(&webhook).await;
        assert_eq!((house.log(&webhook).await.len(), shown.settings.enabled), (1, false));
        assert_eq!(shown.health.disabled.map(|(_, reason)| reason), Some("it failed".to_owned()));
        assert_eq!(book.rows("webhook_deliveries").await, 1, "the other is told");
        house.close().await;
    });
}
