//! What a sender meant, as 32 octets: the same for a mail that was built again, with another Date, Message-ID, boundary or
//! encoding. One function for every door, so that one idempotency key works across them.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::fields::Fields;
use super::parts::{self, Part, Reach};
use super::{leaf, text};
use crate::clock::Timestamp;
use crate::model::envelope::Envelope;
use crate::model::message::{Tag, Tracking};
use crate::model::stream::Stream;

/// What a submission means besides its MIME bytes.
#[derive(Clone, Copy, Debug)]
pub struct Meaning<'a> {
    pub stream: Stream,
    pub envelope: &'a Envelope,
    pub tags: &'a [Tag],
    pub template: Option<&'a str>,
    pub variables: Option<&'a Map<String, Value>>,
    pub send_at: Option<Timestamp>,
    pub tracking: Tracking,
    pub ignore_unsubscribe: bool,
}

/// SHA-256 over everything meant, each piece with its length so that none runs into the next.
pub fn of(message: &[u8], fields: &Fields<'_>, meaning: &Meaning<'_>, reach: Reach) -> [u8; 32] {
    let mut print = Print(Sha256::new());
    print.text(meaning.stream.as_str());
    print.text(&reverse_path(meaning.envelope));
    print.list(&forward_paths(meaning.envelope));
    for name in ["From", "Reply-To", "Subject"] {
        print.text(&collapsed(&fields.text(name)));
    }
    for part in parts::of(message, reach).iter().filter(|part| !part.multipart) {
        print.leaf(message, part);
    }
    // Tags have no order.
    let mut tags: Vec<String> = meaning.tags.iter().map(|(name, value)| format!("{}:{name}={value}", name.len())).collect();
    tags.sort_unstable();
    print.list(&tags);
    print.text(meaning.template.unwrap_or_default());
    print.text(&meaning.variables.map(|map| Value::Object(map.clone()).to_string()).unwrap_or_default());
    print.text(&meaning.send_at.map(|at| at.0.to_string()).unwrap_or_default());
    print.wishes(meaning);
    print.0.finalize().into()
}

/// The reverse-path's comparable form; empty for the null one.
pub fn reverse_path(envelope: &Envelope) -> String {
    envelope.reverse_path.as_ref().map(|address| address.key()).unwrap_or_default()
}

/// The forward-paths' comparable forms, sorted.
pub fn forward_paths(envelope: &Envelope) -> Vec<String> {
    let mut paths: Vec<String> = envelope.recipients.iter().map(|path| path.address.key()).collect();
    paths.sort_unstable();
    paths
}

struct Print(Sha256);

impl Print {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list(&mut self, texts: &[String]) {
        self.0.update((texts.len() as u64).to_be_bytes());
        texts.iter().for_each(|text| self.text(text));
    }

    /// What came to be asked for later than all else, only where it is: mail that an earlier version accepted keeps its print.
    fn wishes(&mut self, meaning: &Meaning<'_>) {
        let Tracking { opens, clicks } = meaning.tracking;
        let insists = meaning.ignore_unsubscribe.then_some(true);
        for (name, asked) in [("track-opens", opens), ("track-clicks", clicks), ("ignore-unsubscribe", insists)] {
            if let Some(asked) = asked {
                self.text(name);
                self.text(if asked { "yes" } else { "no" });
            }
        }
    }

    /// The text and the HTML by what they say, anything else by name, type and digest.
    fn leaf(&mut self, message: &[u8], part: &Part) {
        self.text(&part.kind);
        if part.is_body() {
            self.text(&same_lines(leaf::text(message, part)));
        } else {
            self.text(part.name.as_deref().unwrap_or_default());
            self.bytes(&Sha256::digest(leaf::octets(message, part)));
        }
    }
}

/// Line ends made equal, blank lines at the end dropped.
fn same_lines(body: String) -> String {
    let mut lines = text::lines(&body);
    lines.truncate(lines.trim_end_matches(['\n', ' ', '\t']).len());
    lines
}

