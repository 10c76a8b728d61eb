//! Which stream a message travels on: the header; else the login's suffix; else the key's only stream; else it must be said.

use crate::model::message::Source;
use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;
use crate::policy::{Draft, Facts, Verdict};

/// The stream that is asked for, when one is.
pub fn chosen(draft: &Draft<'_>) -> Option<Stream> {
    draft.controls.stream.or(draft.login_stream).or(draft.key.only_stream())
}

/// Chooses the stream, and refuses one that the key may not use.
pub fn judge(draft: &Draft<'_>, _facts: &Facts<'_>) -> Verdict {
    let Some(stream) = chosen(draft) else {
        let text = match draft.source {
            Source::Smtp => {
                "say which stream: header X-Krafter-Stream: transactional (or broadcast), or user name apikey+transactional"
            }
            _ => "stream is required for this API key",
        };
        return Refusal::new(Code::StreamRequired, text).into();
    };
    if !draft.key.may_send_on(stream) {
        let text = match draft.source {
            Source::Smtp => format!("this key may not send on {stream}; use its own stream or another key"),
            _ => format!("API key is not allowed to send on stream '{stream}'"),
        };
        return Refusal::new(Code::StreamNotAllowed, text).into();
    }
    Verdict::Travel(stream)
}
