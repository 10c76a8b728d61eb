//! A message made from its pieces: header fields in ASCII but for addresses that have no such form, a body of parts only as deep as
//! needed, no line over 998 octets. Date and Message-ID are left to intake.
//!
//! Doors refuse text that could end a line; here such characters become blanks, so that nobody can put in a field by them.

pub(super) mod body;
pub(super) mod fields;
mod mailbox;

pub use mailbox::{Mailbox, MailboxError};

/// A message to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    /// More fields. What is not ASCII in a value is encoded, and long values are folded.
    pub headers: Vec<(String, String)>,
}

/// A part that comes with the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub filename: Option<String>,
    /// `type/subtype`, with parameters if it has any.
    pub content_type: String,
    pub content: Vec<u8>,
    /// The name by which the HTML shows it (`cid:`), without angle brackets.
    pub content_id: Option<String>,
    /// Shown within the text rather than offered beside it.
    pub inline: bool,
}

/// Why a message can't be written, in words for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("{0:?} is not the name of a field: printable ASCII without a colon")]
    HeaderName(String),
    #[error("{0} may hold ASCII only")]
    HeaderAscii(String),
    #[error("{0} has a word that fits on no line of 998 octets")]
    HeaderLine(String),
    #[error("attachment {0} has no content type of the form type/subtype")]
    ContentType(usize),
    #[error(
        "attachment {0} has a content id that is not 1 to 250 characters of printable ASCII without blanks and angle brackets"
    )]
    ContentId(usize),
    #[error("attachment {0} has a file name of over 255 characters")]
    Filename(usize),
}

impl Draft {
    /// The message, every line ended by CRLF.
    pub fn compose(&self) -> Result<Vec<u8>, Flaw> {
        let mut out = Vec::with_capacity(self.room());
        fields::write(self, &mut out)?;
        let (mut related, mut attached) = (Vec::new(), Vec::new());
        for (place, attachment) in self.attachments.iter().enumerate() {
            let shown = attachment.inline && attachment.content_id.is_some();
            if shown { &mut related } else { &mut attached }.push(attachment.part(place)?);
        }
        body::whole(self.text.as_deref(), self.html.as_deref(), related, attached).write_part(&mut out);
        body::end_line(&mut out);
        Ok(out)
    }

    /// About as many octets as it will take: base64 adds a third, and line ends.
    fn room(&self) -> usize {
        let texts = self.text.as_ref().map_or(0, String::len) + self.html.as_ref().map_or(0, String::len);
        let octets: usize = self.attachments.iter().map(|attachment| attachment.content.len() + 512).sum();
        4096 + (texts + octets) / 100 * 138
    }
}

#[cfg(test)]
mod tests;
