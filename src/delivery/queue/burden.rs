//! What one destination holds of the octets that all share.

use std::sync::{Arc, Weak};

use crate::delivery::places::Place;
use crate::model::stream::Stream;

/// The messages that came to a destination, for as long as they are held: those that wait, and those under way.
#[derive(Debug, Default)]
pub(super) struct Burden {
    places: Vec<Weak<Place>>,
    /// With so many, those that are held no more are left out.
    prune_at: usize,
}

impl Burden {
    /// One more; another part of a message that came before counts no more than that.
    pub fn add(&mut self, place: &Arc<Place>) {
        if self.places.last().is_some_and(|last| is(last, place)) {
            return;
        }
        if self.places.len() >= self.prune_at {
            self.places.retain(|place| place.strong_count() > 0);
            self.places.sort_unstable_by_key(Weak::as_ptr);
            self.places.dedup_by(|one, other| one.ptr_eq(other));
            self.prune_at = 2 * self.places.len() + 16;
        }
        self.places.push(Arc::downgrade(place));
    }

    /// Whether the message is here already.
    pub fn has(&self, place: &Arc<Place>) -> bool {
        self.places.iter().any(|known| is(known, place))
    }

    /// Octets of messages of this stream.
    pub fn octets(&self, stream: Stream) -> usize {
        let mut held: Vec<_> = self.places.iter().filter_map(Weak::upgrade).filter(|place| place.stream() == stream).collect();
        held.sort_unstable_by_key(Arc::as_ptr);
        held.dedup_by(|one, other| Arc::ptr_eq(one, other));
        held.iter().map(|place| place.octets()).sum()
    }
}

fn is(known: &Weak<Place>, place: &Arc<Place>) -> bool {
    std::ptr::eq(known.as_ptr(), Arc::as_ptr(place))
}
