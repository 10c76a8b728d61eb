//! From the committer to the engine, in this process and in others.

use std::sync::{Arc, Mutex};

use posthouse::clock::Timestamp;
use posthouse::id::Id;
use posthouse::model::stream::Stream;
use posthouse::store::claim::Lane;
use posthouse::store::handover::{Claim, Epoch, Offer, Scheduler, Slot};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{delivered, settlement};

/// A scheduler that gives places and notes what it is handed.
#[derive(Default)]
pub(super) struct Places {
    epoch: Epoch,
    free: Mutex<usize>,
    handed: Mutex<Vec<Claim>>,
    woken: Mutex<Vec<Stream>>,
}

impl Places {
    /// So many places under an epoch.
    pub fn of(epoch: Epoch, free: usize) -> Self {
        Self { epoch, free: Mutex::new(free), ..Self::default() }
    }
}

impl Scheduler for Places {
    fn reserve(&self, _offer: Offer<'_>) -> Option<(Epoch, Slot)> {
        let mut free = self.free.lock().unwrap();
        *free = free.checked_sub(1)?;
        Some((self.epoch, Box::new(())))
    }
    fn hand_over(&self, _slot: Slot, claim: Claim) {
        self.handed.lock().unwrap().push(claim);
    }
    fn wake(&self, stream: Stream) {
        self.woken.lock().unwrap().push(stream);
    }
    fn holds(&self, message: Id) -> bool {
        self.handed.lock().unwrap().iter().any(|c| c.message.id == message)
    }
}

#[test]
fn with_a_place_the_message_is_handed_over_without_a_read() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let places = Arc::new(Places::of(epoch, 1));
        book.store.attach(places.clone());
        let mut later = acceptance(team, &["b@example.test"]);
        Arc::make_mut(&mut later.message).send_at = Some(Timestamp(book.clock.now().0 + 60_000));
        book.store.accept(later).await.unwrap();
        book.store.accept(acceptance(team, &["b@example.test", "c@example.test"])).await.unwrap();
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let claim = {
            let handed = places.handed.lock().unwrap();
            assert_eq!(handed.len(), 1, "one place, and a message for later takes none");
            handed[0].clone()
        };
        assert_eq!(claim.recipients.len(), 2);
        assert!(places.woken.lock().unwrap().contains(&Stream::Transactional));
        let ready = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        assert_eq!(ready.len(), 1, "the one without a place was inserted ready; the later one is not due");
        assert_eq!(book.store.settle(settlement(&claim, &delivered())).await, Ok(0));
        // The engine has forgotten what it claimed: two sweeps give it back.
        assert_eq!(book.store.sweep(epoch).await, Ok(0));
        assert_eq!(book.store.sweep(epoch).await, Ok(1));
        assert_eq!(book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().len(), 1);
    });
}
