//! What a key may send, counted while clients come and go.

use std::sync::Arc;

use posthouse::config::Config;
use posthouse::id::Id;
use posthouse::model::key::{KeyRights, Quota};
use posthouse::model::refusal::Code;
use posthouse::model::stream::Stream;
use posthouse::store::handover::{Claim, Epoch, Offer, Scheduler, Slot};
use tokio::sync::Notify;

use super::{House, PLAIN};
use crate::support::IN_TIME;
use crate::support::stores::on_every_engine;

/// Tells when a message is being written, and has no place for it.
#[derive(Default)]
struct Bell(Notify);

impl Scheduler for Bell {
    fn reserve(&self, _offer: Offer<'_>) -> Option<(Epoch, Slot)> {
        self.0.notify_one();
        None
    }
    fn hand_over(&self, _slot: Slot, _claim: Claim) {}
    fn wake(&self, _stream: Stream) {}
    fn holds(&self, _message: Id) -> bool {
        false
    }
}

#[test]
fn a_client_that_leaves_while_its_mail_is_written_has_used_up_its_quota() {
    on_every_engine(|book| async move {
        let one_a_day = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 1 });
        let house = House::new(&book, one_a_day).await;
        let bell = Arc::new(Bell::default());
        book.store.attach(bell.clone());
        tokio::select! {
            biased;
            () = bell.0.notified() => {}
            verdict = house.offer(&["r@c.test"], PLAIN) => panic!("it was not left alone: {verdict:?}"),
        }
        let written = async {
            while house.count().await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(IN_TIME, written).await.expect("it is written all the same");
        assert_eq!(house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<2@")).await, Err(Code::QuotaExceeded));
    });
}

#[test]
fn a_repeat_uses_up_nothing() {
    on_every_engine(|book| async move {
        let two_a_day = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 2 });
        let house = House::new(&book, two_a_day).await;
        let keyed = |text: &str| PLAIN.replace("From:", "X-Krafter-Idempotency-Key: k\nFrom:").replace("body", text);
        for _ in 0..3 {
            house.offer(&["r@c.test"], &keyed("the same")).await.unwrap();
            assert!(matches!(house.offer(&["r@c.test"], &keyed("another")).await, Err(Code::IdempotencyKeyReused)));
        }
        assert!(house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<2@")).await.is_ok());
        assert_eq!(house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<3@")).await, Err(Code::QuotaExceeded));
    });
}
