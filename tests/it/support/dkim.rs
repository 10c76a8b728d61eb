//! A verifier of DKIM signatures (RFC 6376 section 6), written by the letter and apart from what signs: a whole message in memory, line
//! by line.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a signature is worth; an error says why it is worth nothing.
pub type Verdict = Result<Signed, String>;

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub domain: String,
    pub selector: String,
    pub algorithm: String,
}

/// The verdicts on a message's signatures, from the top. `txt` finds a TXT record's text by its name.
pub fn verify(message: &[u8], txt: impl Fn(&str) -> Option<String>) -> Vec<Verdict> {
    let (header, body) = match find(message, b"\r\n\r\n") {
        Some(end) => (&message[..end + 2], &message[end + 4..]),
        None => (message, &message[message.len()..]),
    };
    let fields = fields(header);
    let signatures = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("dkim-signature"));
    signatures.map(|(_, value)| verify_one(value, &fields, body, &txt)).collect()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Names and raw values.
fn fields(header: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for line in header.split_inclusive(|&byte| byte == b'\n') {
        match fields.last_mut() {
            Some((_, value)) if matches!(line[0], b' ' | b'\t') => value.extend_from_slice(line),
            _ => {
                let colon = line.iter().position(|&byte| byte == b':').unwrap();
                fields.push((String::from_utf8(line[..colon].trim_ascii().to_vec()).unwrap(), line[colon + 1..].to_vec()));
            }
        }
    }
    fields
}

fn verify_one(value: &[u8], fields: &[(String, Vec<u8>)], body: &[u8], txt: &impl Fn(&str) -> Option<String>) -> Verdict {
    let text = String::from_utf8(value.to_vec()).map_err(|e| e.to_string())?;
    let tags = tags(&text);
    let tag = |name: &str| tags.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).ok_or(format!("no {name}="));
    if tag("c")? != "relaxed/relaxed" || tag("v")? != "1" || tag("l").is_ok() {
        return Err("not the form that is expected".to_owned());
    }
    if STANDARD.encode(digest(&SHA256, &relaxed_body(body))) != tag("bh")? {
        return Err("the body hash differs".to_owned());
    }
    let mut data = Vec::new();
    let mut left: Vec<&(String, Vec<u8>)> = fields.iter().collect();
    for name in tag("h")?.split(':') {
        if let Some(place) = left.iter().rposition(|(n, _)| n.eq_ignore_ascii_case(name)) {
            let (name, value) = left.remove(place);
            data.extend(relaxed_field(name, value));
            data.extend_from_slice(b"\r\n");
        }
    }
    let emptied = &text[..text.rfind("b=").ok_or("no b=")? + 2];
    data.extend(relaxed_field("DKIM-Signature", emptied.as_bytes()));
    let signed = Signed { domain: tag("d")?, selector: tag("s")?, algorithm: tag("a")? };
    let record = txt(&format!("{}._domainkey.{}", signed.selector, signed.domain)).ok_or("no key record")?;
    let published = self::tags(&record);
    let published = |name: &str| published.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_default();
    let key = STANDARD.decode(published("p")).map_err(|e| e.to_string())?;
    let signature = STANDARD.decode(tag("b")?).map_err(|e| e.to_string())?;
    let holds = match (signed.algorithm.as_str(), published("k")) {
        ("rsa-sha256", "rsa") => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(&data, &signature),
        ("ed25519-sha256", "ed25519") => {
            UnparsedPublicKey::new(&ED25519, key).verify(digest(&SHA256, &data).as_ref(), &signature)
        }
        other => return Err(format!("{other:?}")),
    };
    holds.map(|()| signed).map_err(|_| "the signature is wrong".to_owned())
}

/// A tag list (RFC 6376 section 3.2), all blanks taken out of the values.
fn tags(text: &str) -> Vec<(String, String)> {
    let tags = text.split(';').filter_map(|tag| tag.split_once('='));
    tags.map(|(name, value)| (name.trim().to_owned(), value.split_ascii_whitespace().collect())).collect()
}

fn relaxed_field(name: &str, value: &[u8]) -> Vec<u8> {
    let value: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = format!("{}:", name.to_ascii_lowercase()).into_bytes();
    let value = squeezed(&value);
    let value = value.strip_prefix(b" ").unwrap_or(&value);
    out.extend_from_slice(value.strip_suffix(b" ").unwrap_or(value));
    out
}

fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in body.split(|&byte| byte == b'\n') {
        let mut line = squeezed(line.strip_suffix(b"\r").unwrap_or(line));
        line.pop_if(|last| *last == b' ');
        lines.push(line);
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines.into_iter().flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect()
}

/// Each run of blanks as one space.
fn squeezed(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for &byte in text {
        match byte {
            b' ' | b'\t' if out.last() == Some(&b' ') => {}
            b' ' | b'\t' => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}
