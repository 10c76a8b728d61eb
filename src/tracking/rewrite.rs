//! A message as one recipient gets it: its links lead by us, a picture tells that it is shown, and where the sender wants it, there is the
//! reader's own link to unsubscribe. The stored message stays as it was accepted.

use std::borrow::Cow;
use std::ops::Range;

use super::entity::escaped;
use super::html::{Link, Outline, outline, outline_of_text};
use super::links::Links;
use super::token::{Purpose, Token};
use crate::id::Id;
use crate::mime::parts::{self, Part, Reach};
use crate::mime::{leaf, replace};
use crate::model::message::Message;
use crate::model::unsubscribe::SCOPE;

/// Octets of bodies in one message that are read; what goes beyond stays as it is.
const READ_MAX: usize = 1 << 20;

/// The bodies of a message that are another in each copy: found once, however many recipients it has.
#[derive(Debug)]
pub struct Pages<'a> {
    message: &'a [u8],
    parts: Vec<Part>,
    pages: Vec<Page<'a>>,
}

#[derive(Debug)]
struct Page<'a> {
    /// Its place among the parts.
    part: usize,
    is_html: bool,
    text: Cow<'a, [u8]>,
    outline: Outline,
}

/// Whose copy it is, and what of it is its own.
#[derive(Clone, Copy, Debug)]
pub struct Tracked<'l> {
    pub links: &'l Links,
    pub message: Id,
    /// The recipient's place in the message.
    pub recipient: i64,
    pub opens: bool,
    pub clicks: bool,
    /// Whether its reader's own link stands where the sender wants it.
    pub own_link: bool,
}

impl<'l> Tracked<'l> {
    /// What this recipient's copy of `message` has of its own.
    pub fn of(message: &Message, recipient: i64, links: &'l Links) -> Self {
        let (opens, clicks, own_link) = (message.tracks_opens(), message.tracks_clicks(), message.stream == SCOPE);
        Self { links, message: message.id, recipient, opens, clicks, own_link }
    }

    /// Whether it may have anything.
    pub fn is_any(&self) -> bool {
        self.opens || self.clicks || self.own_link
    }

    fn link(&self, purpose: Purpose) -> String {
        self.links.link(&Token::new(purpose, self.message, self.recipient))
    }

    fn picture(&self) -> String {
        let link = escaped(&self.link(Purpose::Open));
        format!("<img src=\"{link}\" width=\"1\" height=\"1\" alt=\"\" style=\"border:0;margin:0;padding:0\">")
    }
}

impl<'a> Pages<'a> {
    /// The bodies of `message`, but for what is signed, encrypted, attached, or a message of its own.
    pub fn of(message: &'a [u8], reach: Reach) -> Self {
        let parts = parts::of(message, reach);
        let mut room = READ_MAX;
        let mut page = |(place, part): (usize, &Part)| {
            let is_read = part.is_body() && !part.must_stay();
            let text = is_read.then(|| leaf::decoded(message, part)).flatten().filter(|text| text.len() <= room)?;
            let (is_html, charset) = (part.kind == "text/html", part.charset.as_deref());
            let outline = if is_html { outline(&text, charset) } else { outline_of_text(&text, charset) };
            room -= if is_html || outline.is_some() { text.len() } else { 0 };
            Some(Page { part: place, is_html, text, outline: outline? })
        };
        let pages = parts.iter().enumerate().filter_map(&mut page).collect();
        Self { message, parts, pages }
    }

    /// Whether the message is another as this copy.
    pub fn differ(&self, copy: Tracked<'_>) -> bool {
        let differs = |page: &Page<'_>| {
            copy.opens && page.outline.picture.is_some()
                || copy.own_link && !page.outline.own_links.is_empty()
                || page.leads_on(copy).next().is_some()
        };
        self.pages.iter().any(differs)
    }

    /// The message as this copy. `None`: there is nothing to be changed.
    pub fn marked(&self, copy: Tracked<'_>) -> Option<Vec<u8>> {
        let mut picture = copy.opens;
        let mut changed = Vec::new();
        for page in &self.pages {
            // One picture a message: in the first page that has room for it.
            let with_picture = picture && page.outline.picture.is_some();
            if let Some(text) = page.marked(copy, with_picture) {
                picture &= !with_picture;
                changed.push((&self.parts[page.part], text));
            }
        }
        (!changed.is_empty()).then(|| replace::replaced(self.message, changed))
    }
}

impl Page<'_> {
    /// The links that are to lead by us.
    fn leads_on(&self, copy: Tracked<'_>) -> impl Iterator<Item = &Link> {
        self.outline.links.iter().filter(move |link| copy.clicks && !copy.links.made(&link.target))
    }

    fn marked(&self, copy: Tracked<'_>, with_picture: bool) -> Option<Vec<u8>> {
        let mut edits = self.edits(copy, with_picture);
        if edits.is_empty() {
            return None;
        }
        edits.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(self.text.len() + edits.iter().map(|(_, text)| text.len()).sum::<usize>());
        let mut done = 0;
        for (range, text) in edits {
            out.extend_from_slice(&self.text[done..range.start]);
            out.extend_from_slice(text.as_bytes());
            done = range.end;
        }
        out.extend_from_slice(&self.text[done..]);
        Some(out)
    }

    /// What goes in whose stead.
    fn edits(&self, copy: Tracked<'_>, with_picture: bool) -> Vec<(Range<usize>, String)> {
        let written = |link: String| if self.is_html { escaped(&link) } else { link };
        let mut edits: Vec<_> = self
            .leads_on(copy)
            .map(|link| (link.range.clone(), written(copy.link(Purpose::Click(link.target.clone())))))
            .collect();
        if copy.own_link {
            let own = |place: &Range<usize>| (place.clone(), written(copy.link(Purpose::Unsubscribe)));
            edits.extend(self.outline.own_links.iter().map(own));
        }
        if let Some(place) = self.outline.picture.filter(|_| with_picture) {
            edits.push((place..place, copy.picture()));
        }
        edits
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
