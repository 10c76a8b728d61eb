//! The fields by which a reader leaves a broadcast (RFC 2369 section 3.2, RFC 8058 section 3.1).

use super::links::Links;
use super::token::{Purpose, Token};
use crate::mime::fields::{Bounds, Fields};
use crate::model::message::Message;
use crate::model::unsubscribe::SCOPE;

/// The fields to put above this recipient's copy of a message, whole lines. None: it is no broadcast, or has a way out of its own.
pub fn fields(message: &Message, content: &[u8], recipient: i64, links: &Links) -> String {
    if message.stream != SCOPE || Fields::split(content, Bounds::STORED).first("List-Unsubscribe").is_some() {
        return String::new();
    }
    let link = links.link(&Token::new(Purpose::Unsubscribe, message.id, recipient));
    format!("List-Unsubscribe: <{link}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Id;
    use crate::model::stream::Stream;
    use crate::tracking::token::Seal;

    #[test]
    fn broadcast_has_a_way_out_for_each_reader_and_one_alone() {
        let links = Links::new("https://mail.example", &Seal::new(b"secret"));
        let message = |stream| Message { stream, ..Message::bare(Id([1; 16]), Id([2; 16]), Timestamp(0)) };
        let of = |stream, content: &str, place| fields(&message(stream), content.as_bytes(), place, &links);
        let (first, second) = (of(Stream::Broadcast, "From: a@b.test\r\n\r\n", 0), of(Stream::Broadcast, "", 1));
        assert!(first.starts_with("List-Unsubscribe: <https://mail.example/u/"), "{first}");
        assert!(first.ends_with(">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{first}");
        assert_ne!(first, second);
        assert_eq!(of(Stream::Transactional, "From: a@b.test\r\n\r\n", 0), "");
        assert_eq!(of(Stream::Broadcast, "list-unsubscribe: <mailto:u@b.test>\r\n\r\n", 0), "");
        assert_ne!(of(Stream::Broadcast, "From: a@b.test\r\n\r\nList-Unsubscribe: text\r\n", 0), "");
    }
}
