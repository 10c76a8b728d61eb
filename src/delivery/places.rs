//! Places: how many messages, and how many octets of them, the engine holds at once; and which.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::id::Id;
use crate::model::stream::Stream;

/// Octets of messages held at once, and as many again of those that last. One larger message is held alone.
const OCTETS_MAX: usize = 64 << 20;

/// The engine's places.
#[derive(Debug)]
pub struct Places {
    count_max: usize,
    state: Mutex<State>,
    /// Told when there is room again for a feeder that found none, and when the last place is given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By stream.
    used: [usize; 2],
    octets: usize,
    /// Those that have been under way for long, which leave their places to others.
    lasting: usize,
    lasting_octets: usize,
    held: HashMap<Id, usize>,
    /// Somebody waits for room.
    hungry: bool,
}

/// A message's place, given back when it is dropped: then the message is no longer held.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    message: Id,
    stream: Stream,
    octets: usize,
    /// Changed under the lock of all places.
    lasts: AtomicBool,
}

impl Places {
    /// `count_max` messages at once, and as many again that last.
    pub fn new(count_max: usize) -> Self {
        Self { count_max: count_max.max(8), state: Mutex::default(), freed: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Messages of `stream` that may be held: broadcast can't take the last quarter.
    fn share(&self, stream: Stream) -> usize {
        match stream {
            Stream::Transactional => self.count_max,
            Stream::Broadcast => self.count_max - self.count_max / 4,
        }
    }

    fn room(&self, state: &State, stream: Stream) -> usize {
        let all = self.count_max.saturating_sub(state.used.iter().sum());
        let of_stream = self.share(stream).saturating_sub(state.used[stream as usize]);
        all.min(of_stream)
    }

    /// A place for a message that is about to be written, if there is one. An eighth is left to what waits in the store.
    pub fn reserve(self: &Arc<Self>, message: Id, stream: Stream, octets: usize) -> Option<Place> {
        self.with(|state| {
            let fits = state.octets == 0 || state.octets + octets <= OCTETS_MAX;
            let room = self.room(state, stream) > self.count_max / 8;
            (fits && room).then(|| self.enter(state, message, stream, octets))
        })
    }

    /// Places free for messages read back from the store; none while the octets are spent. Finding none is remembered: see
    /// [`Places::freed`].
    pub fn claimable(&self, stream: Stream) -> usize {
        self.with(|state| {
            let room = if state.octets < OCTETS_MAX { self.room(state, stream) } else { 0 };
            state.hungry |= room == 0;
            room
        })
    }

    /// A place for a message that was claimed by leave of [`Places::claimable`].
    pub fn admit(self: &Arc<Self>, message: Id, stream: Stream, octets: usize) -> Place {
        self.with(|state| self.enter(state, message, stream, octets))
    }

    fn enter(self: &Arc<Self>, state: &mut State, message: Id, stream: Stream, octets: usize) -> Place {
        state.used[stream as usize] += 1;
        state.octets += octets;
        *state.held.entry(message).or_default() += 1;
        Place { places: self.clone(), message, stream, octets, lasts: AtomicBool::new(false) }
    }

    /// Whether the message has a place.
    pub fn holds(&self, message: Id) -> bool {
        self.with(|state| state.held.contains_key(&message))
    }

    /// Messages held.
    pub fn used(&self) -> usize {
        self.with(|state| state.all())
    }

    /// Completes when there is room again after [`Places::claimable`] found none, and when nothing is held any more.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn leave(&self, place: &Place) {
        let tell = self.with(|state| {
            match place.lasts.load(Ordering::Relaxed) {
                true => (state.lasting, state.lasting_octets) = (state.lasting - 1, state.lasting_octets - place.octets),
                false => state.give_back(place),
            }
            if let Some(count) = state.held.get_mut(&place.message) {
                *count -= 1;
                if *count == 0 {
                    state.held.remove(&place.message);
                }
            }
            state.is_roomy(self.count_max) || state.all() == 0
        });
        if tell {
            self.freed.notify_one();
        }
    }

    /// The message has been under way for long: its place is another's, unless too many last already.
    fn make_room(&self, place: &Place) {
        let tell = self.with(|state| {
            let fits = state.lasting < self.count_max && state.lasting_octets + place.octets <= OCTETS_MAX;
            if !fits || place.lasts.swap(true, Ordering::Relaxed) {
                return false;
            }
            state.give_back(place);
            (state.lasting, state.lasting_octets) = (state.lasting + 1, state.lasting_octets + place.octets);
            state.is_roomy(self.count_max)
        });
        if tell {
            self.freed.notify_one();
        }
    }
}

impl State {
    fn all(&self) -> usize {
        self.used.iter().sum::<usize>() + self.lasting
    }

    fn give_back(&mut self, place: &Place) {
        self.used[place.stream as usize] -= 1;
        self.octets -= place.octets;
    }

