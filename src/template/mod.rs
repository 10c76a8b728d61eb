//! Texts with places for variables, `{{name}}`: what a team keeps once and sends many times. Pure: no store, no MIME.

mod piece;

use std::collections::HashSet;
use std::fmt::Write as _;

use piece::Piece;
use serde_json::{Map, Value};

/// What is kept. A name between double braces, blanks around it or not, stands for what a variable holds; a single pass fills it, so
/// that braces in a variable are text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template<'a> {
    pub subject: &'a str,
    pub html: Option<&'a str>,
    pub text: Option<&'a str>,
}

/// A template with its variables filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
}

/// Why a template can't be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("the filled template has over {0} octets")]
    TooLarge(usize),
    #[error("the filled subject has over {SUBJECT_MAX} octets")]
    Subject,
}

/// Octets of a subject: what one line of a message may hold (RFC 5322 section 2.1.1).
pub const SUBJECT_MAX: usize = 998;

/// Names of a template's variables.
pub const VARIABLES_MAX: usize = 1000;

impl<'a> Template<'a> {
    fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        [Some(self.subject), self.html, self.text].into_iter().flatten().flat_map(piece::of)
    }
}

/// The names of a template's variables, each once, in the order in which subject, HTML and text first name them; none when there are
/// over [`VARIABLES_MAX`].
pub fn variables(template: Template<'_>) -> Option<Vec<String>> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for piece in template.pieces() {
        let Piece::Variable(name) = piece else { continue };
        if !seen.insert(name) {
            continue;
        }
        if names.len() == VARIABLES_MAX {
            return None;
        }
        names.push(name.to_owned());
    }
    Some(names)
}

/// Fills a template in. In the HTML, values are escaped. A variable that is missing or null is empty; a value that is no string stands
/// as its JSON. `limit`: the octets that all of it may have.
pub fn render(template: Template<'_>, variables: &Map<String, Value>, limit: usize) -> Result<Rendered, RenderError> {
    let mut room = limit;
    let mut fill = |text: &str, escaped: bool| {
        let mut page = Page { text: String::new(), room, escaped };
        let written = piece::of(text).try_for_each(|piece| page.add(piece, variables));
        room = page.room;
        written.map(|()| page.text).map_err(|std::fmt::Error| RenderError::TooLarge(limit))
    };
    let subject = fill(template.subject, false)?;
    let html = template.html.map(|html| fill(html, true)).transpose()?;
    let text = template.text.map(|text| fill(text, false)).transpose()?;
    if subject.len() > SUBJECT_MAX { Err(RenderError::Subject) } else { Ok(Rendered { subject, html, text }) }
}

/// A text as it is filled in, within what room is left.
struct Page {
    text: String,
    room: usize,
    escaped: bool,
}

impl Page {
    fn add(&mut self, piece: Piece<'_>, variables: &Map<String, Value>) -> std::fmt::Result {
        match piece {
            Piece::Text(text) => self.write_str(text),
            Piece::Variable(name) => match variables.get(name) {
                None | Some(Value::Null) => Ok(()),
                Some(Value::String(value)) => self.value(value),
                Some(other) => self.value(&other.to_string()),
            },
        }
    }

    fn value(&mut self, value: &str) -> std::fmt::Result {
        if !self.escaped {
            return self.write_str(value);
        }
        value.chars().try_for_each(|c| match c {
            '&' => self.write_str("&amp;"),
            '<' => self.write_str("&lt;"),
            '>' => self.write_str("&gt;"),
            '"' => self.write_str("&quot;"),
            '\'' => self.write_str("&#39;"),
            c => self.write_char(c),
        })
    }
}

impl std::fmt::Write for Page {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.room = self.room.checked_sub(text.len()).ok_or(std::fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
