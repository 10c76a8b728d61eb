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

/// Octets of transactional messages held at once; of broadcast three quarters as many; and as many again of those that last. Each stream has its
/// own: none of either waits for the other's.
const OCTETS_MAX: usize = 64 << 20;
/// A message counts as no more than this, so that the largest finds room beside others.
const COUNTED_MAX: usize = OCTETS_MAX / 2;
/// So many octets are to be free for each recipient that is claimed: few of those that go back, since they don't fit, are claimed in vain.
const OCTETS_EACH: usize = 64 << 10;

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
    /// By stream.
    octets: [usize; 2],
    /// Those that have been under way for long, which leave their places to others.
    lasting: usize,
    lasting_octets: usize,
    held: HashMap<Id, usize>,
    /// By stream: somebody waits for room.
    hungry: [bool; 2],
}

/// A message's place, given back when it is dropped: then the message is no longer held.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    message: Id,
    stream: Stream,
    /// At most [`COUNTED_MAX`].
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
            let fits = counted(octets) + OCTETS_MAX / 8 <= state.octets_left(stream);
            let room = self.room(state, stream) > self.count_max / 8;
            (fits && room).then(|| self.enter(state, message, stream, octets))
        })
    }

    /// Places free for messages read back from the store, as far as there are octets for them. Finding none is remembered: see
    /// [`Places::freed`].
    pub fn claimable(&self, stream: Stream) -> usize {
        self.with(|state| {
            let room = self.room(state, stream).min(state.octets_left(stream) / OCTETS_EACH);
            state.hungry[stream as usize] |= room == 0;
            room
        })
    }

    /// Octets free for messages of this stream.
    pub fn octets_left(&self, stream: Stream) -> usize {
        self.with(|state| state.octets_left(stream))
    }

    /// A place for a message that was claimed by leave of [`Places::claimable`].
    pub fn admit(self: &Arc<Self>, message: Id, stream: Stream, octets: usize) -> Place {
        self.with(|state| self.enter(state, message, stream, octets))
    }

    fn enter(self: &Arc<Self>, state: &mut State, message: Id, stream: Stream, octets: usize) -> Place {
        let octets = counted(octets);
        state.used[stream as usize] += 1;
        state.octets[stream as usize] += octets;
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
        self.octets[place.stream as usize] -= place.octets;
    }

    fn octets_left(&self, stream: Stream) -> usize {
        octets_of(stream).saturating_sub(self.octets[stream as usize])
    }

    /// Whether who waits for room is to be told of it. Not at the first free place: claims are worth their commit when several share it.
    fn is_roomy(&mut self, count_max: usize) -> bool {
        let few = self.used.iter().sum::<usize>() <= count_max / 2;
        let mut told = false;
        for stream in Stream::ALL {
            let roomy = self.hungry[stream as usize] && few && self.octets_left(stream) >= OCTETS_MAX / 8;
            self.hungry[stream as usize] &= !roomy;
            told |= roomy;
        }
        told
    }
}

/// Octets of messages of this stream that are held at once.
fn octets_of(stream: Stream) -> usize {
    match stream {
        Stream::Transactional => OCTETS_MAX,
        Stream::Broadcast => OCTETS_MAX - OCTETS_MAX / 4,
    }
}

/// As how many a message of so many octets counts.
fn counted(octets: usize) -> usize {
    octets.min(COUNTED_MAX)
}

impl Place {
    /// Places that are free for messages of this stream.
    pub fn left_to(&self, stream: Stream) -> usize {
        self.places.with(|state| self.places.room(state, stream))
    }

    /// The stream of its message.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Octets that it takes.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Octets that are free for other messages of its stream.
    pub fn octets_left(&self) -> usize {
        self.places.octets_left(self.stream)
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
    fn octets_are_bounded_and_the_largest_messages_find_room() {
        let (places, ids) = (Arc::new(Places::new(64)), Ids::counting(Clock::System));
        let one = places.reserve(ids.next(), Stream::Transactional, 9 * OCTETS_MAX);
        assert!(one.is_some() && places.reserve(ids.next(), Stream::Transactional, OCTETS_MAX / 2).is_none());
        let another = places.admit(ids.next(), Stream::Transactional, 9 * OCTETS_MAX);
        assert_eq!((places.octets_left(Stream::Transactional), places.claimable(Stream::Transactional)), (0, 0));
        drop((one, another));
        assert!(places.reserve(ids.next(), Stream::Transactional, 1).is_some());
    }

    #[test]
    fn octets_of_broadcast_leave_transactional_mail_all_of_its_own() {
        let (places, ids) = (Arc::new(Places::new(512)), Ids::counting(Clock::System));
        let mut large = Vec::new();
        while places.claimable(Stream::Broadcast) > 0 {
            large.push(places.admit(ids.next(), Stream::Broadcast, 10 << 20));
        }
        assert_eq!(large.len(), 5);
        assert!(places.reserve(ids.next(), Stream::Transactional, 1 << 20).is_some());
        assert_eq!(places.claimable(Stream::Transactional), 512 - 5);
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
        let large: Vec<_> = (0..4).map(|_| places.admit(ids.next(), Stream::Transactional, OCTETS_MAX)).collect();
        for place in &large {
            place.through(Duration::ZERO, soon()).await;
        }
        assert_eq!(places.claimable(Stream::Transactional), 0, "two of them last, and the others fill the rest");
        drop(large);
        assert_eq!(places.claimable(Stream::Transactional), 8);
    }
}
