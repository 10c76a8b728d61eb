//! Values with parameters: what is not ASCII is written by RFC 2231.

/// Characters of a percent-encoded value that go on one line.
const SEGMENT: usize = 60;

/// `type; name=value` in pieces that may be folded between.
pub fn pieces(value: &[u8]) -> Vec<String> {
    let segments = segments(value);
    let count = segments.len();
    let mut pieces = Vec::new();
    for (place, segment) in segments.into_iter().enumerate() {
        let segment = segment.trim_ascii();
        match (segment.is_ascii(), split(segment)) {
            (false, Some((name, value))) if place > 0 => pieces.extend(extended(name, &value)),
            _ => pieces.push(super::plain(segment)),
        }
        if place + 1 < count
            && let Some(last) = pieces.last_mut()
        {
            last.push(';');
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The parts between semicolons that stand outside quotes.
fn segments(value: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |byte: &u8| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match byte {
            _ if was_escaped => {}
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b';' => return !quoted,
            _ => {}
        }
        false
    };
    value.split(ends).collect()
}

/// A parameter's name, and its value without quotes.
fn split(segment: &[u8]) -> Option<(&str, Vec<u8>)> {
    let equals = segment.iter().position(|&byte| byte == b'=')?;
    let name = std::str::from_utf8(segment[..equals].trim_ascii()).ok().filter(|name| name.is_ascii())?;
    let value = segment[equals + 1..].trim_ascii();
    let Some(inner) = value.strip_prefix(b"\"") else { return Some((name, value.to_vec())) };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let mut escaped = false;
    let keep = |byte: &u8| {
        escaped = *byte == b'\\' && !escaped;
        !escaped && !matches!(byte, b'\r' | b'\n')
    };
    Some((name, inner.iter().copied().filter(keep).collect()))
}

/// `name*=utf-8''%C3%BC`, or `name*0*=...; name*1*=...` when it is long (RFC 2231 sections 3 and 4).
fn extended(name: &str, value: &[u8]) -> Vec<String> {
    let name = name.trim_end_matches('*');
    let charset = if std::str::from_utf8(value).is_ok() { "utf-8" } else { "" };
    let escapes: Vec<String> = value.iter().map(|&byte| escape(byte)).collect();
    let mut lines = vec![String::new()];
    for escape in escapes {
        match lines.last_mut() {
            Some(line) if line.len() + escape.len() <= SEGMENT => line.push_str(&escape),
            _ => lines.push(escape),
        }
    }
    if let [only] = &lines[..] {
        return vec![format!("{name}*={charset}''{only}")];
    }
    let last = lines.len() - 1;
    let numbered = lines.iter().enumerate().map(|(place, line)| {
        let charset = if place == 0 { format!("{charset}''") } else { String::new() };
        format!("{name}*{place}*={charset}{line}{}", if place < last { ";" } else { "" })
    });
    numbered.collect()
}

/// `attribute-char` of RFC 2231 section 7 as it is, anything else in percents.
fn escape(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'+' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}
