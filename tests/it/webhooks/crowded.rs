//! Endpoints beside one another, where there is little room: none takes another's.

use std::time::Duration;

use posthouse::event::Places;
use posthouse::model::webhook::{Webhook, WebhookHealth, WebhookKind};
use posthouse::store::webhooks::noted::Noted;

use super::{House, until, webhooks};
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

const TIGHT: Places = Places { proven: 2, slow: 2, unproven: 2, failing: 2, extras: 2 };

/// Endpoints of our team that never answer.
async fn silent(house: &House, number: usize) -> Vec<Webhook> {
    let mut silent = Vec::new();
    for place in 0..number {
        let name = format!("silent{place}");
        house.receiver.behave(&name, Manner::Hangs);
        silent.push(house.endpoint(&name).await);
    }
    silent
}

/// The endpoint of this name was called while one of those that never answer was.
async fn is_called_beside_one(house: &House, name: &str) {
    until("it to be told", async || !house.receiver.of(name).is_empty()).await;
    let order = house.receiver.order();
    let place = order.iter().position(|endpoint| endpoint == name);
    assert!(place.is_some_and(|place| place < 2), "{order:?}");
}

#[test]
fn those_that_take_long_take_no_place_from_the_quick() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (slow, good) = (silent(&house, 4).await, house.endpoint("good").await);
        let well = WebhookHealth { succeeded_at: Some(house.clock.now()), ..WebhookHealth::default() };
        let slow_until = Some(house.clock.now().plus(Duration::from_secs(100)));
        for webhook in &slow {
            house.fares(webhook, WebhookHealth { slow_until, ..well.clone() }).await;
        }
        house.fares(&good, well).await;
        house.store.announce(&[house.news()], Noted::default()).await.unwrap();
        house.run_with(TIGHT);
        is_called_beside_one(&house, "good").await;
        house.close().await;
    });
}

#[test]
fn one_teams_endpoints_take_no_place_from_anothers() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        silent(&house, 4).await;
        let others = house.store.create_team("theirs").await.unwrap().id;
        house.endpoint_for(others, "theirs", &[WebhookKind::Rejected]).await;
        house.store.announce(&[house.news()], Noted::default()).await.unwrap();
        house.run_with(TIGHT);
        until("our endpoints to be called", async || !house.receiver.order().is_empty()).await;
        house.store.announce(&[house.news_for(others)], Noted::default()).await.unwrap();
        is_called_beside_one(&house, "theirs").await;
        house.close().await;
    });
}

#[test]
fn whoever_answers_late_is_known_to_be_slow() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (slow, quick) = (house.endpoint("slow").await, house.endpoint("quick").await);
        house.receiver.behave("slow", Manner::Late(Duration::from_millis(1100)));
        house.happens().await;
        house.run();
        house.attempts(&slow, 1).await;
        house.attempts(&quick, 1).await;
        let until = house.shown(&slow).await.health.slow_until.expect("slow");
        assert!(until.since(house.clock.now()) >= Duration::from_secs(11), "ten times as long as it took");
        assert!(house.shown(&slow).await.health.succeeded_at.is_some());
        house.close().await;
    });
}

#[test]
fn tests_of_one_team_leave_places_to_others() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let silent = silent(&house, 1).await.remove(0);
        let others = house.store.create_team("theirs").await.unwrap().id;
        let theirs = house.endpoint_for(others, "theirs", &[WebhookKind::Rejected]).await;
        let webhooks = webhooks(&house.store, &house.clock);
        let mut tests = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (webhooks, silent) = (webhooks.clone(), silent.clone());
            tests.spawn(async move { webhooks.probe(&silent, WebhookKind::Rejected).await });
        }
        until("the tests to be under way", async || house.receiver.of("silent0").len() == 16).await;
        assert_eq!(webhooks.probe(&silent, WebhookKind::Rejected).await, Ok(None), "it has its share");
        let other = webhooks.probe(&theirs, WebhookKind::Rejected).await.unwrap();
        assert_eq!(other.and_then(|attempt| attempt.status), Some(204));
        tests.abort_all();
        house.close().await;
    });
}

#[test]
fn one_team_takes_no_more_than_its_share_of_requests_beside_the_first() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = silent(&house, 1).await.remove(0);
        house.fares(&webhook, WebhookHealth { succeeded_at: Some(house.clock.now()), ..WebhookHealth::default() }).await;
        let news: Vec<_> = (0..20).map(|_| house.news()).collect();
        house.store.announce(&news, Noted::default()).await.unwrap();
        house.run_with(Places { extras: 7, ..Places::default() });
        house.attempts(&webhook, 5).await;
        // Four of seven, and the first; another may begin while the last ends.
        let at_once = house.receiver.open_at_most();
        assert!((2..=6).contains(&at_once), "{at_once}");
        house.close().await;
    });
}
