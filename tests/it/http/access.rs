//! Who may look, and what they get to see.

use posthouse::config::Route;
use posthouse::id::{Id, Ids};

use super::{ELSEWHERE, HERE, House, MAIL, basic};
use posthouse::clock::Clock;

#[tokio::test]
async fn on_capture_loopback_needs_no_login_but_an_honest_host() {
    let house = House::open(Route::Capture).await;
    for host in ["127.0.0.1:8025", "localhost", "[::1]:8025", "mail.example", "mail.example:8443"] {
        assert_eq!(house.get(HERE, "/", &[("host", host)]).await.status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:8025", "localhost.evil.example"] {
        assert_eq!(house.get(HERE, "/", &[("host", host)]).await.status, 421, "{host}");
    }
}

#[tokio::test]
async fn everybody_else_logs_in_with_a_key_that_reads() {
    let capture = House::open(Route::Capture).await;
    let relay = House::open(Route::Relay).await;
    for (house, peer, extra) in [
        (&capture, ELSEWHERE, None),
        (&capture, HERE, Some(("x-forwarded-for", "203.0.113.5"))),
        (&relay, HERE, None),
        (&relay, ELSEWHERE, None),
    ] {
        for (key, status) in
            [(Some(&house.key), 200), (None, 401), (Some(&house.sending_key), 401), (Some(&"kr_live_x".to_owned()), 401)]
        {
            let login = key.map(|key| basic(key));
            let mut headers: Vec<(&str, &str)> = extra.into_iter().collect();
            headers.extend(login.as_deref().map(|login| ("authorization", login)));
            let answer = house.get(peer, "/", &headers).await;
            assert_eq!(answer.status, status, "{peer:?} {extra:?} {key:?}");
            assert_eq!(answer.header("www-authenticate").starts_with("Basic realm="), status == 401);
        }
    }
}

#[tokio::test]
async fn another_teams_message_is_a_message_that_never_was() {
    let house = House::open(Route::Relay).await;
    let (id, never) = (house.accept(MAIL, |_, _| {}).await, Ids::random(Clock::System).next());
    let foreign = basic(&house.foreign_key);
    let pages: [fn(Id) -> String; 4] = [
        |id| format!("/messages/{id}"),
        |id| format!("/messages/{id}/html"),
        |id| format!("/messages/{id}/raw"),
        |id| format!("/messages/{id}/attachments/0"),
    ];
    for page in pages {
        let theirs = house.get(ELSEWHERE, &page(id), &[("authorization", &foreign)]).await;
        let nobodys = house.get(ELSEWHERE, &page(never), &[("authorization", &foreign)]).await;
        assert_eq!(theirs.status, 404);
        assert_eq!(theirs, nobodys);
    }
    let list = house.get(ELSEWHERE, "/", &[("authorization", &foreign)]).await;
    assert!(!list.text().contains(&id.to_string()));
    let own = house.get(ELSEWHERE, "/", &[("authorization", &basic(&house.key))]).await;
    assert!(own.text().contains(&id.to_string()));
}

#[tokio::test]
async fn a_revoked_key_opens_nothing() {
    let house = House::open(Route::Relay).await;
    for key in house.store.keys(house.ours).await.unwrap() {
        assert!(house.store.revoke_key(house.ours, key.id).await.unwrap());
    }
    assert_eq!(house.get(HERE, "/", &[("authorization", &basic(&house.key))]).await.status, 401);
}
