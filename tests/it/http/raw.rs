//! `GET /api/v1/emails/{id}/raw`.

use posthouse::clock::Clock;
use posthouse::config::Route;
use posthouse::id::Ids;

use super::{ELSEWHERE, House, MAIL};

#[tokio::test]
async fn the_bytes_come_under_every_form_of_the_id() {
    let house = House::open(Route::Relay).await;
    let id = house.accept(MAIL, |_, _| {}).await;
    let bearer = format!("Bearer {}", house.key);
    for form in [id.crockford(), id.crockford().to_lowercase(), id.uuid(), format!("snd_{id}")] {
        let answer = house.get(ELSEWHERE, &format!("/api/v1/emails/{form}/raw"), &[("authorization", &bearer)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "message/rfc822"), "{form}");
        assert_eq!(answer.text(), MAIL);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn refusals_have_the_documented_shapes() {
    let house = House::open(Route::Capture).await;
    let id = house.accept(MAIL, |_, _| {}).await;
    let path = format!("/api/v1/emails/{id}/raw");
    let [ours, sending, foreign] = [&house.key, &house.sending_key, &house.foreign_key].map(|key| format!("Bearer {key}"));
    for (authorization, status, body) in [
        (None, 401, r#"{"error":"Invalid or missing API key"}"#),
        (Some("Bearer kr_live_nobody"), 401, r#"{"error":"Invalid or missing API key"}"#),
        (Some("Basic bWU6a2V5"), 401, r#"{"error":"Invalid or missing API key"}"#),
        (Some(sending.as_str()), 403, r#"{"error":"Insufficient scope"}"#),
        (Some(foreign.as_str()), 404, r#"{"error":"Not found"}"#),
    ] {
        let headers: Vec<(&str, &str)> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        // Loopback on route capture opens the page, never the API.
        let answer = house.get(super::HERE, &path, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, body), "{authorization:?}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    for unknown in ["nonsense", "00000000000000000000000000"] {
        let answer = house.get(ELSEWHERE, &format!("/api/v1/emails/{unknown}/raw"), &[("authorization", &ours)]).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (404, r#"{"error":"Not found"}"#), "{unknown}");
    }
}

#[tokio::test]
async fn a_foreign_id_and_an_unknown_one_answer_alike() {
    let house = House::open(Route::Relay).await;
    let (id, never) = (house.accept(MAIL, |_, _| {}).await, Ids::random(Clock::System).next());
    let bearer = format!("Bearer {}", house.foreign_key);
    let theirs = house.get(ELSEWHERE, &format!("/api/v1/emails/{id}/raw"), &[("authorization", &bearer)]).await;
    let nobodys = house.get(ELSEWHERE, &format!("/api/v1/emails/{never}/raw"), &[("authorization", &bearer)]).await;
    assert_eq!(theirs.status, 404);
    assert_eq!(theirs, nobodys);
}
