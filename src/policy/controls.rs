//! The control fields, `X-Krafter-*`: read, checked, obeyed, and removed from the message.

use std::str::FromStr;

use jiff::fmt::rfc2822;

use crate::clock::Timestamp;
use crate::mime::fields::{Field, Fields};
use crate::model::message::{Tag, Tracking};
use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;
use crate::policy::{Draft, Facts, Verdict, invalid_header, quoted};

/// The namespace; every field in it is ours.
const PREFIX: &str = "X-Krafter-";

/// The names in it that a sender may use, in lower case without the prefix.
const KNOWN: [&str; 10] = [
    "stream",
    "track",
    "track-opens",
    "track-clicks",
    "tag",
    "template",
    "variables",
    "send-at",
    "idempotency-key",
    "ignore-unsubscribe",
];

/// Octets; as over HTTP.
const KEY_MAX: usize = 255;
const TAGS_MAX: usize = 50;
const TAG_NAME_MAX: usize = 64;
const TAG_VALUE_MAX: usize = 256;
/// Octets of any other value; JSON is bounded by the header section alone.
const VALUE_MAX: usize = 998;

/// What the control fields ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    pub stream: Option<Stream>,
    pub tracking: Tracking,
    pub tags: Vec<Tag>,
    pub template: Option<String>,
    /// A JSON object.
    pub variables: Option<serde_json::Value>,
    /// As it was asked for; a moment already past means now.
    pub send_at: Option<Timestamp>,
    pub idempotency_key: Option<String>,
    pub ignore_unsubscribe: bool,
}

/// Whether a field is in our namespace.
pub fn is_reserved(field: &Field<'_>) -> bool {
    suffix(field).is_some()
}

/// Whether it is one of the controls.
pub fn is_known(field: &Field<'_>) -> bool {
    suffix(field).is_some_and(|suffix| KNOWN.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

fn suffix<'a>(field: &Field<'a>) -> Option<&'a str> {
    let (head, tail) = field.name.split_at_checked(PREFIX.len())?;
    head.eq_ignore_ascii_case(PREFIX).then_some(tail)
}

/// Refuses a control that this key may not use, and templates, of which there are none yet.
pub fn judge(draft: &Draft<'_>, _facts: &Facts<'_>) -> Verdict {
    if draft.controls.ignore_unsubscribe && !draft.key.rights.may_ignore_unsubscribe {
        let text = "X-Krafter-Ignore-Unsubscribe is not for this key; remove it, or use one made with --may-ignore-unsubscribe";
        return Refusal::new(Code::ForbiddenHeader, text).into();
    }
    if let Some(template) = &draft.controls.template {
        let text = format!("there is no template {}; send the text itself", quoted(template));
        return Refusal::new(Code::TemplateNotFound, text).into();
    }
    Verdict::Pass
}

impl Controls {
    /// Reads every control field. A control given twice must say the same twice; tags add up.
    pub fn read(fields: &Fields<'_>) -> Result<Self, Refusal> {
        let mut controls = Self::default();
        let mut seen: Vec<(&str, String)> = Vec::new();
        for field in &fields.list {
            let Some(suffix) = suffix(field).filter(|_| is_known(field)) else { continue };
            let value = value(field, suffix)?;
            if suffix.eq_ignore_ascii_case("tag") {
                controls.tag(field.name, &value)?;
                continue;
            }
            match seen.iter().find(|(name, _)| name.eq_ignore_ascii_case(suffix)) {
                Some((_, first)) if *first == value => continue,
                Some(_) => return Err(invalid_header(field.name, "stands twice with different values; send it once")),
                None => {}
            }
            controls.set(field.name, &suffix.to_ascii_lowercase(), &value)?;
            seen.push((suffix, value));
        }
        controls.settle_tracking(&seen);
        Ok(controls)
    }

    fn set(&mut self, name: &str, suffix: &str, value: &str) -> Result<(), Refusal> {
        match suffix {
            "stream" => self.stream = Some(stream(name, value)?),
            "track" => _ = yes_or_no(name, value)?,
            "track-opens" => self.tracking.opens = Some(yes_or_no(name, value)?),
            "track-clicks" => self.tracking.clicks = Some(yes_or_no(name, value)?),
            "template" => self.template = Some(value.to_owned()),
            "variables" => self.variables = Some(variables(value)?),
            "send-at" => self.send_at = Some(moment(name, value)?),
            "idempotency-key" => self.idempotency_key = Some(idempotency_key(value)?),
            _ => self.ignore_unsubscribe = yes_or_no(name, value)?,
        }
        Ok(())
    }

