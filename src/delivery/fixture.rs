//! Values for this module's own tests.

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::config::routing::RouteName;
use crate::delivery::parcel::{Course, Parcel};
use crate::delivery::places::Places;
use crate::delivery::route::rules::Chain;
use crate::id::{Id, Ids};
use crate::model::address::Address;
use crate::model::message::{Body, Message, Recipient};
use crate::model::outcome::RecipientState;
use crate::model::stream::Stream;
use crate::store::handover::{Claim, Epoch};

/// A claim of a small message to one recipient.
pub fn claim(stream: Stream, attempts: i64, epoch: Epoch) -> Claim {
    let now = Timestamp(0);
    let recipient = Recipient {
        index: 0,
        path: Address::parse("you@example.com").expect("an address").into(),
        state: RecipientState::Queued,
        attempts,
        next_attempt_at: now,
        last_reply: String::new(),
        updated_at: now,
    };
    let message = Message { stream, ..message(now) };
    Claim { epoch, message: Arc::new(message), body: Body::free(&b"a: b\r\n"[..]), recipients: vec![recipient] }
}

/// A parcel with such a claim, of a message of `team`.
pub fn parcel_of(team: Id, stream: Stream, attempts: i64, epoch: Epoch) -> Parcel {
    let mut claim = claim(stream, attempts, epoch);
    claim.message = Arc::new(Message { team, ..(*claim.message).clone() });
    let place = Arc::new(Places::new(1000)).admit(claim.message.id, stream, 1);
    Parcel {
        claim,
        place: Arc::new(place),
        course: Course::new(Chain::of(RouteName::Relay(None))),
        service: None,
        suspect: false,
        passed: Vec::new(),
        away: None,
    }
}

/// A small message made at `created_at`.
pub fn message(created_at: Timestamp) -> Message {
    let ids = Ids::random(Clock::System);
    let from = "from@example.com".to_owned();
    Message {
        reverse_path: Some(from.clone()),
        from_header: from.clone(),
        from,
        subject: "a test".to_owned(),
        message_id: "<a@example.com>".to_owned(),
        ..Message::bare(ids.next(), ids.next(), created_at)
    }
}
