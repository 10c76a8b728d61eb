//! Telling again, and forgetting.

use std::time::Duration;

use posthouse::config::Config;
use posthouse::id::{Id, Ids};
use posthouse::model::webhook::{Webhook, WebhookKind, WebhookSettings};
use posthouse::retention::Retention;
use posthouse::store::webhooks::deliveries::{Attempted, Next};
use posthouse::store::webhooks::noted::Noted;
use posthouse::store::webhooks::outbox::WebhookEvent;
use posthouse::store::webhooks::replay::Which;

use super::{House, until};
use crate::support::stores::on_every_engine;

#[test]
fn an_event_is_told_again_by_its_id_and_a_time_as_a_whole() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (first, began) = (house.endpoint("first").await, house.clock.now());
        house.run();
        for _ in 0..3 {
            house.happens().await;
            house.clock.advance(Duration::from_secs(10));
        }
        let told = house.attempts(&first, 3).await;
        let late = house.endpoint("late").await;
        assert_eq!(house.store.replay_webhook(&late, Which::One(told[1].event)).await, Ok(Some(1)));
        let again = house.attempts(&late, 1).await;
        assert_eq!((again[0].event, again[0].number), (told[1].event, 1));
        let (from, to) = (began.plus(Duration::from_secs(5)), began.plus(Duration::from_secs(25)));
        assert_eq!(house.store.replay_webhook(&late, Which::Between(from, to)).await, Ok(Some(2)));
        house.attempts(&late, 3).await;
        let mut events: Vec<&str> = Vec::new();
        let receipts = house.receiver.of("late");
        events.extend(receipts.iter().map(|receipt| receipt.header("webhook-id")));
        assert_eq!(events.iter().filter(|id| **id == told[1].event.uuid()).count(), 2);
        assert_eq!(events.iter().filter(|id| **id == told[2].event.uuid()).count(), 1);
        let stranger = house.store.create_team("theirs").await.unwrap().id;
        let theirs = house.endpoint_for(stranger, "theirs", &[WebhookKind::Rejected]).await;
        for which in [Which::One(told[0].event), Which::Between(began, to), Which::One(Id([7; 16]))] {
            assert_eq!(house.store.replay_webhook(&theirs, which).await, Ok(Some(0)), "{which:?}");
        }
        let others = house.endpoint_for(house.team, "others", &[WebhookKind::Sent]).await;
        assert_eq!(house.store.replay_webhook(&others, Which::Between(began, to)).await, Ok(Some(0)), "it does not want to know");
        house.close().await;
    });
}

#[test]
fn what_happened_while_an_endpoint_was_off_is_told_when_it_is_asked_for() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (webhook, began) = (house.endpoint("first").await, house.clock.now());
        let off = WebhookSettings { enabled: false, ..webhook.settings.clone() };
        house.change(&webhook, off).await;
        house.happens().await;
        let witness = house.endpoint("witness").await;
        house.run();
        house.attempts(&witness, 1).await;
        let on = house.change(&webhook, webhook.settings.clone()).await;
        assert!(house.log(&webhook).await.is_empty(), "nothing is sent by itself");
        let later = began.plus(Duration::from_secs(1));
        assert_eq!(house.store.replay_webhook(&on, Which::Between(began, later)).await, Ok(Some(1)));
        house.attempts(&webhook, 1).await;
        house.close().await;
    });
}

#[test]
fn what_is_old_is_forgotten_and_what_may_be_attempted_is_not() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        house.run();
        house.happens().await;
        house.attempts(&webhook, 1).await;
        assert_eq!(house.store.forget_webhook_history(house.clock.now()).await, Ok(false));
        assert_eq!(house.log(&webhook).await.len(), 1, "a week is kept whatever the span");
        house.clock.advance(Duration::from_secs(9 * 86_400));
        house.happens().await;
        house.attempts(&webhook, 2).await;
        assert_eq!(house.store.forget_webhook_history(house.clock.now()).await, Ok(false));
        let log = house.log(&webhook).await;
        assert_eq!(log.len(), 1);
        let (long_ago, now) = (house.clock.now().minus(Duration::from_secs(30 * 86_400)), house.clock.now());
        let later = now.plus(Duration::from_secs(1));
        assert_eq!(
            house.store.replay_webhook(&webhook, Which::Between(long_ago, later)).await,
            Ok(Some(1)),
            "the old one is gone"
        );
        until("it to be told again", async || house.log(&webhook).await.len() == 2).await;
        house.close().await;
    });
}

#[test]
fn what_was_told_is_kept_for_a_shorter_time_than_what_happened() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        house.run();
        let message = house.happens().await;
        house.attempts(&webhook, 1).await;
        for (days, kept) in [(13, 1), (2, 0)] {
            house.clock.advance(Duration::from_secs(days * 86_400));
            let retention = Retention::new(house.store.clone(), &Config::defaults().retention, house.clock.clone());
            retention.without_rest().pass().await.unwrap();
            assert_eq!((house.log(&webhook).await.len(), house.store.events(message).await.unwrap().len()), (kept, 1));
        }
        house.close().await;
    });
}

#[test]
fn a_secret_that_signs_no_more_is_not_kept() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        let until = house.clock.now().plus(Duration::from_secs(10));
        house.store.rotate_webhook(house.team, webhook.id, until).await.unwrap();
        for (seconds, kept) in [(9, true), (1, false)] {
            house.clock.advance(Duration::from_secs(seconds));
            house.store.forget_secrets().await.unwrap();
            assert_eq!(house.shown(&webhook).await.secrets.previous.is_some(), kept);
        }
        house.close().await;
    });
}

