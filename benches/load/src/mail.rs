//! The mails that are sent, and what the sink reads out of them.

use std::io::Write;

const FIELD: &[u8] = b"\r\nX-Ledger: ";
/// Links of a page.
const LINKS: usize = 20;

/// What a mail is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Plain,
    /// A page with links, which may be tracked.
    Html {
        tracked: bool,
    },
}

/// A mail of a given size whose body does not compress, with a place for its number.
pub struct Template {
    run: u64,
    domains: u64,
    digest: u64,
    /// The fields that tell of the content.
    fields: &'static str,
    body: Vec<u8>,
    stuffed: Vec<u8>,
    /// The body as the inside of a JSON string.
    escaped: Vec<u8>,
}

impl Template {
    /// `size` in octets, header included; the recipients' domains take turns.
    pub fn new(run: u64, size: usize, domains: u64, content: Content) -> Self {
        let mut body = b"Hello,\r\n.a line that begins with a dot\r\n".to_vec();
        let mut seed = run | 1;
        if content != Content::Plain {
            body.extend(b"<html><body>\r\n");
            for link in 0..LINKS {
                let _ = write!(
                    body,
                    "<p><a href=\"https://shop.example.test/offers/{link}?utm_source=mail&amp;utm_campaign=2026\">an offer</a></p>\r\n"
                );
            }
        }
        while body.len() < size.saturating_sub(380) {
            body.extend((0..76).map(|_| letter(&mut seed)));
            body.extend(b"\r\n");
        }
        let fields = match content {
            Content::Plain => "Content-Type: text/plain; charset=us-ascii",
            Content::Html { tracked: false } => "Content-Type: text/html; charset=us-ascii",
            Content::Html { tracked: true } => "Content-Type: text/html; charset=us-ascii\r\nX-Krafter-Track: yes",
        };
        let stuffed = String::from_utf8_lossy(&body).replace("\r\n.", "\r\n..").into_bytes();
        let escaped = String::from_utf8_lossy(&body).replace("\r\n", "\\r\\n").into_bytes();
        Self { run, domains, digest: digest(&unlinked(&body)), fields, body, stuffed, escaped }
    }

    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Whom mail of this number goes to.
    pub fn recipient(&self, number: u64) -> String {
        format!("rcpt{number}@dest{}.test", number % self.domains)
    }

    /// Appends the mail, dots doubled, and the dot that ends it.
    pub fn write(&self, out: &mut Vec<u8>, number: u64) {
        let (Self { run, digest, fields, .. }, recipient) = (self, self.recipient(number));
        let _ = write!(
            out,
            "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nFrom: Load <sender@example.test>\r\nTo: <{recipient}>\r\n\
             Subject: message {run:x}-{number} with an ordinary subject line\r\nMessage-ID: <{run:x}-{number}@example.test>\r\n\
             MIME-Version: 1.0\r\n{fields}\r\nX-Ledger: {run:x}-{number} {digest:016x}\r\n\r\n",
        );
        out.extend_from_slice(&self.stuffed);
        out.extend_from_slice(b".\r\n");
    }

    /// Appends the same mail as the HTTP door takes it.
    pub fn write_json(&self, out: &mut Vec<u8>, number: u64) {
        let (Self { run, digest, .. }, recipient) = (self, self.recipient(number));
        let _ = write!(
            out,
            r#"{{"from":"Load <sender@example.test>","to":["{recipient}"],"subject":"message {run:x}-{number} with an ordinary subject line","headers":{{"X-Ledger":"{run:x}-{number} {digest:016x}"}},"stream":"transactional","text":""#,
        );
        out.extend_from_slice(&self.escaped);
        out.extend_from_slice(br#""}"#);
    }
}

/// A mail's mark, and whether its body is the one that was sent; `None` where it carries no mark.
pub fn inspect(stuffed: &[u8]) -> Option<(Vec<u8>, bool)> {
    let head_end = position(stuffed, b"\r\n\r\n")?;
    let (head, body) = (&stuffed[..head_end], &stuffed[head_end + 4..]);
    let field = &head[position(head, FIELD)? + FIELD.len()..];
    let value = field.split(|&byte| byte == b'\r').next()?;
    let mut words = value.split(|&byte| byte == b' ');
    let (mark, claimed) = (words.next()?, words.next()?);
    let unstuffed = String::from_utf8_lossy(body).replace("\r\n..", "\r\n.");
    let whole = format!("{:016x}", digest(&unlinked(unstuffed.as_bytes()))).as_bytes() == claimed;
    Some((mark.to_vec(), whole))
}

/// Whether links of it lead by way of the server.
pub fn is_tracked(stuffed: &[u8]) -> bool {
    position(stuffed, b"/t/c/").is_some()
}

/// Without what tracking changes: where links lead, and pictures.
fn unlinked(body: &[u8]) -> Vec<u8> {
    without(&without(body, b"href=\"", b"\""), b"<img ", b">")
}

/// Without what begins and ends so.
fn without(mut text: &[u8], begin: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some(place) = position(text, begin) {
        out.extend_from_slice(&text[..place]);
        let rest = &text[place + begin.len()..];
        text = position(rest, end).map_or(&[], |place| &rest[place + end.len()..]);
    }
    out.extend_from_slice(text);
    out
}

fn position(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

fn letter(seed: &mut u64) -> u8 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(*seed >> 58) as usize]
}

/// Tells damage from none; not meant to withstand malice.
fn digest(bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| chunk.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
    bytes.chunks(8).fold(bytes.len() as u64, |sum, chunk| (sum ^ word(chunk)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_whole_and_damage_is_seen() {
        let template = Template::new(7, 4096, 4, Content::Plain);
        let mut mail = Vec::new();
        template.write(&mut mail, 42);
        let mail = mail.strip_suffix(b".\r\n").unwrap();
        assert!(mail.len().abs_diff(4096) < 100, "{}", mail.len());
        assert_eq!(inspect(mail), Some((b"7-42".to_vec(), true)));
        let mut damaged = mail.to_vec();
        damaged[3000] ^= 1;
        assert_eq!(inspect(&damaged), Some((b"7-42".to_vec(), false)));
    }

    #[test]
    fn a_page_whose_links_lead_elsewhere_is_whole() {
        let template = Template::new(7, 4096, 4, Content::Html { tracked: true });
        let mut mail = Vec::new();
        template.write(&mut mail, 42);
        let mail = String::from_utf8(mail.strip_suffix(b".\r\n").unwrap().to_vec()).unwrap();
        let tracked = mail.replace("https://shop.example.test/", "http://house.test/t/c/") + "<img src=\"x\">";
        assert_eq!((inspect(tracked.as_bytes()), is_tracked(tracked.as_bytes())), (Some((b"7-42".to_vec(), true)), true));
        let damaged = tracked.replacen("an offer", "no offer", 1);
        assert_eq!((inspect(damaged.as_bytes()), is_tracked(mail.as_bytes())), (Some((b"7-42".to_vec(), false)), false));
    }
}
