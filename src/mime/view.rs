//! A message as a person looks at it.

use super::fields::{Bounds, Fields};
use super::parts::{self, Part};
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
    pub fn of(message: &[u8]) -> Self {
        let fields = Fields::split(message, Bounds::STORED);
        let headers = fields.list.iter().map(|field| (field.name.to_owned(), field.text())).collect();
        let mut view = Self { headers, ..Self::default() };
        for part in parts::of(message).iter().filter(|part| !part.multipart) {
            view.add(message, part);
        }
        view
    }

    /// The first field of this name, decoded; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    fn add(&mut self, message: &[u8], part: &Part) {
        let body = match part.kind.as_str() {
            "text/plain" => &mut self.text,
            "text/html" => &mut self.html,
            _ => return self.attach(message, part),
        };
        if body.is_some() || part.attachment || part.name.is_some() {
            return self.attach(message, part);
        }
        let shown = text::clipped(leaf::text(message, part).replace("\r\n", "\n"), SHOWN);
        *body = Some(text::printable_lines(&shown));
    }

    fn attach(&mut self, message: &[u8], part: &Part) {
        self.attachments.push(Attachment {
            name: part.name.clone().unwrap_or_default(),
            content_type: text::printable(&part.kind),
            size: leaf::octets(message, part).len(),
        });
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