/// Blanks made equal: where a field was folded is no meaning.
fn collapsed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::fields::Bounds;
    use crate::model::address::Address;

    const PLAIN: &str = "From: A <a@b.test>\nDate: 1\nMessage-ID: <1@x>\nSubject: Gr\u{fc}\u{df}e aus\n Ulm\n\n\
                         Line \u{e4}\ntwo\n\n";
    const AGAIN: &str = "Message-ID: <2@x>\nDate: 2\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus Ulm\nMIME-Version: 1.0\n\
                         Content-Type: multipart/mixed; boundary=zz\nFrom: A\n\t<a@b.test>\n\n--zz\n\
                         Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n\
                         Line =E4\ntw=\no\n--zz--\n";

    fn print(message: &str, change: impl FnOnce(&mut Meaning<'_>)) -> [u8; 32] {
        print_of(message, ["y@c.test", "X@c.test"], [("b", "1"), ("a", "2")], change)
    }

    fn print_of(
        message: &str,
        recipients: [&str; 2],
        tags: [(&str, &str); 2],
        change: impl FnOnce(&mut Meaning<'_>),
    ) -> [u8; 32] {
        let message = message.replace('\n', "\r\n").into_bytes();
        let paths = recipients.map(|text| Address::parse(text).expect("an address").into());
        let envelope = Envelope { recipients: paths.to_vec(), ..Envelope::default() };
        let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut meaning = Meaning {
            stream: Stream::Transactional,
            envelope: &envelope,
            tags: &tags,
            template: None,
            variables: None,
            send_at: None,
            tracking: Tracking::default(),
            ignore_unsubscribe: false,
        };
        change(&mut meaning);
        of(&message, &Fields::split(&message, Bounds::STORED), &meaning, Reach::STANDARD)
    }

    #[test]
    fn a_mail_built_again_means_the_same() {
        assert_eq!(print(PLAIN, |_| ()), print(AGAIN, |_| ()));
    }

    #[test]
    fn what_was_accepted_by_an_earlier_version_is_known() {
        let print: String = print(PLAIN, |_| ()).iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(print, "ff63ac462903dad16375f0f163c7182f61175e12cb989e38bb592b0e492a5185");
    }

    #[test]
    fn order_of_recipients_and_tags_means_nothing() {
        let turned = print_of(PLAIN, ["x@c.test", "Y@C.test"], [("a", "2"), ("b", "1")], |_| ());
        assert_eq!(turned, print(PLAIN, |_| ()));
    }

    #[test]
    fn every_piece_of_meaning_counts() {
        let first = print(PLAIN, |_| ());
        for (what, with) in [("two", "three"), ("A <a@", "B <a@"), ("Ulm", "Bonn"), ("Date: 1", "Reply-To: c@d.test")] {
            assert_ne!(print(&PLAIN.replace(what, with), |_| ()), first, "{what}");
        }
        assert_ne!(print(PLAIN, |m| m.stream = Stream::Broadcast), first);
        assert_ne!(print(PLAIN, |m| m.send_at = Some(Timestamp(1))), first);
        assert_ne!(print(PLAIN, |m| m.tags = &[]), first);
        let insists = print(PLAIN, |m| m.ignore_unsubscribe = true);
        let tracked =
            [(Some(true), None), (Some(false), None), (None, Some(true)), (None, Some(false)), (Some(true), Some(true))]
                .map(|(opens, clicks)| print(PLAIN, |m| m.tracking = Tracking { opens, clicks }));
        let prints: std::collections::BTreeSet<_> = tracked.into_iter().chain([first, insists]).collect();
        assert_eq!(prints.len(), 7, "each asks for something else");
        let attached = |name: &str, octets: &str| {
            AGAIN.replace(
                "--zz--",
                &format!("--zz\nContent-Type: image/png; name={name}\nContent-Transfer-Encoding: base64\n\n{octets}\n--zz--"),
            )
        };
        let png = print(&attached("a.png", "AAAA"), |_| ());
        assert_ne!(png, first);
        assert_eq!(print(&attached("a.png", "AA\nAA"), |_| ()), png);
        assert_ne!(print(&attached("b.png", "AAAA"), |_| ()), png);
        assert_ne!(print(&attached("a.png", "AAAB"), |_| ()), png);
    }
}
