//! What is written of who opened and clicked, and who counts as a person.

use axum::http::Method;
use futures_util::future::{join, join_all};
use posthouse::id::Id;
use posthouse::model::event::{Event, EventKind};
use posthouse::model::statistics::Day;
use posthouse::tracking::token::{Purpose, Token};
use serde_json::json;

use super::{FIREFOX, House, TARGET};
use crate::support::stores::{Book, on_every_engine};

#[test]
fn a_person_is_written_down_with_evidence() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        assert_eq!(house.get(&house.open(), &[FIREFOX]).await.status, 200);
        assert_eq!(house.get(&house.click(), &[FIREFOX, ("x-forwarded-for", "203.0.113.9")]).await.status, 302);
        let events = house.events().await;
        let seen: Vec<_> = events.iter().map(|event| (event.kind, event.recipient, event.detail.clone())).collect();
        let opened = json!({ "ip": "192.0.2.7", "user_agent": FIREFOX.1 });
        let clicked = json!({ "ip": "192.0.2.7", "user_agent": FIREFOX.1, "url": TARGET });
        assert_eq!(
            seen,
            [(EventKind::Opened, Some(0), opened), (EventKind::Clicked, Some(0), clicked)],
            "a stranger is believed nothing"
        );
        let email = house.store.email(events[0].team, house.message).await.unwrap().unwrap();
        assert_eq!((email.times.opened, email.times.clicked), (Some(events[0].at), Some(events[1].at)));
    });
}

#[test]
fn a_trusted_proxy_names_the_visitor() {
    on_every_engine(async |book| {
        let house = House::with(&book, |config| config.http.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()]).await;
        house.get(&house.open(), &[FIREFOX, ("x-forwarded-for", "10.1.1.1, 203.0.113.9")]).await;
        assert_eq!(house.events().await[0].detail["ip"], "203.0.113.9");
    });
}

#[test]
fn programs_are_answered_and_marked() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let slack = ("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)");
        let mut programs = 0;
        for headers in
            [vec![FIREFOX, ("purpose", "prefetch")], vec![FIREFOX, ("sec-purpose", "prefetch;prerender")], vec![slack], vec![]]
        {
            assert_eq!(house.get(&house.open(), &headers).await.status, 200);
            assert_eq!(house.get(&house.click(), &headers).await.header("location"), TARGET, "{headers:?}");
            programs += 2;
        }
        let head = house.ask(Method::HEAD, &house.click(), &[FIREFOX]).await;
        assert_eq!((head.status.as_u16(), head.header("location")), (302, TARGET));
        assert_eq!(house.ask(Method::HEAD, &house.open(), &[FIREFOX]).await.status, 200);
        let events = house.events().await;
        assert_eq!(events.len(), programs + 2);
        assert!(events.iter().all(Event::is_automated));
        let email = house.store.email(events[0].team, house.message).await.unwrap().unwrap();
        assert_eq!((email.times.opened, email.times.clicked), (None, None));
        assert_eq!(house.ask(Method::POST, &house.click(), &[FIREFOX]).await.status, 405);
    });
}

#[test]
fn a_network_of_programs_is_the_operators_to_name() {
    on_every_engine(async |book| {
        let house = House::with(&book, |config| config.tracking.automated_networks = vec!["192.0.2.0/24".parse().unwrap()]).await;
        house.get(&house.open(), &[FIREFOX]).await;
        assert!(house.events().await.iter().all(Event::is_automated));
    });
}

#[test]
fn a_link_outlives_its_message_and_the_store() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let gone = Token::new(Purpose::Click(TARGET.to_owned()), Id([7; 16]), 0);
        for path in [house.link(&gone), house.click()] {
            assert_eq!(house.get(&path, &[FIREFOX]).await.header("location"), TARGET);
        }
        assert_eq!(house.events().await.len(), 1);
        // Another process, whose store goes away once it has read the secret.
        let again = Book { store: book.again().await, location: book.location.clone(), clock: book.clock.clone() };
        let away = House::over(&again).await;
        assert_eq!(away.get(&away.click(), &[FIREFOX]).await.status, 302);
        away.store.close().await;
        assert_eq!(away.get(&away.click(), &[FIREFOX]).await.header("location"), TARGET);
        assert_eq!(away.get(&away.open(), &[FIREFOX]).await.status, 200);
        let events = house.store.events(away.message).await.unwrap();
        assert_eq!(events.len(), 1, "only the event is lost");
    });
}

#[test]
fn a_link_in_a_flood_leads_on_and_so_many_events_are_kept() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (open, click) = (house.open(), house.click());
        for round in 0..100 {
            // Half of them pictures and half of them links, a tenth of each followed by programs.
            let headers: &[(&str, &str)] = if round % 10 == 0 { &[] } else { &[FIREFOX] };
            let opens = (0..50).map(|_| house.get(&open, headers));
            let clicks = (0..50).map(|_| house.get(&click, headers));
            let (opens, clicks) = join(join_all(opens), join_all(clicks)).await;
            assert!(opens.iter().all(|answer| answer.status == 200 && answer.body.starts_with(b"GIF89a")), "round {round}");
            assert!(clicks.iter().all(|answer| answer.status == 302 && answer.header("location") == TARGET), "round {round}");
        }
        let events = house.events().await;
        let kept = |kind: EventKind, automated: bool| {
            events.iter().filter(|event| event.kind == kind && event.is_automated() == automated).count()
        };
        let kept = [EventKind::Opened, EventKind::Clicked].map(|kind| [kept(kind, false), kept(kind, true)]);
        assert_eq!(kept, [[50, 50], [100, 100]], "of people and of programs");
        let counted = house.store.statistics(events[0].team, Day(1)).await.unwrap().engagement;
        assert_eq!((counted.opened, counted.clicked), (1, 1));
    });
}
