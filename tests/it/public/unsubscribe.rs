//! The page on which a reader unsubscribes, and the POST of a mail program.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::statistics::Day;
use posthouse::model::stream::Stream;
use posthouse::model::unsubscribe::{Evidence, How, Unsubscribe};
use posthouse::store::Store;
use posthouse::tracking::token::{Purpose, Token};
use tower::ServiceExt as _;

use super::House;
use crate::support::api::Answer;
use crate::support::nouns;
use crate::support::stores::{on_every_engine, on_sqlite};

const FORM: &str = "application/x-www-form-urlencoded";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

impl House {
    /// POST of a form, as a stranger's program.
    async fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(Method::POST).uri(path).header("content-type", content_type);
        let peer = SocketAddr::from(([192, 0, 2, 7], 40_000));
        let request = request.header("user-agent", "Reader <b>1</b>").extension(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Answer { status, headers, body }
    }
}

/// A broadcast message of a team, to one reader; and the path of that reader's link.
async fn broadcast(house: &House, store: &Store) -> (Id, Id, String) {
    let team = store.create_team("t").await.unwrap().id;
    let mut offered = nouns::acceptance(team, &["\"<b>o\"@Example.com"]);
    let message = Arc::make_mut(&mut offered.message);
    message.stream = Stream::Broadcast;
    let id = message.id;
    store.accept(offered).await.unwrap();
    (team, id, house.link(&Token::new(Purpose::Unsubscribe, id, 0)))
}

async fn unsubscribed(store: &Store, team: Id) -> bool {
    store.count_unsubscribes(team).await.unwrap() == 1
}

#[test]
fn to_look_changes_nothing_and_the_button_does_and_undoes() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (team, id, link) = broadcast(&house, &book.store).await;
        for _ in 0..2 {
            let page = house.get(&link, &[]).await;
            assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
            let policy = page.header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
            let text = String::from_utf8(page.body).unwrap();
            assert!(text.contains("Unsubscribe?") && text.contains("&#60;b&#62;o") && !text.contains("<b>o"), "{text}");
            assert!(!unsubscribed(&book.store, team).await && book.store.events(id).await.unwrap().is_empty());
        }
        for _ in 0..2 {
            let done = house.post(&link, FORM, "action=unsubscribe").await;
            assert_eq!(done.status, 200);
            assert!(String::from_utf8(done.body).unwrap().contains("You are unsubscribed"));
            assert!(unsubscribed(&book.store, team).await);
        }
        let events = book.store.events(id).await.unwrap();
        assert_eq!(events.len(), 1, "told once: {events:?}");
        assert_eq!((events[0].kind, events[0].recipient), (EventKind::Unsubscribed, Some(0)));
        let told = ["how", "ip", "user_agent"].map(|name| events[0].detail[name].as_str().unwrap());
        assert_eq!(told, ["page", "192.0.2.7", "Reader <b>1</b>"]);
        let kept = &book.store.unsubscribes(team, "", 0, 10).await.unwrap()[0];
        assert_eq!((kept.how, kept.message, kept.evidence.ip.as_deref()), (How::Page, Some(id), Some("192.0.2.7")));

        let page = house.get(&link, &[]).await;
        assert!(String::from_utf8(page.body).unwrap().contains("Subscribe again"));
        let back = house.post(&link, FORM, "action=resubscribe").await;
        assert_eq!(back.status, 200);
        assert!(!unsubscribed(&book.store, team).await);
        assert!(String::from_utf8(back.body).unwrap().contains("Unsubscribe?"));
        house.post(&link, FORM, "action=resubscribe").await;
        let events = book.store.events(id).await.unwrap();
        assert_eq!(events.len(), 2, "told once: {events:?}");
        assert_eq!((events[1].kind, events[1].recipient), (EventKind::Resubscribed, Some(0)));
        let told = ["ip", "user_agent"].map(|name| events[1].detail[name].as_str().unwrap());
        assert_eq!(told, ["192.0.2.7", "Reader <b>1</b>"]);
    });
}

#[test]
fn who_goes_to_and_fro_is_heeded_and_leaves_so_many_events() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (team, id, link) = broadcast(&house, &book.store).await;
        for round in 0..30 {
            assert_eq!(house.post(&link, FORM, ONE_CLICK).await.status, 200);
            assert!(unsubscribed(&book.store, team).await, "round {round}");
            assert_eq!(house.post(&link, FORM, "action=resubscribe").await.status, 200);
            assert!(!unsubscribed(&book.store, team).await, "round {round}");
        }
        let events = book.store.events(id).await.unwrap();
        let kept = |kind| events.iter().filter(|event| event.kind == kind).count();
        assert_eq!((kept(EventKind::Unsubscribed), kept(EventKind::Resubscribed)), (20, 20));
        assert_eq!(book.store.statistics(team, Day(1)).await.unwrap().engagement.unsubscribed, 1);
    });
}

#[test]
fn what_is_known_already_waits_for_no_writer() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (team, _, link) = broadcast(&house, &book.store).await;
        let other = book.occupied().await;
        assert_eq!(house.post(&link, FORM, "action=resubscribe").await.status, 200, "nobody has unsubscribed");
        drop(other);
        assert_eq!(house.post(&link, FORM, ONE_CLICK).await.status, 200);
        let other = book.occupied().await;
        for _ in 0..3 {
            assert_eq!(house.post(&link, FORM, ONE_CLICK).await.status, 200);
        }
        drop(other);
        assert!(unsubscribed(&book.store, team).await);
    });
}

