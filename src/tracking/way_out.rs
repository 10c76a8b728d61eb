//! The fields by which a reader leaves a broadcast (RFC 2369 section 3.2, RFC 8058 section 3.1).

use super::links::Links;
use super::token::{Purpose, Token};
use crate::mime::fields::Fields;
use crate::model::message::Message;
use crate::model::unsubscribe::SCOPE;

/// The fields to put above this recipient's copy of a message, which has the fields `own`, whole lines. None: it is no broadcast, or has a
/// way out of its own. One click is offered where the copy `is_signed` and the link is followed by HTTPS; else the link leads to a page (RFC 8058 sections 3.1, 4).
pub fn fields(message: &Message, own: &Fields<'_>, recipient: i64, links: &Links, is_signed: bool) -> String {
    if message.stream != SCOPE || leads_out(own) {
        return String::new();
    }
    let link = links.link(&Token::new(Purpose::Unsubscribe, message.id, recipient));
    let one_click = if is_signed && links.is_https() { "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" } else { "" };
    format!("List-Unsubscribe: <{link}>\r\n{one_click}")
}

/// A field that is blank leads nowhere.
fn leads_out(own: &Fields<'_>) -> bool {
    own.all("List-Unsubscribe").any(|field| !field.trimmed().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Id;
    use crate::mime::fields::Bounds;
    use crate::model::stream::Stream;
    use crate::tracking::token::Seal;

    fn split(content: &str) -> Fields<'_> {
        Fields::split(content.as_bytes(), Bounds::STORED)
    }

    #[test]
    fn broadcast_has_a_way_out_for_each_reader_and_one_alone() {
        let links = Links::new("https://mail.example", &Seal::new(b"secret"));
        let message = |stream| Message { stream, ..Message::bare(Id([1; 16]), Id([2; 16]), Timestamp(0)) };
        let of = |stream, content: &str, place| fields(&message(stream), &split(content), place, &links, true);
        let (first, second) = (of(Stream::Broadcast, "From: a@b.test\r\n\r\n", 0), of(Stream::Broadcast, "", 1));
        assert!(first.starts_with("List-Unsubscribe: <https://mail.example/u/"), "{first}");
        assert!(first.ends_with(">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{first}");
        assert_ne!(first, second);
        assert_eq!(of(Stream::Transactional, "From: a@b.test\r\n\r\n", 0), "");
        assert_eq!(of(Stream::Broadcast, "list-unsubscribe: <mailto:u@b.test>\r\n\r\n", 0), "");
        assert_ne!(of(Stream::Broadcast, "From: a@b.test\r\n\r\nList-Unsubscribe: text\r\n", 0), "");
        assert_ne!(of(Stream::Broadcast, "List-Unsubscribe: \r\n\r\n", 0), "", "it leads nowhere");
    }

    #[test]
    fn one_click_is_offered_by_https_in_signed_mail_alone() {
        let message = Message { stream: Stream::Broadcast, ..Message::bare(Id([1; 16]), Id([2; 16]), Timestamp(0)) };
        for (base, is_signed, offered) in
            [("https://mail.example", true, true), ("https://mail.example", false, false), ("http://mail.example", true, false)]
        {
            let found = fields(&message, &split(""), 0, &Links::new(base, &Seal::new(b"secret")), is_signed);
            assert!(found.starts_with(&format!("List-Unsubscribe: <{base}/u/")), "{found}");
            assert_eq!(found.contains("List-Unsubscribe-Post"), offered, "{base} {is_signed}: {found}");
        }
    }
}