    /// Whether who waits for room is to be told of it. Not at the first free place: claims are worth their commit when several share it.
    fn is_roomy(&mut self, count_max: usize) -> bool {
        let roomy = self.hungry && self.used.iter().sum::<usize>() <= count_max / 2;
        self.hungry &= !roomy;
        roomy
    }
}

impl Place {
    /// Places that are free for messages of this stream.
    pub fn left_to(&self, stream: Stream) -> usize {
        self.places.with(|state| self.places.room(state, stream))
    }

    /// Whether fewer than an eighth of all places are left to messages of this stream.
    pub fn is_scarce(&self, stream: Stream) -> bool {
        self.left_to(stream) < self.places.count_max / 8
    }

    /// Awaits something that is done with the message. When that takes longer than `patience`, its place is left to another, as long as not
    /// too many last.
    pub async fn through<F: Future>(&self, patience: Duration, work: F) -> F::Output {
        let mut work = pin!(work);
        if let Ok(done) = timeout(patience, &mut work).await {
            return done;
        }
        self.places.make_room(self);
        work.await
    }

    /// The message counts as held for good, so that this process does not attempt it again; the place itself is given back.
    pub fn strand(&self) {
        self.places.with(|state| *state.held.entry(self.message).or_default() += 1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.clone().leave(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::Ids;

    #[test]
    fn broadcast_never_takes_the_last_quarter() {
        let (places, ids) = (Arc::new(Places::new(64)), Ids::counting(Clock::System));
        let mut taken = Vec::new();
        while let Some(place) = places.reserve(ids.next(), Stream::Broadcast, 1) {
            taken.push(place);
        }
        while places.claimable(Stream::Broadcast) > 0 {
            taken.push(places.admit(ids.next(), Stream::Broadcast, 1));
        }
        assert_eq!(taken.len(), 48);
        assert!(places.reserve(ids.next(), Stream::Transactional, 1).is_some());
        assert_eq!(places.claimable(Stream::Transactional), 16);
    }

    #[test]
    fn what_waits_in_the_store_keeps_an_eighth() {
        let (places, ids) = (Arc::new(Places::new(64)), Ids::counting(Clock::System));
        let taken: Vec<_> = std::iter::from_fn(|| places.reserve(ids.next(), Stream::Transactional, 1)).collect();
        assert_eq!((taken.len(), places.claimable(Stream::Transactional)), (56, 8));
    }

    #[test]
    fn octets_are_bounded_and_one_large_message_goes_alone() {
        let (places, ids) = (Arc::new(Places::new(64)), Ids::counting(Clock::System));
        let large = places.reserve(ids.next(), Stream::Transactional, 2 * OCTETS_MAX);
        assert!(large.is_some() && places.reserve(ids.next(), Stream::Transactional, 1).is_none());
        assert_eq!(places.claimable(Stream::Transactional), 0);
        drop(large);
        assert!(places.reserve(ids.next(), Stream::Transactional, 1).is_some());
    }

    #[test]
    fn a_message_is_held_until_its_last_place_is_given_back() {
        let (places, id) = (Arc::new(Places::new(64)), Ids::counting(Clock::System).next());
        let (one, two) = (places.admit(id, Stream::Broadcast, 1), places.admit(id, Stream::Broadcast, 1));
        drop(one);
        assert!(places.holds(id));
        drop(two);
        assert!(!places.holds(id) && places.used() == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_leaves_its_place_to_another_and_is_held_all_the_same() {
        let (places, ids, patience) = (Arc::new(Places::new(8)), Ids::counting(Clock::System), Duration::from_secs(15));
        let mut tasks = tokio::task::JoinSet::new();
        let fill = |tasks: &mut tokio::task::JoinSet<()>| {
            while places.claimable(Stream::Transactional) > 0 {
                let place = places.admit(ids.next(), Stream::Transactional, 1);
                tasks.spawn(async move { place.through(patience, std::future::pending()).await });
            }
        };
        for held in [8, 16, 16] {
            fill(&mut tasks);
            assert_eq!((places.used(), places.claimable(Stream::Transactional)), (held, 0));
            tokio::time::sleep(2 * patience).await;
        }
        tasks.shutdown().await;
        assert_eq!((places.used(), places.claimable(Stream::Transactional)), (0, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn octets_of_what_lasts_are_bounded_too() {
        let (places, ids) = (Arc::new(Places::new(8)), Ids::counting(Clock::System));
        let soon = || tokio::time::sleep(Duration::from_secs(1));
        let large: Vec<_> = (0..2).map(|_| places.admit(ids.next(), Stream::Transactional, OCTETS_MAX)).collect();
        for place in &large {
            place.through(Duration::ZERO, soon()).await;
        }
        assert_eq!(places.claimable(Stream::Transactional), 0, "one of them lasts, and the other fills the rest");
        drop(large);
        assert_eq!(places.claimable(Stream::Transactional), 8);
    }
}