#[test]
fn what_was_not_told_by_a_link_is_not_taken_back_by_one() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (team, id, link) = broadcast(&house, &book.store).await;
        let (address, created_at) = (book.store.reader(id, 0).await.unwrap().unwrap().address, book.clock.now());
        for how in [How::Api, How::Cli] {
            let evidence = Evidence::default();
            let wish = Unsubscribe { team, address: address.clone(), how, message: None, evidence, created_at };
            assert!(book.store.unsubscribe(&wish).await.unwrap());
            let page = String::from_utf8(house.post(&link, FORM, "action=resubscribe").await.body).unwrap();
            assert!(page.contains("You are unsubscribed") && !page.contains("Subscribe again"), "{page}");
            assert!(unsubscribed(&book.store, team).await && book.store.events(id).await.unwrap().is_empty());
            assert!(book.store.resubscribe(team, &address, how).await.unwrap());
        }
    });
}

#[test]
fn what_a_reader_says_goes_before_what_was_noted_for_them() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (team, id, link) = broadcast(&house, &book.store).await;
        let (address, created_at) = (book.store.reader(id, 0).await.unwrap().unwrap().address, book.clock.now());
        for (round, how) in [How::Api, How::Cli].into_iter().enumerate() {
            let evidence = Evidence::of_reason(Some("by phone".to_owned())).unwrap();
            let noted = Unsubscribe { team, address: address.clone(), how, message: None, evidence, created_at };
            assert!(book.store.unsubscribe(&noted).await.unwrap());
            for _ in 0..3 {
                assert_eq!(house.post(&link, FORM, ONE_CLICK).await.status, 200);
            }
            assert!(!book.store.unsubscribe(&noted).await.unwrap(), "what was noted comes after it");
            let kept = book.store.unsubscribes(team, "", 0, 10).await.unwrap();
            assert_eq!((kept.len(), kept[0].how, kept[0].message), (1, How::OneClick, Some(id)));
            assert_eq!((kept[0].evidence.ip.as_deref(), &kept[0].evidence.reason), (Some("192.0.2.7"), &None));
            assert!(kept[0].created_at > created_at, "when they said it");
            let events = book.store.events(id).await.unwrap();
            let told = events.iter().filter(|event| event.kind == EventKind::Unsubscribed);
            assert_eq!(told.count(), round + 1, "told once");
            house.post(&link, FORM, "action=resubscribe").await;
            assert!(!unsubscribed(&book.store, team).await);
        }
        assert_eq!(book.store.statistics(team, Day(1)).await.unwrap().engagement.unsubscribed, 1, "the message");
    });
}

#[test]
fn one_click_is_a_post_of_the_one_field_in_either_coding() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (team, _, link) = broadcast(&house, &book.store).await;
        let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        for (content_type, body) in [
            (FORM, ""),
            (FORM, "List-Unsubscribe=Two-Clicks"),
            (FORM, "action=other"),
            ("application/json", ONE_CLICK),
            ("multipart/form-data; boundary=other", parts),
            (FORM, &format!("{ONE_CLICK}&x={}", "x".repeat(5000))),
        ] {
            assert_eq!(house.post(&link, content_type, body.to_owned()).await.status, 400, "{content_type} {body}");
        }
        assert!(!unsubscribed(&book.store, team).await);
        for (content_type, body) in [(FORM, ONE_CLICK), ("multipart/form-data; boundary=b", parts)] {
            assert_eq!(house.post(&link, content_type, body).await.status, 200, "{content_type}");
            assert_eq!(book.store.unsubscribes(team, "", 0, 10).await.unwrap()[0].how, How::OneClick);
            house.post(&link, FORM, "action=resubscribe").await;
        }
        let counted = book.store.statistics(team, Day(1)).await.unwrap().engagement.unsubscribed;
        assert_eq!(counted, 1, "the message, however often");
    });
}

#[test]
fn a_link_with_any_bit_changed_is_nobodys() {
    on_sqlite(async |book| {
        let (house, store) = (House::over(&book).await, book.store.clone());
        let (team, id, link) = broadcast(&house, &store).await;
        let bytes = URL_SAFE_NO_PAD.decode(link.strip_prefix("/u/").unwrap()).unwrap();
        let mut forged: Vec<String> = (0..bytes.len() * 8)
            .map(|bit| {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                URL_SAFE_NO_PAD.encode(changed)
            })
            .collect();
        let sealed = |token: &Token| house.link(token).rsplit('/').next().unwrap().to_owned();
        forged.push(sealed(&Token::new(Purpose::Open, id, 0)));
        forged.push(sealed(&Token::new(Purpose::Unsubscribe, id, 1)));
        forged.push(sealed(&Token::new(Purpose::Unsubscribe, id, 70_000)));
        forged.push(sealed(&Token::new(Purpose::Unsubscribe, Id([7; 16]), 0)));
        forged.extend(["x".to_owned(), "%00".to_owned(), "%ff".to_owned(), "a".repeat(10_000)]);
        for text in forged {
            let path = format!("/u/{text}");
            assert_eq!(house.get(&path, &[]).await.status, 404, "{path}");
            assert_eq!(house.post(&path, FORM, ONE_CLICK).await.status, 404, "{path}");
        }
        assert!(!unsubscribed(&store, team).await && store.events(id).await.unwrap().is_empty(), "nothing is written");
        assert_eq!(house.post(&link, FORM, ONE_CLICK).await.status, 200);
        assert!(unsubscribed(&store, team).await);
    });
}
