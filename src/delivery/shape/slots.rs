//! Which engine may use how many of a destination's connections, when several live.
//!
//! Each connection is a slot with one owner among the live epochs, found by rendezvous hashing: every engine computes the same
//! from the same list, and when one comes or goes only its own slots move. The list is read from the store at each renewal.

use std::time::Duration;

use crate::store::engines::START_WITHIN;
use crate::store::handover::Epoch;

/// How long after its epoch began a newcomer among others uses no slot.
///
/// An engine that has not read the list for this long starts no attempt ([`START_WITHIN`] counts from its last renewal): so every
/// other one has seen the newcomer by then, and lets its slots alone. More than two renewals.
pub const SETTLED_AFTER: Duration = START_WITHIN;

/// This engine's part of a destination's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub owned: u32,
    pub of: u32,
}

impl Share {
    /// All of it.
    pub fn whole(slots: u32) -> Self {
        Self { owned: slots, of: slots }
    }

    /// From 0 to 1.
    pub fn part(self) -> f64 {
        f64::from(self.owned) / f64::from(self.of.max(1))
    }
}

/// The share of the engine that lives under `own` since `age`, among all `live` epochs, which need no order.
///
/// An epoch is live until it is dead by the store's word: one that vanished keeps its slots until then.
pub fn share(own: Epoch, age: Duration, live: &[Epoch], destination: &str, slots: u32) -> Share {
    if live.iter().all(|epoch| *epoch == own) {
        return Share::whole(slots);
    }
    if age < SETTLED_AFTER {
        return Share { owned: 0, of: slots };
    }
    Share { owned: owned(own, live, destination, slots), of: slots }
}

/// How many of the slots belong to `own`. Over all live epochs these add up to all slots.
pub fn owned(own: Epoch, live: &[Epoch], destination: &str, slots: u32) -> u32 {
    let seed = hashed(destination.as_bytes());
    let mine = (0..slots).filter(|slot| owner(live, seed, *slot) == Some(own)).count();
    u32::try_from(mine).unwrap_or(slots)
}

/// The live epoch of the greatest weight.
fn owner(live: &[Epoch], seed: u64, slot: u32) -> Option<Epoch> {
    let place = mixed(seed ^ mixed(u64::from(slot)));
    live.iter().copied().max_by_key(|epoch| (mixed(place ^ mixed(epoch.cast_unsigned())), *epoch))
}

/// FNV-1a. Written out, since engines of different builds must agree.
pub(super) fn hashed(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finaliser of SplitMix64: every bit of the input turns half of the output.
pub(super) fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owners(live: &[Epoch], destination: &str, slots: u32) -> Vec<Epoch> {
        let seed = hashed(destination.as_bytes());
        (0..slots).map(|slot| owner(live, seed, slot).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn every_slot_has_one_owner_and_only_those_of_who_goes_move(
            live in proptest::collection::btree_set(1..10_000i64, 2..12), slots in 0..200u32, destination in "[a-z:.*]{1,20}", gone in 0..12usize,
        ) {
            let live: Vec<Epoch> = live.into_iter().collect();
            let sum: u32 = live.iter().map(|own| owned(*own, &live, &destination, slots)).sum();
            prop_assert_eq!(sum, slots);
            let mut turned = live.clone();
            turned.reverse();
            prop_assert_eq!(owners(&live, &destination, slots), owners(&turned, &destination, slots));
            let gone = live[gone % live.len()];
            let rest: Vec<Epoch> = live.iter().copied().filter(|epoch| *epoch != gone).collect();
            for (before, after) in owners(&live, &destination, slots).iter().zip(owners(&rest, &destination, slots)) {
                prop_assert!(*before == after || *before == gone);
            }
        }
    }

    #[test]
    fn slots_are_spread_over_engines_and_destinations() {
        let live = [1, 2, 3, 4];
        for own in live {
            let many = owned(own, &live, "mx:*.google.com", 4000);
            assert!((900..1100).contains(&many), "{own}: {many}");
            let single: u32 = (0..4000).map(|n| owned(own, &live, &format!("mx:{n}.example"), 1)).sum();
            assert!((900..1100).contains(&single), "{own}: {single}");
        }
    }

    #[test]
    fn a_newcomer_waits_until_all_have_seen_it_and_one_alone_does_not() {
        let young = SETTLED_AFTER - Duration::from_millis(1);
        assert_eq!(share(7, Duration::ZERO, &[7], "d", 5), Share::whole(5));
        assert_eq!(share(7, Duration::ZERO, &[], "d", 5), Share::whole(5));
        assert_eq!(share(7, young, &[6, 7], "d", 5).owned, 0);
        let both = share(7, SETTLED_AFTER, &[6, 7], "d", 5).owned + share(6, SETTLED_AFTER, &[6, 7], "d", 5).owned;
        assert_eq!(both, 5);
    }
}
