//! The HTTP API, on both stores.

mod access;
mod batch;
mod domains;
mod export;
mod fates;
mod keys;
mod list;
mod manual;
mod many_events;
mod raw;
mod send;
mod stats;
mod streams;
mod suppression_lists;
mod suppressions;
mod templates;
mod unsubscribes;
mod webhooks;

use serde_json::{Value, json};

use crate::support::api::Api;

/// A message that nothing speaks against.
fn plain() -> Value {
    json!({"from": "Ann <ann@a.test>", "to": "bob@b.test", "subject": "Hello", "text": "It works.\n"})
}

/// The same with these fields.
fn plain_with(fields: &Value) -> Value {
    let mut email = plain();
    for (name, value) in fields.as_object().unwrap() {
        email[name] = value.clone();
    }
    email
}

/// Sends a message with these fields, and tells its id.
async fn sent(api: &Api, fields: &Value) -> String {
    let answer = api.post(&api.key, "/api/v1/emails", &plain_with(fields)).await;
    answer.json()["data"]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
