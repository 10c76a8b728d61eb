//! The manner of one destination: how it behaves, and what it is therefore sent now.
//!
//! Signs go in, permissions come out; the time and what is random are handed in. A 421 or 4.7.x halves connections and messages
//! per second, once for all that was under way; each few seconds of taken mail add a little. Where most mail meets other 4yz replies,
//! a quarter is taken off now and then, down to a quarter of what it was. A run of failures to get a session suspends it, each time twice
//! as long; one connection tries it afterwards, and from there it rises by the same small steps. Mail that demands more, or less, than the
//! destination publishes may find out of reach what other mail doesn't, and the other way round: it is suspended by itself, and slows
//! nothing else down.

use std::collections::HashMap;

use tokio::time::Instant;

use super::Limits;
use super::outage::{Outage, Suspension};
use super::reluctance::Reluctance;
use super::slots::Share;
use super::speed::{Ceiling, Speed};
use super::tempo::Tempo;
use super::why::Why;
use crate::delivery::security::Demand;
use crate::model::outcome::Reply;
use crate::model::stream::Stream;

/// What an attempt tells of the destination as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign<'a> {
    /// It took the message, or refused it for a reason of the message or the recipient: it works.
    Took,
    /// It took nobody, each for a passing reason of the recipient's or its own: mailboxes that are locked, trouble on its disks.
    Deferred(&'a Reply),
    /// It asks for less: [`asks_for_less`].
    SlowDown(&'a Reply),
    /// None of its hosts could be reached, or none spoke in time, or it broke off and took nothing.
    Unreachable(&'a Reply),
    /// It was reached, and wanted no session: refused in the greeting, at EHLO, or by closing at once.
    Refused(&'a Reply),
}

/// What something waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// When to ask again; `None`: when a connection has ended, or the share has changed.
    pub until: Option<Instant>,
    pub why: Why,
}

/// Whether a reply speaks of greylisting, which asks for the same again, later.
pub fn is_grey(reply: &Reply) -> bool {
    let text = reply.text.to_ascii_lowercase();
    ["greylist", "graylist", "grey list", "gray list"].iter().any(|word| text.contains(word))
}

/// Whether a reply asks for less mail rather than for another recipient or message. 421 closes the session (RFC 5321 section 3.8).
pub fn asks_for_less(reply: &Reply) -> bool {
    reply.code == 421 || speaks_of_limits(reply)
}

/// Whether a reply asks for less mail by its enhanced code, whatever it does to the session: 4.7.x is policy and with it every limit of rate
/// or reputation, 4.3.2 and 4.4.5 are a system that takes nothing now and congestion (RFC 3463 sections 3.4 and 3.5). Greylisting is none
/// of these.
pub fn speaks_of_limits(reply: &Reply) -> bool {
    let enhanced = reply.enhanced.as_deref().unwrap_or_default();
    (400..500).contains(&reply.code) && !is_grey(reply) && (enhanced.starts_with("4.7.") || matches!(enhanced, "4.3.2" | "4.4.5"))
}

/// One destination as this engine knows it.
#[derive(Clone, Debug)]
pub struct Manner {
    limits: Limits,
    share: Share,
    speed: Speed,
    /// Of what leaves its queue.
    tempo: Tempo,
    /// Of what is said to it: what left the queue at its pace may be held up together.
    departures: Tempo,
    /// Of mail of each demand.
    outages: HashMap<Demand, Outage>,
    reluctance: Reluctance,
}

impl Manner {
    /// A destination of which nothing is known but its limits, and this engine's share of them.
    pub fn new(limits: Limits, share: Share, now: Instant) -> Self {
        let (speed, reluctance) = (Speed::new(now), Reluctance::default());
        let (tempo, departures) = (Tempo::default(), Tempo::default());
        Self { limits, share, speed, tempo, departures, outages: HashMap::new(), reluctance }
    }

    /// What it is sent at most, by all engines together.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limits or this engine's share of them have changed.
    pub fn set(&mut self, limits: Limits, share: Share) {
        (self.limits, self.share) = (limits, share);
    }

    /// Takes note of what an attempt at mail of this demand that began at `began` (its connection, or its MAIL) told. `draw` is a random
    /// number from 0 to 1.
    pub fn heed(&mut self, demand: Demand, sign: Sign<'_>, began: Instant, now: Instant, draw: f64) {
        match sign {
            Sign::Took => {
                self.outages.remove(&demand);
                self.reluctance.took();
                self.speed.took(began, now, self.ceiling());
            }
            Sign::Deferred(reply) => {
                self.outages.remove(&demand);
                self.speed.deferred(now);
                if self.reluctance.deferred() {
                    self.speed.ease(reply, began, now, self.ceiling());
                }
            }
            Sign::SlowDown(reply) => {
                // One that asks for less than the least is left alone.
                if !self.speed.halve(reply, began, now, self.ceiling()) {
                    self.failed(demand, reply, began, now, draw);
                }
            }
            Sign::Unreachable(reply) => self.failed(demand, reply, began, now, draw),
            Sign::Refused(reply) => {
                if asks_for_less(reply) {
                    self.speed.halve(reply, began, now, self.ceiling());
                }
                self.failed(demand, reply, began, now, draw);
            }
        }
    }

    fn failed(&mut self, demand: Demand, reply: &Reply, began: Instant, now: Instant, draw: f64) {
        let suspended = self.outages.entry(demand).or_default().failed(reply, began, now, draw);
        if suspended && demand == Demand::Published {
            self.speed.collapse(reply, now);
        }
    }

    /// Connections this engine may have now; what is open beyond closes after its message.
    pub fn connections(&self) -> u32 {
        self.speed.connections(self.ceiling())
    }

    /// Messages per second this engine may send now; `None`: any number.
    pub fn rate(&self) -> Option<f64> {
        self.speed.rate(self.ceiling())
    }

    /// Messages per second of this engine that it answered in the last seconds.
    pub fn measured(&self, now: Instant) -> f64 {
        self.speed.meter().per_second(now)
    }

    /// The same, as many as it has shown to take just now. `None`: nothing was answered for long.
    pub fn takes(&self, now: Instant) -> Option<f64> {
        self.speed.meter().at_best(now)
    }

    /// Until when no mail of this demand is tried.
    pub fn suspended_until(&self, demand: Demand, now: Instant) -> Option<Instant> {
        self.suspension(demand, now).map(|suspension| suspension.until)
    }

    fn suspension(&self, demand: Demand, now: Instant) -> Option<&Suspension> {
        self.outages.get(&demand)?.suspension(now)
    }

    /// Whether there is nothing to remember: it is neither suspended nor, lately, slowed down, and another message may go at once.
    pub fn is_at_its_best(&self, now: Instant) -> bool {
        let rested = |tempo: &Tempo| self.rate().is_none_or(|rate| tempo.next(rate, now).is_none());
        let rested = rested(&self.tempo) && rested(&self.departures);
        rested && !self.is_suspended(now) && !self.speed.is_slowed(now)
    }

    /// Whether mail of any demand is suspended.
    pub fn is_suspended(&self, now: Instant) -> bool {
        self.outages.values().any(|outage| outage.suspension(now).is_some())
    }

    /// Whether one more connection may be opened for mail of this demand and stream, beside `open` ones (those being opened included).
    pub fn connect(&self, demand: Demand, stream: Stream, open: u32, now: Instant) -> Result<(), Wait> {
        if let Some(suspension) = self.suspension(demand, now) {
            let (until, reply) = (suspension.until, suspension.reply.clone());
            return Err(Wait { until: Some(until), why: Why::Suspended { until, reply } });
        }
        let limit = self.connections_for(stream);
        if open < limit {
            return Ok(());
        }
        let slowed = || self.speed.cause().cloned();
        let why = if self.share.owned == 0 { Why::Elsewhere } else { Why::Connections { limit, slowed: slowed() } };
        Err(Wait { until: None, why })
    }

    /// Connections that mail of this stream may use now: broadcast leaves some free, but never takes less than one of those there are.
    pub fn connections_for(&self, stream: Stream) -> u32 {
        let all = self.connections();
        match stream {
            Stream::Transactional => all,
            Stream::Broadcast => all.saturating_sub(self.limits.transactional_connections).max(all.min(1)),
        }
    }

    /// Whether a message may leave its queue now.
    pub fn may_send(&self, now: Instant) -> Result<(), Wait> {
        self.pace(now).map_or(Ok(()), Err)
    }

    /// A message leaves its queue now.
    pub fn sends(&mut self, now: Instant) {
        if let Some(rate) = self.rate() {
            self.tempo.step(rate, now);
        }
    }

    /// When MAIL may be said for a message that has left its queue: a moment that no other is given.
    pub fn departs(&mut self, now: Instant) -> Instant {
        match self.rate().filter(|_| self.share.owned > 0) {
            Some(rate) => self.departures.take(rate, now),
            None => now,
        }
    }

    /// What mail of this demand and stream waits for while `open` connections are busy; `None`: for nothing.
    pub fn why(&self, demand: Demand, stream: Stream, open: u32, now: Instant) -> Option<Why> {
        self.connect(demand, stream, open, now).err().or_else(|| self.pace(now)).map(|wait| wait.why)
    }

    fn pace(&self, now: Instant) -> Option<Wait> {
        if self.share.owned == 0 {
            return Some(Wait { until: None, why: Why::Elsewhere });
        }
        let per_second = self.rate()?;
        // Who has been held up on the way goes before what waits in the queue.
        let until = self.tempo.next(per_second, now).max(self.departures.taken_until(now))?;
        Some(Wait { until: Some(until), why: self.paced(per_second) })
    }

    /// That no more than so many a second may go.
    pub fn paced(&self, per_second: f64) -> Why {
        Why::Pace { per_second, slowed: self.speed.cause().cloned() }
    }

    fn ceiling(&self) -> Ceiling {
        Ceiling { connections: self.share.owned, rate: self.limits.rate.map(|rate| rate * self.share.part()) }
    }
}

#[cfg(test)]
#[path = "manner_tests.rs"]
mod tests;
