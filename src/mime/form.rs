//! What a small form holds that was posted: by either of the two codings that HTML forms and mail programs use.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{MessageParser, MimeHeaders as _};
use url::form_urlencoded;

/// The names and values of a form under this Content-Type; nothing, when it is coded otherwise. Files have no value.
pub fn fields(content_type: &str, body: &[u8]) -> Vec<(String, String)> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    }
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        return catch_unwind(AssertUnwindSafe(|| of_parts(content_type, body))).unwrap_or_default();
    }
    Vec::new()
}

/// RFC 7578: a MIME body like any other.
fn of_parts(content_type: &str, body: &[u8]) -> Vec<(String, String)> {
    let message = [format!("Content-Type: {content_type}\r\n\r\n").as_bytes(), body].concat();
    let Some(message) = MessageParser::default().parse(&message) else { return Vec::new() };
    let field = |part: &mail_parser::MessagePart<'_>| {
        let disposition = part.content_disposition().filter(|d| d.c_type.eq_ignore_ascii_case("form-data"))?;
        Some((disposition.attribute("name")?.to_owned(), part.text_contents()?.trim_end_matches(['\r', '\n']).to_owned()))
    };
    message.parts.iter().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codings_are_read_and_no_other() {
        let one_click = vec![("List-Unsubscribe".to_owned(), "One-Click".to_owned())];
        assert_eq!(fields("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"), one_click);
        assert_eq!(fields("Application/X-WWW-Form-URLencoded; charset=utf-8", b"List%2DUnsubscribe=One-Click"), one_click);
        // The example of RFC 8058 section 8.2, as it is meant.
        let parts = b"--FormBoundaryjWmhtjORrn\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n\
                      --FormBoundaryjWmhtjORrn--\r\n";
        assert_eq!(fields("multipart/form-data; boundary=FormBoundaryjWmhtjORrn", parts), one_click);
        for (content_type, body) in [
            ("", &b"List-Unsubscribe=One-Click"[..]),
            ("application/json", b"{\"List-Unsubscribe\": \"One-Click\"}"),
            ("multipart/form-data", b"List-Unsubscribe=One-Click"),
            ("multipart/form-data; boundary=other", parts),
            ("application/x-www-form-urlencoded", b""),
        ] {
            assert!(!fields(content_type, body).contains(&one_click[0]), "{content_type}");
        }
    }
}
