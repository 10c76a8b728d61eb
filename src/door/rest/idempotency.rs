//! `Idempotency-Key`: the header under which a request does what it asks for once.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::model::controls::Controls;
use crate::model::refusal::{Code, Refusal};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key that came, if one did: 1 to 255 octets of UTF-8, once.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut fields = headers.get_all(KEY).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(invalid("stands twice; send it once".to_owned()));
    }
    let Ok(key) = str::from_utf8(field.as_bytes()) else { return Err(invalid("is not UTF-8".to_owned())) };
    checked(key).map(Some)
}

/// The same bounds for a key that came as a field.
pub fn checked(key: &str) -> Result<String, Refusal> {
    let mut controls = Controls::default();
    controls.idempotency_key(key).map_err(|fault| invalid(fault.to_string()))?;
    Ok(key.to_owned())
}

fn invalid(fault: String) -> Refusal {
    Refusal::new(Code::InvalidIdempotencyKey, format!("Idempotency-Key {fault}"))
}

/// Says that nothing was done anew.
pub fn mark_replayed(headers: &mut HeaderMap) {
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[&[u8]]) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY, HeaderValue::from_bytes(value).expect("a header value"));
        }
        key(&headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_key_has_1_to_255_octets() {
        assert_eq!(given(&[]), Ok(None));
        assert_eq!(given(&["k\u{e4}y".as_bytes()]), Ok(Some("k\u{e4}y".to_owned())));
        assert_eq!(given(&[&[b'a'; 255]]), Ok(Some("a".repeat(255))));
        let bad: [&[&[u8]]; 4] = [&[b""], &[&[b'a'; 256]], &[b"\xff"], &[b"a", b"a"]];
        for values in bad {
            assert_eq!(given(values), Err(Code::InvalidIdempotencyKey), "{values:?}");
        }
    }
}
