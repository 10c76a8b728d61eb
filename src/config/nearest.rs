//! What an operator probably meant by a name that nobody knows.

use toml::{Table, Value};

use super::source::ANY_NAME;

/// Says that `path` is no key of `shape`, and which one is nearest to it.
pub fn unknown(path: &[String], shape: &Table) -> String {
    let name = path.join(".");
    match nearest(&name, &names(shape)) {
        Some(near) => format!("{name} is not a key; did you mean {near}?"),
        None => format!("{name} is not a key"),
    }
}

/// A message of the deserialiser in an operator's words: fields are keys, variants are words, and the nearest one is named.
pub fn explain(message: &str) -> String {
    let message = message.trim().replace("unknown field", "unknown key").replace("unknown variant", "unknown word");
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    let (Some(given), true) = (quoted.next(), message.starts_with("unknown ")) else { return message };
    match nearest(&given, &quoted.collect::<Vec<_>>()) {
        Some(near) => format!("{message}; did you mean {near}?"),
        None => message,
    }
}

/// A key of the same last name in another table comes first; else the fewest slips of the pen away.
pub(super) fn nearest(name: &str, known: &[String]) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let mut twins = known.iter().filter(|k| last(k) == last(name));
    let twin = twins.next().filter(|_| twins.next().is_none());
    twin.or_else(|| known.iter().min_by_key(|k| strsim::damerau_levenshtein(name, k))).cloned()
}

/// Every key by its dotted name, tables included.
fn names(shape: &Table) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in shape.iter().filter(|(key, _)| *key != ANY_NAME) {
        all.push(key.clone());
        if let Value::Table(inner) = value {
            all.extend(names(inner).into_iter().map(|name| format!("{key}.{name}")));
        }
    }
    all
}
