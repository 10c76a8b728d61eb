//! DomainKeys Identified Mail (RFC 6376, with RFC 8463): the fields that sign a message, and the keys they are made with.
//!
//! A signature says that the From domain answers for what the message shows. What it covers is covered once more than it is present
//! ([`OVERSIGNED`]), so that no field of such a name can be added on the way, and the whole body is, for there is no `l=`.

mod canonical;
mod field;
pub mod key;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;
use crate::mime::fields::{Bounds, Field, Fields};
use field::Unsigned;
use key::SigningKey;

/// The fields that a signature covers, once more than they are present: those that a reader is shown or acts on (RFC 6376 section
/// 8.15).
const OVERSIGNED: [&str; 11] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Reply-To",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Those that a signature covers as often as they are present: to add one changes little of what a reader sees.
const SIGNED: [&str; 5] = ["In-Reply-To", "References", "Feedback-ID", "TLS-Report-Domain", "TLS-Report-Submitter"];

/// Why a message can't be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Verifiers would not agree on where its header section ends, or it names no author (RFC 6376 section 5.4).
    #[error("the header section has no From, or no certain end")]
    Header,
    /// The library refused.
    #[error("the key does not sign")]
    Key,
}

/// The DKIM-Signature fields of a message in the name of `domain` (A-labels), one a key, whole lines, to be put on top of it. It leaves as
/// the fields in `top`, which may be empty, and then `message`, with no line end but CRLF; it is read once and not copied.
pub fn sign(top: &[u8], message: &[u8], keys: &[SigningKey], domain: &str, at: Timestamp) -> Result<Vec<u8>, SignError> {
    let fields = Fields::split(message, Bounds::STORED);
    let body = &message[fields.body()..];
    let certain = fields.excess.is_none() && fields.envelope.is_empty() && (body.is_empty() || !fields.separator.is_empty());
    if !certain || fields.first("From").is_none() {
        return Err(SignError::Header);
    }
    let above = Fields::split(top, Bounds::STORED);
    let list: Vec<&Field<'_>> = above.list.iter().chain(&fields.list).collect();
    let (names, covered) = cover(&list);
    let mut hash = Context::new(&SHA256);
    canonical::body(body, |octets| hash.update(octets));
    let unsigned = Unsigned { domain, at, names: &names, body_hash: &STANDARD.encode(hash.finish()) };
    let mut signatures = Vec::with_capacity(keys.len() * 1024);
    for key in keys {
        signatures.extend(unsigned.signed_by(key, &covered)?);
    }
    Ok(signatures)
}

/// The names in `h=`, and what they cover in its canonical form: of fields with one name the last comes first (RFC 6376 section
/// 5.4.2), and a name that finds no field any more covers that there is none.
fn cover(fields: &[&Field<'_>]) -> (Vec<&'static str>, Vec<u8>) {
    let (mut names, mut covered) = (Vec::with_capacity(2 * OVERSIGNED.len()), Vec::with_capacity(1024));
    for name in OVERSIGNED.into_iter().chain(SIGNED) {
        for field in fields.iter().rev().filter(|field| field.is(name)) {
            names.push(name);
            canonical::field(field.name, field.value, &mut covered);
            covered.extend_from_slice(b"\r\n");
        }
        if OVERSIGNED.contains(&name) {
            names.push(name);
        }
    }
    (names, covered)
}

#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;
