//! What is odd about a message that is accepted all the same.

use memchr::{memchr, memchr_iter};

use crate::mime::adapt::LINE_MAX;
use crate::mime::fields::{Field, Fields};
use crate::model::envelope::BodyType;
use crate::model::message::Source;
use crate::model::quirk::Quirk;
use crate::model::submission::Submission;

/// Every quirk of the submission: those that the door met, and those that its bytes show.
pub fn of(submission: &Submission, fields: &Fields<'_>) -> Vec<Quirk> {
    let message = &submission.mime[..];
    let undeclared = submission.source == Source::Smtp && submission.envelope.body == BodyType::SevenBit && !message.is_ascii();
    let missing = fields.separator.is_empty() && fields.separator.end < message.len();
    let shown = [
        (Quirk::LongLine, has_long_line(message)),
        (Quirk::UndeclaredEightBit, undeclared),
        (Quirk::MboxLine, !fields.envelope.is_empty()),
        (Quirk::NoEmptyLine, missing),
        (Quirk::BlankBeforeColon, fields.list.iter().any(|field| has_blank_before_colon(message, field))),
    ];
    let mut quirks = submission.quirks.clone();
    quirks.extend(shown.into_iter().filter(|(_, shows)| *shows).map(|(quirk, _)| quirk));
    quirks
}

fn has_long_line(message: &[u8]) -> bool {
    let mut from = 0;
    for end in memchr_iter(b'\n', message) {
        // The CR belongs to the line end.
        if end - from > LINE_MAX + 1 {
            return true;
        }
        from = end + 1;
    }
    message.len() - from > LINE_MAX
}

fn has_blank_before_colon(message: &[u8], field: &Field<'_>) -> bool {
    memchr(b':', &message[field.range.clone()]).is_some_and(|colon| colon > field.name.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::fields::Bounds;
    use crate::policy::testing::Case;

    fn seen(message: &str) -> Vec<Quirk> {
        let submission = Case::new().submission(message);
        of(&submission, &Fields::split(&submission.mime, Bounds::STORED))
    }

    #[test]
    fn what_is_odd_is_seen_and_what_is_not_is_not() {
        assert_eq!(seen("From: a@b.test\nSubject: x\n\nbody\n"), []);
        assert_eq!(seen("From: a@b.test\n"), []);
        assert_eq!(seen("From a Sat\nFrom: a@b.test\n\nbody\n"), [Quirk::MboxLine]);
        assert_eq!(seen("From: a@b.test\nSubject : x\n\nbody: x : y\n"), [Quirk::BlankBeforeColon]);
        assert_eq!(seen("From: a@b.test\nno field\n"), [Quirk::NoEmptyLine]);
        assert_eq!(seen("From: a@b.test\n\nGr\u{fc}\u{df}e\n"), [Quirk::UndeclaredEightBit]);
        assert_eq!(seen(&format!("From: a@b.test\n\n{}\n", "x".repeat(998))), []);
        assert_eq!(seen(&format!("From: a@b.test\n\n{}\n", "x".repeat(999))), [Quirk::LongLine]);
    }
}
