//! A message as a program asks for it to be sent.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

use utoipa::ToSchema;

use crate::door::rest::json::{List, Object, Texts};
use crate::model::stream::Stream;

/// Recipients over `to`, `cc` and `bcc` together.
pub const RECIPIENTS_MAX: usize = 1000;
/// Attachments of one message.
pub const ATTACHMENTS_MAX: usize = 500;

/// The body of `POST /emails`, and an item of a batch. A field that is `null` counts as left out.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "from": "Ann <ann@example.com>",
    "to": ["bob@example.net"],
    "subject": "Your order",
    "text": "It is on its way.",
    "stream": "transactional",
    "tags": {"order": "1007"}
}))]
pub struct NewEmail {
    /// `local@domain` or `Name <local@domain>`, in a verified domain of the team.
    #[schema(value_type = String, required)]
    pub from: Option<String>,
    #[schema(value_type = Recipients, required)]
    pub to: Option<Recipients>,
    pub cc: Option<Recipients>,
    /// Named in the envelope alone.
    pub bcc: Option<Recipients>,
    pub reply_to: Option<String>,
    /// Required with a template, too, whose own goes before it.
    #[schema(value_type = String, required, min_length = 1, max_length = 998)]
    pub subject: Option<String>,
    pub html: Option<String>,
    pub text: Option<String>,
    /// At most 50; names of 64 characters, values of 256.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub tags: Option<Texts>,
    #[schema(value_type = Option<Vec<NewAttachment>>, max_items = 500)]
    pub attachments: Option<List<NewAttachment, ATTACHMENTS_MAX>>,
    /// May be left out where the key allows one only.
    pub stream: Option<StreamName>,
    /// Whether opens and clicks are tracked; the stream decides where it is left out.
    pub tracking_enabled: Option<bool>,
    /// Sent on broadcast to those who unsubscribed, too: for keys that may.
    pub ignore_unsubscribe: Option<bool>,
    /// More header fields.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Option<Texts>,
    /// RFC 3339, in the future.
    #[schema(format = DateTime)]
    pub scheduled_at: Option<String>,
    pub template_id: Option<String>,
    /// What the template is filled with.
    #[schema(value_type = Option<BTreeMap<String, serde_json::Value>>)]
    pub variables: Option<Object>,
    /// Of an item of a batch; a single message has it as the header `Idempotency-Key`.
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
}

impl NewEmail {
    /// Whether one of the fields is missing that every message must have.
    pub fn lacks_required(&self) -> bool {
        let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        blank(&self.from) || blank(&self.subject) || self.to.as_ref().is_none_or(|to| to.list.is_empty())
    }
}

/// The streams, by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    Transactional,
    Broadcast,
}

impl From<StreamName> for Stream {
    fn from(name: StreamName) -> Self {
        match name {
            StreamName::Transactional => Self::Transactional,
            StreamName::Broadcast => Self::Broadcast,
        }
    }
}

impl From<Stream> for StreamName {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Transactional => Self::Transactional,
            Stream::Broadcast => Self::Broadcast,
        }
    }
}

/// A file that comes with a message.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    pub filename: String,
    /// `type/subtype`.
    pub content_type: String,
    pub content: Content,
    /// The name under which the HTML shows it: `cid:NAME`.
    pub content_id: Option<String>,
    pub disposition: Option<Disposition>,
}

/// Whether an attachment is offered beside the text, or shown within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    Attachment,
    Inline,
}

/// One address or a list of them, each `local@domain` or `Name <local@domain>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// No more than can be taken.
    pub list: Vec<String>,
    /// How many there were.
    pub count: usize,
    /// It was one address alone, not a list.
    pub single: bool,
}

/// What base64 stands for (RFC 4648 section 4): padded, no line ends, no stray bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(pub Vec<u8>);

impl<'de> Deserialize<'de> for Recipients {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(RecipientsVisitor)
    }
}

struct RecipientsVisitor;

impl<'de> Visitor<'de> for RecipientsVisitor {
    type Value = Recipients;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Recipients, E> {
        Ok(Recipients { list: vec![text.to_owned()], count: 1, single: true })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Recipients, A::Error> {
        let mut recipients = Recipients::default();
        while recipients.list.len() < RECIPIENTS_MAX {
            let Some(text) = source.next_element()? else { break };
            recipients.list.push(text);
        }
        recipients.count = recipients.list.len();
        while source.next_element::<IgnoredAny>()?.is_some() {
            recipients.count += 1;
        }
        Ok(recipients)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_str(ContentVisitor)
    }
}

struct ContentVisitor;

impl Visitor<'_> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
        STANDARD.decode(text).map(Content).map_err(|fault| E::custom(format_args!("is not base64: {fault}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::rest::json;
    use crate::door::rest::problem::{Details, Problem};

    #[test]
    fn the_documented_fields_are_read() {
        let body = r#"{"from": "a@b.test", "to": "c@d.test", "cc": [], "bcc": ["e@f.test", "g@h.test"], "subject": "s", "html": null,
            "tags": {"k": "v"}, "attachments": [{"filename": "f", "content_type": "text/plain", "content": "aGk="}],
            "tracking_enabled": true, "headers": {"X-A": "1"}, "variables": {"n": "v"}, "stream": "broadcast"}"#;
        let email: NewEmail = json::read(body.as_bytes()).expect("an email");
        assert_eq!(email.to, Some(Recipients { list: vec!["c@d.test".to_owned()], count: 1, single: true }));
        assert_eq!((email.cc, email.bcc.map(|bcc| bcc.count)), (Some(Recipients::default()), Some(2)));
        assert_eq!(email.attachments.expect("a list").0[0].content, Content(b"hi".to_vec()));
        assert_eq!(email.html, None);
    }

    #[test]
    fn base64_is_strict_and_named_by_its_path() {
        for bad in ["aGk", "aGk==", "aGl=", "a Gk=", "aG\\nk=", "-_-_", "\u{e4}"] {
            let body = format!(r#"{{"attachments": [{{"filename": "f", "content_type": "text/plain", "content": "{bad}"}}]}}"#);
            match json::read::<NewEmail>(body.as_bytes()) {
                Err(Problem::Invalid(details)) => {
                    let shown = serde_json::to_string(&details).expect("details");
                    assert!(shown.starts_with(r#"{"attachments[0].content":["is not base64: "#), "{shown}");
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_there_is_too_much_of_is_counted_and_not_kept() {
        let many = vec!["\"a@b.test\""; RECIPIENTS_MAX + 5].join(",");
        let email: NewEmail = json::read(format!("{{\"to\": [{many}]}}").as_bytes()).expect("an email");
        assert_eq!(email.to.map(|to| (to.list.len(), to.count)), Some((RECIPIENTS_MAX, RECIPIENTS_MAX + 5)));
        let many = vec![r#"{"filename": "f", "content_type": "a/b", "content": ""}"#; ATTACHMENTS_MAX + 1].join(",");
        let refused = json::read::<NewEmail>(format!("{{\"attachments\": [{many}]}}").as_bytes());
        assert_eq!(refused, Err(Details::one("attachments", "holds more than 500").into()));
    }
}
