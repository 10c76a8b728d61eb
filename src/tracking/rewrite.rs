//! A message as one recipient gets it: its links lead by us, and a picture tells that it is shown. The stored message stays as it was
//! accepted.

use std::borrow::Cow;

use super::entity::escaped;
use super::html::{Link, Outline, outline};
use super::links::Links;
use super::token::{Purpose, Token};
use crate::id::Id;
use crate::mime::parts::{self, Part, Reach};
use crate::mime::{leaf, replace};
use crate::model::message::Message;

/// Octets of HTML in one message that are read; what goes beyond stays as it is.
const HTML_MAX: usize = 1 << 20;

/// The pages of a message that can be tracked: found once, however many recipients it has.
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
    html: Cow<'a, [u8]>,
    outline: Outline,
}

/// What is tracked of whose copy.
#[derive(Clone, Copy, Debug)]
pub struct Tracked<'l> {
    pub links: &'l Links,
    pub message: Id,
    /// The recipient's place in the message.
    pub recipient: i64,
    pub opens: bool,
    pub clicks: bool,
}

impl<'l> Tracked<'l> {
    /// What is to be tracked of this recipient's copy of `message`.
    pub fn of(message: &Message, recipient: i64, links: &'l Links) -> Self {
        Self { links, message: message.id, recipient, opens: message.tracks_opens(), clicks: message.tracks_clicks() }
    }

    fn link(&self, purpose: Purpose) -> String {
        escaped(&self.links.link(&Token::new(purpose, self.message, self.recipient)))
    }

    fn picture(&self) -> String {
        let link = self.link(Purpose::Open);
        format!("<img src=\"{link}\" width=\"1\" height=\"1\" alt=\"\" style=\"border:0;margin:0;padding:0\">")
    }
}

impl<'a> Pages<'a> {
    /// The HTML bodies of `message`, but for what is signed, encrypted, attached, or a message of its own.
    pub fn of(message: &'a [u8], reach: Reach) -> Self {
        let parts = parts::of(message, reach);
        let mut room = HTML_MAX;
        let mut page = |(place, part): (usize, &Part)| {
            let is_page = part.kind == "text/html" && part.is_body() && !part.must_stay();
            let html = is_page.then(|| leaf::decoded(message, part)).flatten().filter(|html| html.len() <= room)?;
            room -= html.len();
            let outline = outline(&html, part.charset.as_deref())?;
            Some(Page { part: place, html, outline })
        };
        let pages = parts.iter().enumerate().filter_map(&mut page).collect();
        Self { message, parts, pages }
    }

    /// Whether the message is another as this copy.
    pub fn differ(&self, copy: Tracked<'_>) -> bool {
        self.pages.iter().any(|page| copy.opens && page.outline.picture.is_some() || page.leads_on(copy).next().is_some())
    }

    /// The message as this copy. `None`: there is nothing to be changed.
    pub fn marked(&self, copy: Tracked<'_>) -> Option<Vec<u8>> {
        let mut picture = copy.opens;
        let mut changed = Vec::new();
        for page in &self.pages {
            // One picture a message: in the first page that has room for it.
            let with_picture = picture && page.outline.picture.is_some();
            if let Some(html) = page.marked(copy, with_picture) {
                picture &= !with_picture;
                changed.push((&self.parts[page.part], html));
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
        let mut edits: Vec<_> =
            self.leads_on(copy).map(|link| (link.range.clone(), copy.link(Purpose::Click(link.target.clone())))).collect();
        if let Some(place) = self.outline.picture.filter(|_| with_picture) {
            edits.push((place..place, copy.picture()));
        }
        if edits.is_empty() {
            return None;
        }
        edits.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(self.html.len() + edits.iter().map(|(_, text)| text.len()).sum::<usize>());
        let mut done = 0;
        for (range, text) in edits {
            out.extend_from_slice(&self.html[done..range.start]);
            out.extend_from_slice(text.as_bytes());
            done = range.end;
        }
        out.extend_from_slice(&self.html[done..]);
        Some(out)
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
