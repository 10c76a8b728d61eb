//! The control fields, `X-Krafter-*`: read, checked, obeyed, and removed from the message.

use std::borrow::Cow;
use std::str::FromStr;

use jiff::fmt::rfc2822;

use crate::clock::Timestamp;
use crate::mime::fields::{Field, Fields};
use crate::model::controls::Controls;
use crate::model::message::Source;
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

/// Octets of any other value; JSON is bounded by the header section alone.
const VALUE_MAX: usize = 998;

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

/// Refuses a control that this key may not use, a template that the team has not, and over HTTP a moment that is past.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    if draft.controls.ignore_unsubscribe && !draft.key.rights.may_ignore_unsubscribe {
        // Controls given apart are fields of a request.
        let name = if matches!(draft.controls, Cow::Owned(_)) { "X-Krafter-Ignore-Unsubscribe" } else { "ignore_unsubscribe" };
        let text = format!("{name} is not for this key; remove it, or use one made with may_ignore_unsubscribe");
        return Refusal::new(Code::ForbiddenHeader, text).into();
    }
    if let Some(template) = &draft.controls.template
        && facts.template.is_none()
    {
        let text = format!("there is no template {}; make it, or send the text itself", quoted(template));
        return Refusal::new(Code::TemplateNotFound, text).into();
    }
    if draft.source == Source::Rest && draft.controls.send_at.is_some_and(|moment| moment <= facts.now) {
        return Refusal::new(Code::ScheduledInPast, "must be in the future").into();
    }
    Verdict::Pass
}

/// Reads every control field. A control given twice must say the same twice; tags add up.
pub fn read(fields: &Fields<'_>) -> Result<Controls, Refusal> {
    let mut controls = Controls::default();
    let mut seen: Vec<(&str, String)> = Vec::new();
    for field in &fields.list {
        let Some(suffix) = suffix(field).filter(|_| is_known(field)) else { continue };
        let value = value(field, suffix)?;
        if suffix.eq_ignore_ascii_case("tag") {
            tag(&mut controls, field.name, &value)?;
            continue;
        }
        match seen.iter().find(|(name, _)| name.eq_ignore_ascii_case(suffix)) {
            Some((_, first)) if *first == value => continue,
            Some(_) => return Err(invalid_header(field.name, "stands twice with different values; send it once")),
            None => {}
        }
        set(&mut controls, field.name, &suffix.to_ascii_lowercase(), &value)?;
        seen.push((suffix, value));
    }
    settle_tracking(&mut controls, &seen);
    Ok(controls)
}

fn set(controls: &mut Controls, name: &str, suffix: &str, value: &str) -> Result<(), Refusal> {
    match suffix {
        "stream" => controls.stream = Some(stream(name, value)?),
        "track" => _ = yes_or_no(name, value)?,
        "track-opens" => controls.tracking.opens = Some(yes_or_no(name, value)?),
        "track-clicks" => controls.tracking.clicks = Some(yes_or_no(name, value)?),
        "template" => controls.template = Some(value.to_owned()),
        "variables" => controls.variables = Some(variables(value)?),
        "send-at" => controls.send_at = Some(moment(name, value)?),
        "idempotency-key" => {
            let refusal = |fault| Refusal::new(Code::InvalidIdempotencyKey, format!("{} {fault}", quoted(name)));
            controls.idempotency_key(value).map_err(refusal)?;
        }
        _ => controls.ignore_unsubscribe = yes_or_no(name, value)?,
    }
    Ok(())
}

/// `Track` sets both kinds where the kind's own field does not say otherwise.
fn settle_tracking(controls: &mut Controls, seen: &[(&str, String)]) {
    let Some((_, word)) = seen.iter().find(|(name, _)| name.eq_ignore_ascii_case("track")) else { return };
    let both = word.eq_ignore_ascii_case("yes");
    controls.tracking.opens.get_or_insert(both);
    controls.tracking.clicks.get_or_insert(both);
}

/// `name: value` or `name=value`, split at the first of the two; a bare word is the tag `tag`.
fn tag(controls: &mut Controls, field: &str, value: &str) -> Result<(), Refusal> {
    let (name, value) = value.split_once([':', '=']).map_or(("tag", value), |(name, value)| (name.trim(), value.trim()));
    if name.is_empty() || value.is_empty() {
        return Err(invalid_header(field, "must be a word, name: value, or name=value"));
    }
    controls.tag(name, value).map_err(|fault| invalid_header(field, &fault.to_string()))
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

fn variables(value: &str) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
    let refusal = |_| Refusal::new(Code::TemplateError, "X-Krafter-Variables is not a JSON object; write {\"name\": \"value\"}");
    serde_json::from_str(value).map_err(refusal)
}

/// RFC 3339, or the date-time of RFC 5322 section 3.3.
fn moment(name: &str, value: &str) -> Result<Timestamp, Refusal> {
    let rfc3339 = value.parse::<jiff::Timestamp>().ok();
    let moment = rfc3339.or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(value).ok());
    moment
        .map(|moment| Timestamp(moment.as_millisecond()))
        .ok_or_else(|| invalid_header(name, &format!("is {}; write a time such as 2026-11-21T12:00:00Z", quoted(value))))
}
