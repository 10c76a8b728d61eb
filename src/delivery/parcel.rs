//! A claim on its way: what goes to one destination, and where it goes when that one can't be had.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::routing::{RouteName, RuleTls};
use crate::delivery::fate::Fate;
use crate::delivery::places::Place;
use crate::delivery::route::direct::Service;
use crate::delivery::route::rules::Chain;
use crate::delivery::security::Demand;
use crate::model::hop::{Hop, Passed, Peer};
use crate::model::message::Recipient;
use crate::model::outcome::Reply;
use crate::model::stream::Stream;
use crate::store::claim::Lane;
use crate::store::handover::Claim;

/// A claim, or the part of one that goes one way, with its place.
#[derive(Debug)]
pub struct Parcel {
    pub claim: Claim,
    pub place: Arc<Place>,
    /// The ways it may go, from the one that is tried now.
    pub course: Course,
    /// Who takes it, when it goes directly.
    pub service: Option<Arc<Service>>,
    /// Its process died with it, perhaps of it: it goes single file.
    pub suspect: bool,
    /// Ways of its course that could not be used.
    pub passed: Vec<Passed>,
    /// Why the last of these could not be used that may be there again soon.
    pub away: Option<Reply>,
}

/// The ways of a parcel, in their order: what can't go by one goes by the next.
#[derive(Clone, Debug)]
pub struct Course {
    chain: Chain,
    step: usize,
}

impl Course {
    /// A course by the ways of this chain. There is at least one; none would be no reason to send mail anywhere.
    pub fn new(chain: Chain) -> Self {
        Self { chain, step: 0 }
    }

    /// What TLS has to be on a direct way.
    pub fn tls(&self) -> RuleTls {
        self.chain.tls
    }

    /// The way that is tried now.
    pub fn way(&self) -> &RouteName {
        self.chain.ways.get(self.step).unwrap_or(&RouteName::Capture)
    }

    /// The course from the next way on, when there is one.
    pub fn onwards(&self) -> Option<Self> {
        let step = self.step + 1;
        (step < self.chain.ways.len()).then(|| Self { chain: self.chain.clone(), step })
    }
}

impl Parcel {
    /// An attempt at it by the way that is tried now.
    pub fn hop(&self, peer: Option<Peer>, took: Duration) -> Hop {
        Hop { route: self.course.way().to_string(), peer, took, passed: self.passed.clone() }
    }

    /// The part of it that is for the recipients of `claim`, who are taken from its own, and goes to `service` when it goes directly.
    pub fn part(&self, claim: Claim, service: Option<Arc<Service>>) -> Self {
        let (place, course) = (self.place.clone(), self.course.clone());
        let (passed, away) = (self.passed.clone(), self.away.clone());
        Self { claim, place, course, service, suspect: self.suspect, passed, away }
    }

    /// The same in parts of at most so many recipients, of one domain each where it goes `by_domain`: each is attempted and settled by itself.
    pub fn split(mut self, most: usize, by_domain: bool) -> impl Iterator<Item = Self> {
        let mut parts: Vec<Vec<Recipient>> = Vec::new();
        let mut open: HashMap<Option<String>, usize> = HashMap::new();
        for recipient in std::mem::take(&mut self.claim.recipients) {
            let place = open.entry(by_domain.then(|| recipient.path.address.ascii_domain())).or_insert(usize::MAX);
            if parts.get(*place).is_none_or(|part| part.len() >= most) {
                *place = parts.len();
                parts.push(Vec::new());
            }
            parts[*place].push(recipient);
        }
        parts.into_iter().map(move |recipients| self.of(recipients))
    }

    /// The part of it that is for these of its recipients, to the same hosts.
    fn of(&self, recipients: Vec<Recipient>) -> Self {
        self.part(Claim { recipients, ..self.claim.clone() }, self.service.clone())
    }

    /// Takes out the recipients whom the next hop left over, with their fates, as a parcel of their own.
    pub fn take_left_over(&mut self, fates: &mut Vec<Fate>) -> Option<Self> {
        if !fates.contains(&Fate::LeftOver) {
            return None;
        }
        let told = std::mem::take(&mut self.claim.recipients).into_iter().zip(std::mem::take(fates));
        let (left_over, told): (Vec<_>, Vec<_>) = told.partition(|(_, fate)| *fate == Fate::LeftOver);
        let left_over = self.of(left_over.into_iter().map(|(recipient, _)| recipient).collect());
        (self.claim.recipients, *fates) = told.into_iter().unzip();
        Some(left_over)
    }

    /// The same on another course, since `hop` found that the way before can't be used: `why`.
    pub fn onto(self, course: Course, hop: Hop, why: String) -> Self {
        Self { course, service: None, passed: hop.given_up(why), ..self }
    }

    /// The stream of its message.
    pub fn stream(&self) -> Stream {
        self.claim.message.stream
    }

    /// What is asked of TLS by others than its recipients' domains.
    pub fn demand(&self) -> Demand {
        self.service.as_ref().map_or(Demand::Published, |service| service.demand)
    }

    /// The lane it waits in.
    pub fn lane(&self) -> Lane {
        let fresh = self.claim.recipients.iter().all(|recipient| recipient.attempts == 0);
        match (self.stream(), fresh) {
            (Stream::Transactional, true) => Lane::FreshTransactional,
            (Stream::Transactional, false) => Lane::RetriedTransactional,
            (Stream::Broadcast, true) => Lane::FreshBroadcast,
            (Stream::Broadcast, false) => Lane::RetriedBroadcast,
        }
    }
}

/// Whether all recipients of the claim are of the same domain.
pub fn is_of_one_domain(claim: &Claim) -> bool {
    let [first, others @ ..] = &claim.recipients[..] else { return true };
    let domain = |recipient: &Recipient| recipient.path.address.ascii_domain();
    others.is_empty() || others.iter().map(domain).all(|other| other == domain(first))
}
