//! A clock that is set a day ahead, and back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::model::webhook::WebhookHealth;

use super::{House, until};
use crate::support::IN_TIME;
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

const DAY: Duration = Duration::from_secs(86_400);

fn set_back(clock: &Clock, span: Duration) {
    let Clock::Manual(hands) = clock else { panic!("a manual clock") };
    hands.fetch_sub(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
}

#[test]
fn nobody_waits_a_day_because_the_clock_was_a_day_ahead() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (fails, paused) = (house.endpoint("fails").await, house.endpoint("paused").await);
        for name in ["fails", "paused"] {
            house.receiver.behave(name, Manner::Closes);
        }
        house.clock.advance(DAY);
        house.fares(&paused, WebhookHealth { failures: 9, ..WebhookHealth::default() }).await;
        house.happens().await;
        house.run();
        house.attempts(&fails, 1).await;
        until("a pause", async || house.shown(&paused).await.health.paused_until.is_some()).await;
        for name in ["fails", "paused"] {
            house.receiver.behave(name, Manner::Status(204, String::new()));
        }
        set_back(&house.clock, DAY);
        house.attempts(&fails, 2).await;
        // Of one that failed in a row, the run is over.
        until("it to be called", async || house.receiver.of("paused").len() == 2).await;
        house.close().await;
    });
}

#[test]
fn what_was_written_down_before_the_last_start_is_mended_at_this_one() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("fails").await;
        house.receiver.behave("fails", Manner::Closes);
        house.clock.advance(DAY);
        house.happens().await;
        house.run();
        house.attempts(&webhook, 1).await;
        let House { store, clock, team, receiver, shutdown } = house;
        shutdown.begin();
        shutdown.finished(IN_TIME).await;
        set_back(&clock, DAY);
        let house = House { store, clock, team, receiver, shutdown: posthouse::shutdown::Shutdown::default() };
        house.run();
        house.attempts(&webhook, 2).await;
        house.close().await;
    });
}

#[test]
fn what_lawfully_waits_goes_on_waiting() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("fails").await;
        house.receiver.behave("fails", Manner::Closes);
        house.happens().await;
        house.run();
        for attempt in 1..=5 {
            house.attempts(&webhook, attempt).await;
            house.clock.advance(Duration::from_secs(60));
        }
        // The sixth is tomorrow.
        let longest = posthouse::event::schedule::LONGEST;
        assert_eq!(house.store.shorten_webhook_waits(&longest).await, Ok(0));
        assert_eq!(house.log(&webhook).await.len(), 5);
        set_back(&house.clock, 3 * DAY);
        house.attempts(&webhook, 6).await;
        house.close().await;
    });
}
