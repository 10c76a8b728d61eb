use super::*;
use crate::delivery::boottime::Boottime;
use crate::delivery::fixture;
use crate::delivery::places::Places;
use Stream::{Broadcast, Transactional};
use std::sync::Arc;

const EPOCH: i64 = 7;
const LARGEST: usize = 25 << 20;

/// A destination of five connections of which nothing is known.
fn destination() -> Queue {
    let limits = Limits {
        connections: 5,
        transactional_connections: 1,
        messages_per_connection: 9,
        rate: None,
        recipients_per_message: 9,
    };
    Queue::bounded(limits, Share::whole(5), Duration::from_secs(5))
}

/// Brings a message of so many octets. True: it has room.
fn has_room(queue: &Queue, places: &Arc<Places>, stream: Stream, octets: usize) -> bool {
    let parcel = fixture::parcel_of(Id([1; 16]), stream, 0, EPOCH);
    let place = Arc::new(places.admit(parcel.claim.message.id, stream, octets));
    !matches!(queue.push(Parcel { place, ..parcel }, Timestamp(0)), Pushed::NoRoom(..))
}

#[tokio::test(start_paused = true)]
async fn large_broadcasts_to_one_slow_destination_leave_octets_to_all_others() {
    let (queue, places) = (destination(), Arc::new(Places::new(512)));
    for _ in 0..1000 {
        if places.claimable(Broadcast) > 0 {
            has_room(&queue, &places, Broadcast, 300 << 10);
        }
    }
    assert!(places.claimable(Transactional) > 0, "{} are held", places.used());
    assert!(places.claimable(Broadcast) > 0, "{} are held", places.used());
    assert!(places.reserve(Id([9; 16]), Transactional, 10 << 20).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_largest_messages_at_slow_destinations_leave_octets_to_all_others() {
    let (queues, places) = ([destination(), destination(), destination()], Arc::new(Places::new(512)));
    let gate = Gate::new(Boottime::manual());
    gate.begin(EPOCH, gate.now());
    let mut in_hand = Vec::new();
    for queue in queues.iter().cycle().take(30) {
        if has_room(queue, &places, Transactional, LARGEST) {
            in_hand.push(queue.next(&gate).await.expect("a parcel"));
        }
        assert!(places.claimable(Transactional) > 0, "{} are under way", in_hand.len());
        assert!(places.reserve(Id([9; 16]), Transactional, 1 << 20).is_some(), "{} are under way", in_hand.len());
    }
    assert_eq!(in_hand.len(), 2);
    assert!(has_room(&queues[0], &places, Transactional, 5000), "what is small has room where these are, too");
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_all_that_is_held_at_once_has_room() {
    for stream in Stream::ALL {
        let (queue, places) = (destination(), Arc::new(Places::new(512)));
        assert!(has_room(&queue, &places, stream, 1 << 30), "{stream:?}");
        assert!(!has_room(&queue, &places, stream, 1 << 30), "but not beside another");
    }
}
