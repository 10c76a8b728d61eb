//! What a message is found by: whole addresses and their domains, beginnings of the words of its subject, the words of people's names
//! and of what stands before an @, its stream, its tags.

use std::collections::BTreeSet;

use crate::model::address::Address;
use crate::model::message::Message;
use crate::model::stream::Stream;

/// Of a longer word the first characters count.
const WORD_MAX: usize = 10;
/// Words of a subject that count.
const WORDS_MAX: usize = 40;
/// Words that count of the names in its header fields.
const NAMES_MAX: usize = 100;

/// A term that no message has.
const OF_NOTHING: &str = "";

/// The terms of a message to these recipients.
pub fn of<'a>(message: &Message, recipients: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut terms = BTreeSet::from([stream(message.stream)]);
    for (name, value) in &message.tags {
        terms.insert(tag(name, None));
        terms.insert(tag(name, Some(value)));
    }
    let keys = recipients.filter_map(|address| Some(Address::parse(address).ok()?.key()));
    for address in keys.chain([message.from.clone()]) {
        if let Some((_, domain)) = address.rsplit_once('@') {
            terms.insert(format!("@{domain}"));
            terms.extend(names(&address));
            terms.insert(address);
        }
    }
    let people = [&message.from_header, &message.to_header, &message.cc_header];
    terms.extend(people.into_iter().flat_map(|header| names(header)).take(NAMES_MAX));
    terms.extend(message.subject.split_whitespace().take(WORDS_MAX).filter_map(|word| whole(unquoted(word))));
    for word in words(&message.subject).take(WORDS_MAX) {
        let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).take(WORD_MAX);
        // Nobody looks for a single letter, unless that is the word.
        terms.extend(
            ends.filter(|end| word[..*end].chars().nth(1).is_some() || *end == word.len()).map(|end| word[..end].to_owned()),
        );
    }
    terms
}

/// The terms that a message must have to be found by `text`: it is an address, a domain, or beginnings of words, of which all must be
/// there. A subject may hold an address or a domain, or what looks like one. A text with nothing in it to look for finds nothing.
pub fn asked(text: &str) -> Vec<String> {
    let text = text.trim();
    if let Some(term) = whole(text) {
        return vec![term];
    }
    let terms: BTreeSet<String> = words(text).take(WORDS_MAX).map(cut).collect();
    if terms.is_empty() { vec![OF_NOTHING.to_owned()] } else { terms.into_iter().collect() }
}

/// The term of a stream.
pub fn stream(stream: Stream) -> String {
    format!("stream:{stream}")
}

/// The term of a tag, with its value or whatever that is.
pub fn tag(name: &str, value: Option<&str>) -> String {
    match value {
        // Neither holds a control character.
        Some(value) => format!("tag:{name}\u{1f}{value}"),
        None => format!("tag:{name}"),
    }
}

/// The term of a text that is an address, or looks like a domain.
fn whole(text: &str) -> Option<String> {
    let address = Address::parse(text).map(|address| address.key()).ok();
    address.or_else(|| domain(text).map(|domain| format!("@{domain}")))
}

/// Without what stands around a word.
fn unquoted(word: &str) -> &str {
    let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    word.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '@')
}

/// The words of a header field's names, and of what stands before an @; whole, since there are many of them.
fn names(people: &str) -> impl Iterator<Item = String> {
    let parts = people.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '"'));
    parts.flat_map(|part| words(part.split_once('@').map_or(part, |(local, _)| local))).map(cut)
}

/// As much of a word as counts.
fn cut(word: String) -> String {
    word.chars().take(WORD_MAX).collect()
}

/// `@example.com`, or a single word that looks like a domain; in its comparable form.
fn domain(text: &str) -> Option<String> {
    let bare = text.strip_prefix('@');
    let looks_like_one = bare.is_some() || text.rsplit_once('.').is_some_and(|(_, top)| top.chars().any(char::is_alphabetic));
    let address = Address::parse(&format!("x@{}", bare.unwrap_or(text))).ok().filter(|_| looks_like_one)?;
    Some(address.ascii_domain())
}

/// Letters and digits that stand together, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Id;

    fn is_found(message: &Message, text: &str) -> bool {
        let terms = of(message, ["bob.hidden@shop.example"].into_iter());
        asked(text).iter().all(|term| terms.contains(term))
    }

    #[test]
    fn a_message_is_found_by_people_and_by_what_its_subject_looks_like() {
        let mut message = Message::bare(Id([1; 16]), Id([2; 16]), Timestamp(0));
        "alice@example.com".clone_into(&mut message.from);
        "Alice Liddell <alice@example.com>".clone_into(&mut message.from_header);
        "\"O'Neil, J\u{f6}rg\" <joerg+x@b.test>, charles.the-unforgettable@b.test".clone_into(&mut message.to_header);
        "(Next.js 15) for help@acme.test: see ada.example, B\u{dc}CHER.example!".clone_into(&mut message.subject);
        for text in [
            "alice",
            "LIDDELL",
            "liddell next",
            "neil",
            "j\u{f6}rg",
            "joerg",
            "charles",
            "unforgettable",
            "hidden",
            "Next.js",
            "next",
            "help@acme.test",
            "ada.example",
            "b\u{fc}cher.example",
            "@shop.example",
        ] {
            assert!(is_found(&message, text), "{text}");
        }
        for text in ["alic", "liddell nobody", "next.json", "com", "shop", "helper@acme.test", "-"] {
            assert!(!is_found(&message, text), "{text}");
        }
    }

    #[test]
    fn a_text_is_an_address_a_domain_or_words() {
        for (text, terms) in [
            ("Ada@Example.COM", &["ada@example.com"][..]),
            (" example.com ", &["@example.com"]),
            ("@localhost", &["@localhost"]),
            ("b\u{fc}cher.example", &["@xn--bcher-kva.example"]),
            ("localhost", &["localhost"]),
            ("\u{c4}rger, 2.0!", &["0", "2", "\u{e4}rger"]),
            ("confirmation of", &["confirmati", "of"]),
            (" - ", &[OF_NOTHING]),
        ] {
            assert_eq!(asked(text), terms, "{text:?}");
        }
    }
}
