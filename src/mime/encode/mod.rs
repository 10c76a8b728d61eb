//! Fields written in ASCII: encoded words where the grammar allows them (RFC 2047 section 5), RFC 2231 in parameters, A-labels in
//! the domains of addresses.

mod address;
pub mod fold;
mod parameters;
pub mod words;

use super::fields::Field;

/// Fields of addresses: phrases and comments may be encoded, addresses may not.
const ADDRESSES: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
];

/// Fields of parameters.
const PARAMETERS: [&str; 2] = ["Content-Type", "Content-Disposition"];

/// Fields whose grammar has no place for words: what is not ASCII in them says nothing.
const TOKENS: [&str; 17] = [
    "Message-ID",
    "In-Reply-To",
    "References",
    "Date",
    "Received",
    "Return-Path",
    "Resent-Date",
    "Resent-Message-ID",
    "MIME-Version",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Location",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Post",
    "Auto-Submitted",
];

fn is_one_of(field: &Field<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| field.is(name))
}

/// Whether the field holds an address whose local part is not ASCII.
pub fn needs_smtputf8(field: &Field<'_>) -> bool {
    !field.value.is_ascii() && is_one_of(field, &ADDRESSES) && address::needs_smtputf8(field.value)
}

/// Whether the field's grammar has a place for text beyond ASCII.
pub fn takes_text(field: &Field<'_>) -> bool {
    !is_one_of(field, &TOKENS)
}

/// The whole field in ASCII, line end included, folded.
pub fn field(field: &Field<'_>) -> Vec<u8> {
    let pieces = if is_one_of(field, &ADDRESSES) {
        address::pieces(field.value)
    } else if is_one_of(field, &PARAMETERS) {
        parameters::pieces(field.value)
    } else if is_one_of(field, &TOKENS) {
        vec![plain(field.value)]
    } else {
        words::unstructured(field.value)
    };
    fold::joined(field.name, &pieces)
}

/// The value unfolded, with `?` for what is not ASCII.
fn plain(value: &[u8]) -> String {
    let kept = value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    let text: String = kept.map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
