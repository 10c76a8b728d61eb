//! A judged submission, written up for the store: its bytes with our fields, its row, its recipients.

use std::sync::Arc;

use serde_json::Value;

use super::fill::{self, Filled};
use super::{Inner, quirks, trace};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::mime::edit::Edit;
use crate::mime::text::{clipped, decode, printable};
use crate::model::message::{Body, Message};
use crate::model::refusal::Refusal;
use crate::model::stream::Stream;
use crate::model::submission::{LeftOut, Submission};
use crate::model::unsubscribe::SCOPE;
use crate::policy::{Barrier, Draft, Facts, Ruling, reserved};
use crate::store::accept::{Acceptance, NewRecipient};

/// Octets of a header value that the row keeps; the bytes keep all of it. To and Cc are kept whole, as they tell whom a message names.
const VALUE_KEPT: usize = 2000;

impl Inner {
    /// What is to be committed, and the recipients that are left out.
    pub(super) fn write_up(
        &self,
        submission: &Submission,
        draft: &Draft<'_>,
        facts: &Facts<'_>,
        ruling: Ruling,
    ) -> Result<(Acceptance, LeftOut), Refusal> {
        let (id, now) = (self.ids.next(), facts.now);
        let message_id = match trace::said(&draft.fields, "Message-ID") {
            Some(field) => field.text(),
            None => trace::message_id(id, &draft.sender.address),
        };
        // First, since it may decode the whole message: the edited copy is not there yet.
        let idempotency = self.idempotency(submission, draft, ruling.stream);
        let edited = self.edited(submission, draft, ruling.stream, id, &message_id, now);
        let Filled { body, subject } = match &facts.template {
            Some(template) => {
                fill::filled(&submission.mime.replaced(edited), template, &draft.controls, ruling.stream, &self.limits)?
            }
            None => Filled { body: submission.mime.replaced(edited), subject: draft.fields.text("Subject") },
        };
        let template = facts.template.as_ref().map(|template| template.id);
        let kept = Kept { id, message_id, subject, template, body: &body, at: now };
        let message = row(submission, draft, &ruling, kept);
        let recipients = recipients(submission, &ruling);
        let left_out = left_out(submission, &ruling);
        let quirks = quirks::of(submission, &draft.fields);
        Ok((Acceptance { message: Arc::new(message), body, recipients, idempotency, quirks }, left_out))
    }

    /// The bytes with our fields on top and what must go gone; every other byte as it came.
    fn edited(
        &self,
        submission: &Submission,
        draft: &Draft<'_>,
        stream: Stream,
        id: Id,
        message_id: &str,
        now: Timestamp,
    ) -> Vec<u8> {
        let fields = &draft.fields;
        let mut top = trace::received(&self.hostname, &submission.transport, id, now);
        let mut remove = reserved::removed(fields);
        // Broadcast gets ours when it leaves, unless it keeps its own; a blank one, or half of one, is none.
        let keeps_own = draft.key.rights.own_unsubscribe && trace::said(fields, "List-Unsubscribe").is_some();
        if stream == SCOPE && self.has_links && !keeps_own {
            remove.extend(reserved::ways_out(fields));
        }
        if trace::said(fields, "Date").is_none() {
            top.push_str(&trace::date(now));
            remove.extend(trace::blank(fields, "Date"));
        }
        if trace::said(fields, "Message-ID").is_none() {
            top.push_str(&format!("Message-ID: {message_id}\r\n"));
            remove.extend(trace::blank(fields, "Message-ID"));
        }
        Edit { top: top.into_bytes(), remove, rewrite: draft.sender.rewrite.clone() }.apply(&submission.mime, fields)
    }
}

/// What its sender did not write, or not so.
struct Kept<'a> {
    id: Id,
    message_id: String,
    subject: String,
    template: Option<Id>,
    body: &'a Body,
    at: Timestamp,
}

fn row(submission: &Submission, draft: &Draft<'_>, ruling: &Ruling, kept: Kept<'_>) -> Message {
    let value = |name: &str| clipped(draft.fields.text(name), VALUE_KEPT);
    let (envelope, controls) = (draft.envelope, &draft.controls);
    let from_header = match &draft.sender.rewrite {
        Some((_, field)) => clipped(decode(field.strip_prefix(b"From:").unwrap_or(field)), VALUE_KEPT),
        None => value("From"),
    };
    Message {
        id: kept.id,
        team: draft.key.team,
        key: Some(draft.key.id),
        stream: ruling.stream,
        source: submission.source,
        sandbox: draft.key.is_sandbox(),
        reverse_path: envelope.reverse_path.as_ref().map(ToString::to_string),
        smtputf8: envelope.smtputf8,
        eight_bit: !kept.body.is_ascii(),
        ret: envelope.ret,
        envid: envelope.envid.as_deref().map(printable),
        from: draft.sender.address.key(),
        from_header,
        to_header: draft.fields.text("To"),
        cc_header: draft.fields.text("Cc"),
        reply_to: value("Reply-To"),
        subject: clipped(kept.subject, VALUE_KEPT),
        message_id: clipped(kept.message_id, VALUE_KEPT),
        tags: controls.tags.clone(),
        tracking: controls.tracking,
        template: kept.template,
        // Without a template nothing reads them.
        variables: kept.template.and(controls.variables.as_ref()).map(|map| Value::Object(map.clone()).to_string()),
        ignore_unsubscribe: controls.ignore_unsubscribe,
        send_at: controls.send_at.filter(|at| *at > kept.at),
        recipients: envelope.recipients.len(),
        size: kept.body.len() as u64,
        created_at: kept.at,
    }
}

fn recipients(submission: &Submission, ruling: &Ruling) -> Vec<NewRecipient> {
    let reason = |place: usize| ruling.without.iter().find(|(out, _)| *out == place).map(|(_, barrier)| barrier.to_string());
    let paths = submission.envelope.recipients.iter().enumerate();
    paths
        .map(|(place, path)| {
            let mut path = path.clone();
            // An xtext may have held any octet; the model's text holds none that is unseen.
            path.orcpt = path.orcpt.as_deref().map(printable);
            NewRecipient { path, rejected: reason(place) }
        })
        .collect()
}

fn left_out(submission: &Submission, ruling: &Ruling) -> LeftOut {
    let mut left_out = LeftOut::default();
    for (place, barrier) in &ruling.without {
        let list = match barrier {
            Barrier::Suppressed(_) => &mut left_out.suppressed,
            Barrier::Unsubscribed => &mut left_out.unsubscribed,
        };
        list.push(submission.envelope.recipients[*place].address.to_string());
    }
    left_out
}