#[test]
fn the_secret_in_use_stays_when_one_is_asked_for_again_within_the_overlap() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let in_use = house.endpoint("first").await;
        let rotate = async |seconds: u64| {
            let until = house.clock.now().plus(Duration::from_secs(seconds));
            house.store.rotate_webhook(house.team, in_use.id, until).await.unwrap().unwrap().secrets
        };
        let lost = rotate(100).await;
        house.clock.advance(Duration::from_secs(99));
        let again = rotate(100).await;
        assert!(again.current != lost.current && again.current != in_use.secrets.current);
        let until = house.clock.now().plus(Duration::from_secs(100));
        assert_eq!(again.previous, Some((in_use.secrets.current.clone(), until)), "nobody has what a lost answer said");
        house.clock.advance(Duration::from_secs(100));
        let later = rotate(100).await;
        assert_eq!(later.previous.map(|(secret, _)| secret), Some(again.current), "its time was over");
        house.clock.advance(Duration::from_secs(1));
        let (_, until) = rotate(0).await.previous.unwrap();
        assert_eq!(until, house.clock.now(), "without an overlap the older one ends at once");
        house.close().await;
    });
}

#[test]
fn what_is_still_to_be_told_is_kept_for_an_endpoint_that_is_on() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (ill, off) = (house.endpoint("ill").await, house.endpoint("off").await);
        let (waits, told) = (house.news(), house.news());
        house.store.announce(&[waits.clone(), told.clone()], Noted::default()).await.unwrap();
        let ended = [&ill, &off].map(|webhook| Attempted {
            attempt: house.attempt_at(webhook, told.id),
            next: Next::Done,
            health: None,
            as_of: webhook.updated_at,
            is_back: None,
            given_up: None,
        });
        house.store.record_attempts(&ended).await.unwrap();
        let settings = WebhookSettings { enabled: false, ..off.settings.clone() };
        house.change(&off, settings).await;
        let retention = || Retention::new(house.store.clone(), &Config::defaults().retention, house.clock.clone());
        // Asked for again on the last day of the two weeks.
        for (days, deliveries, events) in [(13, 4, 2), (2, 1, 1), (6, 1, 1), (2, 0, 0)] {
            house.clock.advance(Duration::from_secs(days * 86_400));
            retention().without_rest().pass().await.unwrap();
            let kept = (book.rows("webhook_deliveries").await, book.rows("webhook_events").await);
            assert_eq!(kept, (deliveries, events), "after {days} days more");
            assert_eq!(house.store.replay_webhook(&ill, Which::One(waits.id)).await, Ok(Some(u64::from(events > 0))));
        }
        house.close().await;
    });
}

#[test]
fn more_than_ten_thousand_events_are_not_told_again_at_once() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (ids, began) = (Ids::random(house.clock.clone()), house.clock.now());
        let event = || WebhookEvent { id: ids.next(), team: house.team, kind: WebhookKind::Rejected, body: "{}".to_owned() };
        for _ in 0..10 {
            let events: Vec<_> = (0..1000).map(|_| event()).collect();
            house.store.announce(&events, Noted::default()).await.unwrap();
        }
        let late = house.endpoint("late").await;
        let all = Which::Between(began, began.plus(Duration::from_secs(1)));
        assert_eq!(house.store.replay_webhook(&late, all).await, Ok(Some(10_000)));
        let one_more = event();
        house.store.announce(std::slice::from_ref(&one_more), Noted::default()).await.unwrap();
        assert_eq!(house.store.replay_webhook(&late, all).await, Ok(None));
        assert_eq!(house.store.replay_webhook(&late, Which::One(one_more.id)).await, Ok(Some(1)));
        house.close().await;
    });
}

#[test]
fn what_a_removed_endpoint_was_told_goes_little_by_little() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (gone, stays) = (house.endpoint("gone").await, house.endpoint("stays").await);
        let news: Vec<_> = (0..1200).map(|_| house.news()).collect();
        house.store.announce(&news, Noted::default()).await.unwrap();
        // They have no room for so many at once; who asks for them has them.
        let all = Which::Between(house.clock.now(), house.clock.now().plus(Duration::from_secs(1)));
        for webhook in [&gone, &stays] {
            assert_eq!(house.store.replay_webhook(webhook, all).await, Ok(Some(1200)));
        }
        let told = |(event, webhook): (&WebhookEvent, &Webhook)| Attempted {
            attempt: house.attempt_at(webhook, event.id),
            next: Next::Done,
            health: None,
            as_of: webhook.updated_at,
            is_back: None,
            given_up: None,
        };
        for webhook in [&gone, &stays] {
            let ended: Vec<_> = news[..600].iter().map(|event| told((event, webhook))).collect();
            house.store.record_attempts(&ended).await.unwrap();
        }
        house.store.lease_webhooks(Id([9; 16]), vec![gone.id, stays.id]).await.unwrap();
        assert_eq!(house.store.delete_webhook(house.team, gone.id).await, Ok(true));
        assert_eq!(house.store.delete_webhook(house.team, gone.id).await, Ok(false), "once");
        assert_eq!(house.store.forget_removed_webhooks().await, Ok(false), "somebody may be at work at it");
        house.clock.advance(Duration::from_secs(60));
        let left = async || book.rows("webhook_deliveries").await;
        assert_eq!((house.store.forget_removed_webhooks().await, left().await), (Ok(true), 1400), "500 of each kind");
        let retention = Retention::new(house.store.clone(), &Config::defaults().retention, house.clock.clone());
        retention.without_rest().pass().await.unwrap();
        assert_eq!((left().await, house.log(&gone).await.len(), house.log(&stays).await.len()), (1200, 0, 600));
        assert_eq!(book.rows("webhooks_removed").await, 0);
        assert_eq!(book.rows("webhook_leases").await, i64::from(house.store.is_shared()), "who stays may be worked at");
        house.close().await;
    });
}
