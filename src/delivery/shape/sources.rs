//! The address a connection is made from.

use std::net::IpAddr;

use super::slots::{hashed, mixed};
use super::warmup::{Budgets, Warming};
use crate::clock::Timestamp;
use crate::config::warmup::{Day, Source};
use crate::model::stream::Stream;

/// What to connect from.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice<'a> {
    /// The system chooses: nothing is configured for this stream.
    Any,
    /// This one; when it warms up, its budget has to be asked ([`Budgets::spend`]).
    From(&'a Origin),
    /// The addresses of this stream are of the other family.
    OtherFamily,
    /// Those of this family have nothing left ([`Budgets::again`]).
    Spent(Vec<&'a Warming>),
}

/// A kind of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// The family of this one.
    pub fn of(address: IpAddr) -> Self {
        // An IPv4 address may be written as an IPv6 one.
        if address.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// An address that mail leaves from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub address: IpAddr,
    pub warming: Option<Warming>,
    streams: Vec<Stream>,
}

/// All addresses that mail leaves from.
#[derive(Clone, Debug)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// From the configuration.
    pub fn new(sources: &[Source]) -> Self {
        let warming = |source: &Source| {
            let account = format!("source:{}", source.address);
            source.warmup.map(|ramp| Warming { account, ramp })
        };
        let origin =
            |source: &Source| Origin { address: source.address, warming: warming(source), streams: source.streams.clone() };
        Self(sources.iter().map(origin).collect())
    }

    /// Whether any of them is one that only this machine reaches.
    pub fn have_loopback(&self) -> bool {
        self.0.iter().any(|origin| origin.address.is_loopback())
    }

    /// Where to connect from to reach an address of this family: an address that warms up while its budget lasts, else one that is warm.
    ///
    /// What has the same `key` (a destination and a sender domain, say) comes from the same address as long as it can: who greylists
    /// wants to see it again.
    pub fn choose(&self, stream: Stream, to: Family, key: &str, budgets: &Budgets, now: Timestamp) -> Choice<'_> {
        let carries = |origin: &&Origin| origin.streams.is_empty() || origin.streams.contains(&stream);
        let fits = |origin: &&Origin| carries(origin) && Family::of(origin.address) == to;
        if !self.0.iter().any(|origin| carries(&origin)) {
            return Choice::Any;
        }
        if !self.0.iter().any(|origin| fits(&origin)) {
            return Choice::OtherFamily;
        }
        let day = Day::of(now);
        let weight = |origin: &&Origin| mixed(hashed(key.as_bytes()) ^ hashed(origin.address.to_string().as_bytes()));
        let (cold, warm): (Vec<&Origin>, Vec<&Origin>) =
            self.0.iter().filter(fits).partition(|origin| origin.warming.as_ref().is_some_and(|w| w.ramp.budget(day).is_some()));
        let has_left = |origin: &&Origin| origin.warming.as_ref().is_none_or(|warming| !budgets.is_spent(warming, now));
        let chosen = cold.iter().copied().filter(has_left).max_by_key(weight).or_else(|| warm.into_iter().max_by_key(weight));
        let spent = || Choice::Spent(cold.iter().filter_map(|origin| origin.warming.as_ref()).collect());
        chosen.map_or_else(spent, Choice::From)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::warmup::Ramp;
    use crate::delivery::shape::warmup::Leave;

    const NOW: Timestamp = Timestamp(100 * 86_400_000);
    const V4: Family = Family::V4;

    fn source(address: &str, streams: &[Stream], warming: bool) -> Source {
        let warmup = warming.then_some(Ramp { since: Day(100), start: 5, growth: 2.0, until: 1000 });
        Source { address: address.parse().unwrap(), streams: streams.to_vec(), warmup }
    }

    fn chosen(origins: &Origins, stream: Stream, to: Family, key: &str, budgets: &Budgets) -> String {
        match origins.choose(stream, to, key, budgets, NOW) {
            Choice::From(origin) => origin.address.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_stream_has_its_addresses_of_each_family() {
        let origins =
            Origins::new(&[source("192.0.2.1", &[Stream::Broadcast], false), source("2001:db8::1", &[Stream::Broadcast], false)]);
        let budgets = Budgets::default();
        assert_eq!(chosen(&origins, Stream::Broadcast, V4, "k", &budgets), "192.0.2.1");
        assert_eq!(chosen(&origins, Stream::Broadcast, Family::V6, "k", &budgets), "2001:db8::1");
        assert_eq!(chosen(&origins, Stream::Transactional, V4, "k", &budgets), "Any");
        let single = Origins::new(&[source("192.0.2.1", &[], false)]);
        assert_eq!(chosen(&single, Stream::Transactional, Family::V6, "k", &budgets), "OtherFamily");
    }

    #[test]
    fn a_warming_address_overflows_to_a_warm_one() {
        let origins = Origins::new(&[source("192.0.2.1", &[], false), source("192.0.2.2", &[], true)]);
        let (mut budgets, mut stock, mut sent) = (Budgets::default(), 5, [0, 0]);
        for n in 0..20 {
            loop {
                let choice = origins.choose(Stream::Broadcast, V4, &n.to_string(), &budgets, NOW);
                let Choice::From(origin) = choice else { panic!("{choice:?}") };
                match origin.warming.as_ref().map(|warming| budgets.spend(warming, NOW)) {
                    None => sent[0] += 1,
                    Some(Leave::Given) => sent[1] += 1,
                    Some(Leave::Draw(draw)) => {
                        let given = draw.wanted.min(stock);
                        stock -= given;
                        budgets.drawn(&draw, given);
                        continue;
                    }
                    Some(Leave::Spent { .. }) => continue,
                }
                break;
            }
        }
        assert_eq!(sent, [15, 5]);
        let alone = Origins::new(&[source("192.0.2.2", &[], true)]);
        assert!(chosen(&alone, Stream::Broadcast, V4, "k", &budgets).starts_with("Spent"));
    }

    #[test]
    fn a_key_keeps_its_address_and_keys_are_spread() {
        let origins =
            Origins::new(&[source("192.0.2.1", &[], false), source("192.0.2.2", &[], false), source("192.0.2.3", &[], false)]);
        let budgets = Budgets::default();
        let mut counts = std::collections::HashMap::new();
        for n in 0..3000 {
            let key = format!("mx:{n}.example");
            let first = chosen(&origins, Stream::Broadcast, V4, &key, &budgets);
            assert_eq!(chosen(&origins, Stream::Broadcast, V4, &key, &budgets), first);
            *counts.entry(first).or_insert(0) += 1;
        }
        assert!(counts.len() == 3 && counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
