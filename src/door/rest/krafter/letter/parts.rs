//! What a letter says, and the files that come with it.

use crate::door::rest::checks;
use crate::door::rest::json::List;
use crate::door::rest::krafter::new_email::{ATTACHMENTS_MAX, Disposition, NewAttachment, NewEmail};
use crate::door::rest::problem::Details;
use crate::mime::compose::Attachment;

/// Without a template there must be something to read; and no text holds NUL, for which no message has a place (RFC 5322 section 2.2).
pub fn require(faults: &mut Details, email: &NewEmail) {
    let bodies = [("html", &email.html), ("text", &email.text)];
    if email.template_id.is_none() && bodies.iter().all(|(_, body)| body.as_ref().is_none_or(String::is_empty)) {
        faults.add("html", "can't be blank when text is blank, too");
    }
    for (path, body) in bodies {
        if body.as_ref().is_some_and(|body| body.contains('\0')) {
            faults.add(path, "must not hold U+0000");
        }
    }
}

/// Reads them in order.
pub fn attachments(faults: &mut Details, attachments: Option<List<NewAttachment, ATTACHMENTS_MAX>>) -> Vec<Attachment> {
    let attachments = attachments.map(|list| list.0).unwrap_or_default();
    attachments.into_iter().enumerate().map(|(place, attachment)| read(faults, place, attachment)).collect()
}

fn read(faults: &mut Details, place: usize, attachment: NewAttachment) -> Attachment {
    let NewAttachment { filename, content_type, content, content_id, disposition } = attachment;
    let path = |field: &str| format!("attachments[{place}].{field}");
    for (field, text) in
        [("filename", Some(&filename)), ("content_type", Some(&content_type)), ("content_id", content_id.as_ref())]
    {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            faults.add(path(field), checks::BLANK);
        }
        checks::is_line(faults, &path(field), text);
    }
    // Named to be shown within the text, unless it is said otherwise.
    let inline = disposition.map_or(content_id.is_some(), |disposition| disposition == Disposition::Inline);
    Attachment { filename: Some(filename), content_type, content: content.0, content_id, inline }
}
