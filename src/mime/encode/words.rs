//! Encoded words (RFC 2047).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::mime::text;

/// An encoded word may have 75 characters, and a line that holds one 76 (RFC 2047 section 2). So many leave room on the first line for
/// the name of a common field: some readers take a fold right behind it for a blank of the value.
const WORD: usize = 66;

/// `bytes` as encoded words, to be put one a line or with a blank between: readers drop it. The Q alphabet is the one that stands
/// in phrases and comments too (section 5).
pub fn encoded(bytes: &[u8]) -> Vec<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let chars: Vec<&[u8]> = text.split_inclusive(|_: char| true).map(str::as_bytes).collect();
            chunks("utf-8", &chars)
        }
        // RFC 1428 section 3: octets whose charset nobody told.
        Err(_) => chunks("unknown-8bit", &bytes.chunks(1).collect::<Vec<_>>()),
    }
}

/// Words of whole characters.
fn chunks(charset: &str, chars: &[&[u8]]) -> Vec<String> {
    let octets: usize = chars.iter().map(|c| c.len()).sum();
    let quoted: usize = chars.iter().flat_map(|c| c.iter()).map(|&byte| q(byte).len()).sum();
    // Q stays readable; where it would double the text, B is shorter.
    let as_q = quoted <= octets * 2;
    let room = WORD - "=??Q??=".len() - charset.len();
    let cost = |c: &[u8]| if as_q { c.iter().map(|&byte| q(byte).len()).sum() } else { c.len() };
    let room = if as_q { room } else { room / 4 * 3 };
    let mut words = Vec::new();
    let (mut word, mut used) = (Vec::new(), 0);
    for &c in chars {
        if used + cost(c) > room {
            words.push(written(charset, as_q, &word));
            (word, used) = (Vec::new(), 0);
        }
        word.extend_from_slice(c);
        used += cost(c);
    }
    words.push(written(charset, as_q, &word));
    words
}

fn written(charset: &str, as_q: bool, octets: &[u8]) -> String {
    if as_q {
        let text: String = octets.iter().map(|&byte| q(byte)).collect();
        return format!("=?{charset}?Q?{text}?=");
    }
    format!("=?{charset}?B?{}?=", STANDARD.encode(octets))
}

fn q(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'!' | b'*' | b'+' | b'-' | b'/' => char::from(byte).to_string(),
        b' ' => "_".to_owned(),
        _ => format!("={byte:02X}"),
    }
}

/// An unstructured value in pieces: what is ASCII at its ends as it is, the words from the first to the last that are not encoded.
pub fn unstructured(value: &[u8]) -> Vec<String> {
    let unfolded: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let value = unfolded.trim_ascii();
    // Among encoded words a blank means nothing, so what stands beside ours is decoded and written anew with them.
    if memchr::memmem::find(value, b"=?").is_some() {
        return encoded(text::decode(value).as_bytes());
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let first = value.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let last = value.iter().rposition(|byte| !byte.is_ascii()).unwrap_or(0);
    let from = value[..first].iter().rposition(is_blank).map_or(0, |blank| blank + 1);
    let to = value[last..].iter().position(is_blank).map_or(value.len(), |blank| last + blank);
    let ascii = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let mut pieces = vec![ascii(&value[..from])];
    pieces.extend(encoded(&value[from..to]));
    pieces.push(ascii(&value[to..]));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
