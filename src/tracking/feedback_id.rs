//! The field by which mailbox providers tell apart the mail that one house sends for many, when they count complaints about it
//! (Gmail's Feedback-ID: up to three identifiers, then one of the sender, parted by colons).

use super::links::Links;
use crate::mime::fields::Fields;
use crate::model::message::Message;
use crate::model::unsubscribe::SCOPE;

/// Characters of what the sender calls the mail.
const CALLED_MAX: usize = 64;

/// The field to put above a message that has the fields `own`, a whole line: what it is called, its team, its stream, and the house.
/// Nothing in it is of one recipient's own. Empty: it is no broadcast, or has such a field.
pub fn field(message: &Message, own: &Fields<'_>, links: &Links) -> String {
    if message.stream != SCOPE || own.first("Feedback-ID").is_some() {
        return String::new();
    }
    let called = called(message);
    format!("Feedback-ID: {called}:{}:{}:{}\r\n", message.team, message.stream.as_str(), links.house())
}

/// Its first tag, or else the domain it is from, of what can stand in the field.
fn called(message: &Message) -> String {
    let words = message.tags.first().map_or(message.sender_domain(), |(_, value)| value);
    let stands = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    words.chars().take(CALLED_MAX).map(stands).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Id;
    use crate::mime::fields::Bounds;
    use crate::model::stream::Stream;
    use crate::tracking::token::Seal;

    fn of(message: &Message, content: &str, secret: &[u8]) -> String {
        let own = Fields::split(content.as_bytes(), Bounds::STORED);
        field(message, &own, &Links::new("https://mail.example", &Seal::new(secret)))
    }

    #[test]
    fn broadcast_says_what_it_is_and_whose() {
        let team = Id([2; 16]);
        let mut message = Message::bare(Id([1; 16]), team, Timestamp(0));
        message.from = "a@news.example".to_owned();
        assert_eq!(of(&message, "From: a@news.example\r\n\r\n", b"secret"), "", "it is no broadcast");
        message.stream = Stream::Broadcast;
        let untagged = of(&message, "From: a@news.example\r\n\r\n", b"secret");
        let house = untagged.trim_end().rsplit_once(':').expect("a house").1.to_owned();
        assert_eq!(untagged, format!("Feedback-ID: news.example:{team}:broadcast:{house}\r\n"));
        assert!((5..=15).contains(&house.len()), "{house}");
        message.tags = vec![("campaign".to_owned(), "Fr\u{fc}hjahr 2: a".to_owned()), ("n".to_owned(), "2".to_owned())];
        assert_eq!(of(&message, "", b"secret"), format!("Feedback-ID: Fr_hjahr_2__a:{team}:broadcast:{house}\r\n"));
        assert!(!of(&message, "", b"another").contains(&house), "each house has a name of its own");
        assert_eq!(of(&message, "feedback-id: a:b:c:d\r\n\r\n", b"secret"), "", "it has one");
    }
}
