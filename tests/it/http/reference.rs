//! The API's description, for programs and for people.

use posthouse::config::Route;
use serde_json::Value;

use super::{ELSEWHERE, House};

#[tokio::test]
async fn the_description_is_whole_and_open_to_all() {
    let house = House::open(Route::Relay).await;
    let answer = house.get(ELSEWHERE, "/openapi.json", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for (path, method) in [("/api/v1/emails", "post"), ("/api/v1/emails", "get"), ("/api/v1/emails/{id}/raw", "get")] {
        let operation = &document["paths"][path][method];
        for status in ["401", "403", "422", "429"] {
            assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
        }
    }
    let lost: Vec<String> =
        references(&document).into_iter().filter(|name| document["components"]["schemas"][name].is_null()).collect();
    assert!(lost.is_empty(), "named, and not described: {lost:?}");
    let email = &document["components"]["schemas"]["Email"];
    assert_eq!(email["additionalProperties"], false);
    assert_eq!(
        email["required"].as_array().unwrap().len(),
        email["properties"].as_object().unwrap().len(),
        "every field is always there"
    );
}

/// The names of all schemas that the document refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/components/schemas/"));
            own.map(str::to_owned).into_iter().chain(map.values().flat_map(references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let house = House::open(Route::Relay).await;
    let answer = house.get(ELSEWHERE, "/docs", &[]).await;
    assert_eq!(answer.status, 200);
    let page = answer.text();
    assert!(page.contains("POST /api/v1/emails") && page.contains("<code>NewEmail</code>"), "{page}");
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href=\"http"), "{page}");
}
