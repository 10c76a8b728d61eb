//! Room at a destination: how many parcels may wait there, when the others come back, and who makes way for whom.

use std::time::Duration;

use tokio::time::Instant;

use super::PutOff;
use super::state::State;
use crate::clock::Timestamp;
use crate::delivery::parcel::Parcel;
use crate::delivery::security::Demand;
use crate::delivery::shape::horizon::Horizon;
use crate::delivery::shape::manner::Manner;
use crate::delivery::shape::why::Why;
use crate::store::claim::Lane;

/// Parcels of a lane that may wait for each connection, however many others want the places; one while few of these are left.
const ROOM_PER_CONNECTION: usize = 4;
/// Seconds of its pace for which parcels of a lane may wait: what is beyond would only hold places.
const PACED_AHEAD: f64 = 10.0;
/// What leaves within so many seconds, as fast as the destination takes mail, waits here in any case: to put it off would take longer.
const SOON: f64 = 0.5;
/// While so many octets are left to others, nobody asks which destination holds the rest.
const LEFT_ENOUGH: usize = 32 << 20;
/// A message that has no more than this part of the octets that are left to others takes nothing from them.
const SMALL: usize = 64;
/// How long what belongs to another engine is left to that one.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// Why a parcel has no room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Obstacle {
    /// Nothing is tried until then.
    Suspended(Instant),
    /// Other engines own all the connections.
    Elsewhere,
    /// Enough wait already for so many a second.
    Pace(f64),
    /// Others want the places.
    Crowd,
}

/// Why the destination takes no mail of this demand at all now.
pub(super) fn closed(manner: &Manner, demand: Demand, now: Instant) -> Option<Obstacle> {
    match manner.connections() {
        0 => Some(Obstacle::Elsewhere),
        _ => manner.suspended_until(demand, now).map(Obstacle::Suspended),
    }
}

impl State {
    /// Why there is no room for the parcel, if there is none. A stream may fill twice what it leaves to others.
    pub fn obstacle(&self, parcel: &Parcel, now: Instant) -> Option<Obstacle> {
        let (stream, in_lane) = (parcel.stream(), self.lanes[parcel.lane() as usize].len());
        let paced = || self.manner.rate().filter(|rate| in_lane as f64 >= (rate * PACED_AHEAD).max(1.0)).map(Obstacle::Pace);
        let crowded = || {
            let each = if parcel.place.is_scarce(stream) { 1 } else { ROOM_PER_CONNECTION };
            let full = in_lane >= each * self.connections() && self.waiting_of(stream) >= 2 * parcel.place.left_to(stream);
            let lasts = |count: usize| self.manner.takes(now).is_none_or(|takes| count as f64 >= takes * SOON);
            let in_hand = self.runners.saturating_sub(self.idle);
            let crowd = (full && lasts(in_lane)) || (self.is_burdened(parcel) && lasts(in_lane + in_hand));
            crowd.then_some(Obstacle::Crowd)
        };
        closed(&self.manner, parcel.demand(), now).or_else(paced).or_else(crowded)
    }

    /// Whether the messages that are held here, this one among them, have more than twice the octets that they leave to others of its
    /// stream, and this one matters. One message has no more octets for being in several parts.
    fn is_burdened(&self, parcel: &Parcel) -> bool {
        let (place, left) = (&parcel.place, parcel.place.octets_left());
        let matters = left < LEFT_ENOUGH && place.octets() > left / SMALL;
        matters && !self.burden.has(place) && self.burden.octets(parcel.stream()) + place.octets() > 2 * left
    }

    /// Takes out the parcel that makes way for this one: where there is a crowd one that is retried for one that is fresh, down to one a
    /// connection; else the last of a team that has at least two more waiting in the lane than this one's. Where octets are scarce, none
    /// that has fewer.
    pub fn make_way(&mut self, parcel: &Parcel, obstacle: Obstacle) -> Option<Parcel> {
        if parcel.suspect || !matches!(obstacle, Obstacle::Pace(_) | Obstacle::Crowd) {
            return None;
        }
        let least = if self.is_burdened(parcel) { parcel.place.octets() } else { 0 };
        let is_worth_it = |other: &Parcel| other.place.octets() >= least;
        let connections = self.connections();
        if let Some(retried) = retried_beside(parcel.lane()).filter(|_| obstacle == Obstacle::Crowd)
            && self.lanes[retried as usize].len() > connections
        {
            return self.lanes[retried as usize].give_up(1, is_worth_it);
        }
        let lane = &mut self.lanes[parcel.lane() as usize];
        let own = lane.waiting_of(parcel.claim.message.team);
        lane.give_up(own + 2, is_worth_it)
    }

    /// When to bring again what has no room. `wall` is the time by the clock, for words.
    pub fn put_off(&mut self, parcel: &Parcel, obstacle: Obstacle, now: Instant, wall: Timestamp) -> PutOff {
        let (demand, lane) = (parcel.demand(), parcel.lane());
        let before = self.before(lane);
        let (measured, takes) = (self.manner.measured(now), self.manner.takes(now));
        let horizon = self.horizons.entry((demand, lane)).or_insert_with(|| Horizon::new(now));
        let mut turn = |per_second, opens| horizon.put_off(before, per_second, opens, now, rand::random());
        let wait = match obstacle {
            Obstacle::Elsewhere => ELSEWHERE,
            Obstacle::Suspended(until) => turn(Some(measured), until),
            Obstacle::Pace(per_second) => turn(Some(per_second), now),
            Obstacle::Crowd => turn(takes, now),
        };
        let why = match obstacle {
            Obstacle::Pace(per_second) => Some(self.manner.paced(per_second)),
            _ => self.manner.why(demand, parcel.stream(), u32::try_from(self.runners).unwrap_or(u32::MAX), now),
        };
        let suspended = match (&why, obstacle) {
            (Some(Why::Suspended { reply, .. }), Obstacle::Suspended(_)) => Some(reply.clone()),
            _ => None,
        };
        let why = why.map_or_else(|| format!("{before} messages before it"), |why| why.told(now, wall));
        PutOff { wait, why, suspended }
    }

    /// How many wait that go before what comes to this lane.
    fn before(&self, lane: Lane) -> usize {
        match retried_beside(lane) {
            Some(_) => self.lanes[lane as usize].len(),
            None => self.waiting_of(super::stream_of(lane)),
        }
    }
}

/// The lane of what is retried, beside one of what is fresh.
fn retried_beside(lane: Lane) -> Option<Lane> {
    match lane {
        Lane::FreshTransactional => Some(Lane::RetriedTransactional),
        Lane::FreshBroadcast => Some(Lane::RetriedBroadcast),
        Lane::RetriedTransactional | Lane::RetriedBroadcast => None,
    }
}
