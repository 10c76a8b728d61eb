//! Which stream a message travels on: the header; else the login's suffix; else the key's only stream; else it must be said.

use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Verdict};

/// Chooses the stream, and refuses one that the key may not use.
pub fn judge(draft: &Draft<'_>, _facts: &Facts<'_>) -> Verdict {
    let chosen = draft.controls.stream.or(draft.login_stream).or(draft.key.only_stream());
    let Some(stream) = chosen else {
        let text = "say which stream: header X-Krafter-Stream: transactional (or broadcast), or user name apikey+transactional";
        return Refusal::new(Code::StreamRequired, text).into();
    };
    if !draft.key.may_send_on(stream) {
        let text = format!("this key may not send on {stream}; use its own stream or another key");
        return Refusal::new(Code::StreamNotAllowed, text).into();
    }
    Verdict::Travel(stream)
}