    /// `Track` sets both kinds where the kind's own field does not say otherwise.
    fn settle_tracking(&mut self, seen: &[(&str, String)]) {
        let Some((_, word)) = seen.iter().find(|(name, _)| name.eq_ignore_ascii_case("track")) else { return };
        let both = word.eq_ignore_ascii_case("yes");
        self.tracking.opens.get_or_insert(both);
        self.tracking.clicks.get_or_insert(both);
    }

    /// `name: value` or `name=value`, split at the first of the two; a bare word is the tag `tag`. A later equal name wins.
    fn tag(&mut self, field: &str, value: &str) -> Result<(), Refusal> {
        let (name, value) = value.split_once([':', '=']).map_or(("tag", value), |(name, value)| (name.trim(), value.trim()));
        if name.is_empty() || value.is_empty() {
            return Err(invalid_header(field, "must be a word, name: value, or name=value"));
        }
        if name.chars().count() > TAG_NAME_MAX || value.chars().count() > TAG_VALUE_MAX {
            let fault = format!("may hold a name of {TAG_NAME_MAX} and a value of {TAG_VALUE_MAX} characters; shorten it");
            return Err(invalid_header(field, &fault));
        }
        if let Some(tag) = self.tags.iter_mut().find(|(other, _)| other == name) {
            tag.1 = value.to_owned();
        } else if self.tags.len() == TAGS_MAX {
            return Err(invalid_header(field, &format!("stands more than {TAGS_MAX} times; send fewer tags")));
        } else {
            self.tags.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }
}

/// The decoded value (RFC 2047 too); never empty, and bounded.
fn value(field: &Field<'_>, suffix: &str) -> Result<String, Refusal> {
    let value = field.text();
    let is_json = suffix.eq_ignore_ascii_case("variables");
    if suffix.eq_ignore_ascii_case("idempotency-key") {
        return Ok(value);
    }
    if value.is_empty() {
        return Err(invalid_header(field.name, "is empty; give it a value or remove it"));
    }
    if !is_json && value.len() > VALUE_MAX {
        return Err(invalid_header(field.name, &format!("is over {VALUE_MAX} octets; shorten it")));
    }
    Ok(value)
}

fn stream(name: &str, value: &str) -> Result<Stream, Refusal> {
    Stream::from_str(value).map_err(|_| invalid_header(name, &format!("is {}; write transactional or broadcast", quoted(value))))
}

fn yes_or_no(name: &str, value: &str) -> Result<bool, Refusal> {
    if value.eq_ignore_ascii_case("yes") {
        return Ok(true);
    }
    if value.eq_ignore_ascii_case("no") {
        return Ok(false);
    }
    Err(invalid_header(name, &format!("is {}; write yes or no", quoted(value))))
}

fn variables(value: &str) -> Result<serde_json::Value, Refusal> {
    match serde_json::from_str(value) {
        Ok(object @ serde_json::Value::Object(_)) => Ok(object),
        _ => Err(Refusal::new(Code::TemplateError, "X-Krafter-Variables is not a JSON object; write {\"name\": \"value\"}")),
    }
}

/// RFC 3339, or the date-time of RFC 5322 section 3.3.
fn moment(name: &str, value: &str) -> Result<Timestamp, Refusal> {
    let rfc3339 = value.parse::<jiff::Timestamp>().ok();
    let moment = rfc3339.or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(value).ok());
    moment
        .map(|moment| Timestamp(moment.as_millisecond()))
        .ok_or_else(|| invalid_header(name, &format!("is {}; write a time such as 2026-11-21T12:00:00Z", quoted(value))))
}

fn idempotency_key(value: &str) -> Result<String, Refusal> {
    if value.is_empty() || value.len() > KEY_MAX {
        let text = format!("X-Krafter-Idempotency-Key has {} octets; it must have 1 to {KEY_MAX}", value.len());
        return Err(Refusal::new(Code::InvalidIdempotencyKey, text));
    }
    Ok(value.to_owned())
}
