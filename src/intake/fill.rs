//! A template applied: what the submission says is replaced by what the template says of its variables.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::mime::refill::{self, Said};
use crate::mime::text::printable;
use crate::model::controls::Controls;
use crate::model::message::Body;
use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;
use crate::model::template::StoredTemplate;
use crate::model::unsubscribe::{LINK_NAMES, SCOPE};
use crate::policy::Limits;
use crate::template::{self, Template};

/// A message as it will be kept.
#[derive(Debug)]
pub struct Filled {
    pub body: Body,
    /// As people read it.
    pub subject: String,
}

/// The message with the subject and the bodies of a template; what is attached to it and every other field stay.
pub fn filled(
    message: &Body,
    template: &StoredTemplate,
    controls: &Controls,
    stream: Stream,
    limits: &Limits,
) -> Result<Filled, Refusal> {
    let text = &template.text;
    let kept = Template { subject: &text.subject, html: text.html.as_deref(), text: text.text.as_deref() };
    let bound = usize::try_from(limits.message).unwrap_or(usize::MAX);
    let rendered = template::render(kept, &variables(controls, stream), bound)
        .map_err(|fault| refusal(template, &format!("{fault}; shorten it or its variables")))?;
    let said = Said { subject: &rendered.subject, text: rendered.text.as_deref(), html: rendered.html.as_deref() };
    let mime = refill::refilled(message, said, limits.reach)
        .map_err(|obstacle| refusal(template, &format!("{obstacle}; send it without a template")))?;
    if mime.len() > bound {
        return Err(refusal(template, &format!("the message made from it has over {bound} octets; shorten it or its variables")));
    }
    // A few octets of variables can make many of text: they count like any others.
    let body = message.grown(mime).ok_or_else(|| {
        Refusal::new(Code::QueueFull, "there is no memory for the message that the template makes; try again later")
    })?;
    Ok(Filled { body, subject: printable(&rendered.subject) })
}

/// Those that were given. The reader's own link is put in when the mail leaves: until then its names stand for themselves.
fn variables(controls: &Controls, stream: Stream) -> Cow<'_, Map<String, Value>> {
    let given = controls.variables.as_ref().map_or_else(|| Cow::Owned(Map::new()), Cow::Borrowed);
    if stream != SCOPE {
        return given;
    }
    let mut variables = given.into_owned();
    for name in LINK_NAMES {
        variables.entry(name).or_insert_with(|| Value::String(format!("{{{{{name}}}}}")));
    }
    Cow::Owned(variables)
}

fn refusal(template: &StoredTemplate, fault: &str) -> Refusal {
    Refusal::new(Code::TemplateError, format!("template {}: {fault}", template.id))
}
