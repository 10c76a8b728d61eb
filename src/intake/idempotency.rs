//! By what a repeat is known: a key that the client gave, or else its Message-ID with the very same bytes.

use sha2::{Digest as _, Sha256};

use super::commit::replay;
use super::{Inner, heavy, trace, unwell};
use crate::id::Id;
use crate::mime::fingerprint::{self, Meaning};
use crate::mime::parts::Reach;
use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;
use crate::model::submission::{Receipt, Replay, Submission};
use crate::policy::{self, Draft, Facts, Verdict};
use crate::store::accept::{Accepted, Idempotency};

impl Inner {
    /// The claim under which this submission is accepted once; none when nothing tells a repeat from a second message.
    pub(super) fn idempotency(&self, submission: &Submission, draft: &Draft<'_>, stream: Stream) -> Option<Idempotency> {
        if let Some(key) = &draft.controls.idempotency_key {
            return Some(explicit(key, submission, draft, stream, self.limits.reach));
        }
        let automatic = self.automatic_idempotency && draft.key.rights.auto_idempotency;
        let message_id = trace::said(&draft.fields, "Message-ID").filter(|_| automatic)?;
        Some(by_bytes(message_id.trimmed(), submission, stream))
    }

    /// What was accepted once is answered so again, whatever has changed since: suppressions, domains, allowances, templates. All else that
    /// was refused stays so.
    pub(super) async fn repeated(
        &self,
        submission: &Submission,
        draft: &Draft<'_>,
        facts: &Facts<'_>,
        refusal: Refusal,
    ) -> Result<Receipt, Refusal> {
        let Verdict::Travel(stream) = policy::stream::judge(draft, facts) else { return Err(refusal) };
        if !may_have_changed(refusal.code) {
            return Err(refusal);
        }
        let claim = heavy::run(submission.mime.len(), || self.idempotency(submission, draft, stream));
        let Some(claim) = claim else { return Err(refusal) };
        match self.store.idempotent_holder(&claim, facts.now).await.map_err(|fault| unwell(&fault))? {
            Some(Accepted::Replay { id, accepted_at }) => {
                let of = Replay { accepted_at, automatic: claim.automatic };
                Ok(replay(id, of, submission.envelope.recipients.len()))
            }
            _ => Err(refusal),
        }
    }
}

/// Whether the very same submission may have been accepted before.
fn may_have_changed(code: Code) -> bool {
    matches!(
        code,
        Code::RecipientSuppressed
            | Code::DomainNotVerified
            | Code::DomainDisabled
            | Code::RateLimited
            | Code::QuotaExceeded
            | Code::QueueFull
            | Code::TemplateNotFound
            | Code::TemplateError
            | Code::ScheduledInPast
    )
}

/// One namespace for every door: the team, sandbox or live, the key.
fn explicit(key: &str, submission: &Submission, draft: &Draft<'_>, stream: Stream, reach: Reach) -> Idempotency {
    let controls = &draft.controls;
    // An id means the same in each of its forms.
    let template = controls.template.as_deref().map(|id| id.parse::<Id>().map_or_else(|_| id.to_owned(), |id| id.to_string()));
    let meaning = Meaning {
        stream,
        envelope: draft.envelope,
        tags: &controls.tags,
        template: template.as_deref(),
        variables: controls.variables.as_ref(),
        send_at: controls.send_at,
        tracking: controls.tracking,
        ignore_unsubscribe: controls.ignore_unsubscribe,
    };
    let key = digest(&[b"key", &draft.key.team.0, sandbox_or_live(draft.key.is_sandbox()), key.as_bytes()]);
    let fingerprint = fingerprint::of(&submission.mime, &draft.fields, &meaning, reach);
    Idempotency { key, fingerprint, automatic: false }
}

/// A client that repeats its Message-ID, its envelope and every byte repeats itself.
fn by_bytes(message_id: &[u8], submission: &Submission, stream: Stream) -> Idempotency {
    let bytes: [u8; 32] = Sha256::digest(&submission.mime[..]).into();
    let forward_paths = fingerprint::forward_paths(&submission.envelope);
    let mut pieces: Vec<&[u8]> = vec![b"automatic", &submission.key.id.0, stream.as_str().as_bytes()];
    let reverse_path = fingerprint::reverse_path(&submission.envelope);
    pieces.extend([sandbox_or_live(submission.key.is_sandbox()), message_id, reverse_path.as_bytes(), &bytes]);
    pieces.extend(forward_paths.iter().map(String::as_bytes));
    let key = digest(&pieces);
    Idempotency { key, fingerprint: key, automatic: true }
}

fn sandbox_or_live(sandbox: bool) -> &'static [u8] {
    if sandbox { b"sandbox" } else { b"live" }
}

/// SHA-256 over pieces, each with its length.
fn digest(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update((piece.len() as u64).to_be_bytes());
        hash.update(piece);
    }
    hash.finalize().into()
}
