//! From a new email to intake, and from its receipt to what the client is shown.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::email::Email;
use super::letter::Letter;
use super::new_email::NewEmail;
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::id::Id;
use crate::intake::Intake;
use crate::model::envelope::ForwardPath;
use crate::model::key::ApiKey;
use crate::model::message::{Body, Source};
use crate::model::outcome::RecipientState;
use crate::model::submission::{Receipt, Submission, Transport};

/// What a client is told of a message that was accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    pub email: Email,
    /// It had been accepted before.
    pub replayed: bool,
}

/// The submission of a new email: checked, and composed. Its bytes hold the place of the request's body in the budget.
pub fn make(
    intake: &Intake,
    email: NewEmail,
    key: Arc<ApiKey>,
    once: Option<String>,
    room: &Arc<OwnedSemaphorePermit>,
) -> Result<Submission, Problem> {
    let letter = Letter::read(email, &key)?;
    intake.may_carry(&key, Source::Rest, &letter.envelope, letter.octets())?;
    let mime = Body::held(letter.compose()?, room.clone());
    let Letter { envelope, mut controls, .. } = letter;
    controls.idempotency_key = once;
    Ok(Submission {
        key,
        source: Source::Rest,
        envelope,
        mime,
        controls: Some(controls),
        login_stream: None,
        transport: Transport { protocol: "HTTP", tls: None },
        quirks: Vec::new(),
    })
}

/// Hands it in, and tells how it stood when it was accepted, now or before.
pub async fn hand_in(door: &Door, submission: Submission) -> Result<Sent, Problem> {
    let (team, paths) = (submission.key.team, submission.envelope.recipients.clone());
    let receipt = door.intake.accept(submission).await?;
    tell(door, team, receipt, &paths).await
}

/// The receipt, as the client is shown it. The record of a repeat is read back.
pub async fn tell(door: &Door, team: Id, receipt: Receipt, paths: &[ForwardPath]) -> Result<Sent, Problem> {
    let replayed = receipt.replay_of.is_some();
    if let Some(record) = &receipt.record {
        let is_out = |path: &ForwardPath| receipt.left_out.holds(path.address.as_str());
        let email = Email::accepted(record, paths.iter().map(|path| (&path.address, is_out(path))));
        return Ok(Sent { email, replayed });
    }
    let found = door.store.message(Some(team), receipt.id).await?.ok_or(Problem::NotFound)?;
    let recipients = found.recipients.iter().map(|one| (&one.path.address, one.state == RecipientState::Rejected));
    Ok(Sent { email: Email::accepted(&found.message, recipients), replayed })
}
