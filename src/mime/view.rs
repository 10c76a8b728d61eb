//! A message as a person looks at it.

use super::fields::{Bounds, Fields};
use super::parts::{self, Part, Reach};
use super::{leaf, text};

/// Octets of a text or an HTML body that are shown.
const SHOWN: usize = 2 << 20;

/// A message, decoded. No control characters but line ends and tabs; the HTML is the sender's own and must be kept in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Every field from the top: name and decoded value.
    pub headers: Vec<(String, String)>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
}

/// A part that is neither the text nor the HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The file name; empty when it has none.
    pub name: String,
    pub content_type: String,
    /// Octets, decoded.
    pub size: usize,
}

impl View {
    /// Reads a message of any kind, however broken.
    pub fn of(message: &[u8], reach: Reach) -> Self {
        let fields = Fields::split(message, Bounds::STORED);
        let headers = fields.list.iter().map(|field| (field.name.to_owned(), field.text())).collect();
        let parts = parts::of(message, reach);
        let leaves = Leaves::of(&parts);
        Self {
            headers,
            text: leaves.text.map(|part| shown(message, part)),
            html: leaves.html.map(|part| shown(message, part)),
            attachments: leaves.attached.iter().map(|part| Attachment::of(message, part)).collect(),
        }
    }

    /// The first field of this name, decoded; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

impl Attachment {
    fn of(message: &[u8], part: &Part) -> Self {
        Self {
            name: part.name.clone().unwrap_or_default(),
            content_type: text::printable(&part.kind),
            size: leaf::octets(message, part).len(),
        }
    }
}

/// The one at `place` of [`View::attachments`], with its octets decoded.
pub fn attachment(message: &[u8], place: usize, reach: Reach) -> Option<(Attachment, Vec<u8>)> {
    let parts = parts::of(message, reach);
    let part = Leaves::of(&parts).attached.into_iter().nth(place)?;
    Some((Attachment::of(message, part), leaf::octets(message, part).into_owned()))
}

/// The parts that are no multiparts, by what a reader does with them.
#[derive(Default)]
struct Leaves<'a> {
    text: Option<&'a Part>,
    html: Option<&'a Part>,
    attached: Vec<&'a Part>,
}

impl<'a> Leaves<'a> {
    fn of(parts: &'a [Part]) -> Self {
        let mut leaves = Self::default();
        for part in parts.iter().filter(|part| !part.multipart) {
            let body = match part.kind.as_str() {
                "text/plain" => Some(&mut leaves.text),
                "text/html" => Some(&mut leaves.html),
                _ => None,
            };
            match body {
                Some(body) if body.is_none() && part.is_body() => *body = Some(part),
                _ => leaves.attached.push(part),
            }
        }
        leaves
    }
}

fn shown(message: &[u8], part: &Part) -> String {
    let shown = text::clipped(text::lines(&leaf::text(message, part)), SHOWN);
    text::printable_lines(&shown)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
