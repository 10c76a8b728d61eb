//! The HTTP API, on both stores.

mod access;
mod raw;
mod send;

use serde_json::{Value, json};

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
