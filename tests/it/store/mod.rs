//! The book on both engines: shared commits, idempotency, claims, epochs, fencing.

mod acceptance;
mod big;
mod bodies;
mod budgets;
mod cancelling;
mod claims;
mod damage;
mod emails;
mod engagement;
mod epochs;
mod failover;
mod hand_over;
mod idempotency;
mod leases;
mod migrations;
mod records;
mod retention;
mod returns;
mod search;
mod status;
mod templates;
mod turns;
mod waits;

use posthouse::model::outcome::{Outcome, Reply};
use posthouse::store::Store;
use posthouse::store::accept::{Acceptance, Accepted, Idempotency};
use posthouse::store::claim::Lane;
use posthouse::store::handover::{Claim, Epoch};
use posthouse::store::settle::{Settled, Settlement};

fn keyed(mut acceptance: Acceptance, key: u8, fingerprint: u8, automatic: bool) -> Acceptance {
    acceptance.idempotency = Some(Idempotency { key: [key; 32], fingerprint: [fingerprint; 32], automatic });
    acceptance
}

/// The claim of a message that is new.
async fn claimed(store: &Store, epoch: Epoch, offered: Acceptance) -> Claim {
    assert_eq!(store.accept(offered).await, Ok(Accepted::New));
    store.claim(epoch, Lane::FreshTransactional, 10).await.expect("a claim").remove(0)
}

fn settlement(claim: &Claim, outcome: &Outcome) -> Settlement {
    let outcomes = claim.recipients.iter().map(|r| Settled { index: r.index, attempt: r.attempts, outcome: outcome.clone() });
    Settlement {
        epoch: claim.epoch,
        team: claim.message.team,
        message: claim.message.id,
        lone: claim.message.lone_day(),
        hop: None,
        outcomes: outcomes.collect(),
        notices: vec![],
    }
}

fn delivered() -> Outcome {
    Outcome::Delivered(Reply::new(250, Some("2.0.0".into()), "ok"))
}
