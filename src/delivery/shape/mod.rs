//! Shape: how much of what waits for a destination may leave now.
//!
//! [`Shapes`] say what a destination is sent at most, from `shapes.toml` and the configuration; [`slots`] divide that among the
//! engines that live; [`manner`] adapts it to how the destination behaves, and says why something waits; [`horizon`] says when
//! what found no room comes back; [`warmup`] ramps what an address or a domain sends in a day, and [`sources`] choose the address.

pub mod horizon;
pub mod manner;
mod meter;
mod outage;
mod reluctance;
pub mod slots;
pub mod sources;
mod speed;
mod tempo;
pub mod warmup;
pub mod why;

use std::cmp::Reverse;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::shape::{Match, Pace, RECIPIENTS_AT_MOST, Shape};

/// The shapes that ship.
const SHIPPED: &str = include_str!("shapes.toml");

/// What a destination is sent at most, by all engines together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Open at once; at least 1.
    pub connections: u32,
    /// How many of them broadcast mail leaves free while more than one is allowed.
    pub transactional_connections: u32,
    /// At least 1.
    pub messages_per_connection: u32,
    /// Messages per second; `None`: any number.
    pub rate: Option<f64>,
    /// Of one transaction, 1 to 100.
    pub recipients_per_message: u32,
}

/// A destination and what it is sent at most. The same destination always has the same limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaped {
    /// `mx:*.google.com` where a shape names the hosts, `domain:example.com` where one names the domain; else the group.
    pub destination: Arc<str>,
    pub limits: Limits,
}

/// All shapes in force.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// The narrower before the wider, the operator's before what ships.
    entries: Vec<(Match, Shape)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    shape: Vec<Shape>,
}

impl Shapes {
    /// The operator's shapes over those that ship.
    pub fn new(chosen: &[Shape]) -> Self {
        let shipped: Shipped = toml::from_str(SHIPPED).expect("the embedded shapes are sound");
        let all = chosen.iter().chain(&shipped.shape);
        let mut entries: Vec<_> = all.flat_map(|shape| shape.matches.iter().map(|m| (m.clone(), shape.clone()))).collect();
        // Stable: what was given first stays first among equals.
        entries.sort_by_key(|(matched, _)| Reverse(rank(matched)));
        Self { entries }
    }

    /// What `domain` is, and what it is sent at most, when its mail lies behind `group`, and `host` is its most preferred one.
    ///
    /// One host stands for all: a domain whose first host is its own is not the provider's that takes its overflow. Names are
    /// A-labels in lower case.
    pub fn of(&self, group: &str, host: &str, domain: &str) -> Shaped {
        let matching = |matched: &Match| match matched {
            Match::Every => true,
            Match::Hosts(pattern) => pattern.covers(host),
            Match::Domain(pattern) => pattern.covers(domain),
        };
        let found: Vec<_> = self.entries.iter().filter(|(matched, _)| matching(matched)).collect();
        let destination = match found.first() {
            Some((Match::Domain(_), _)) => format!("domain:{domain}").into(),
            Some((Match::Hosts(pattern), _)) => format!("mx:{pattern}").into(),
            _ => group.into(),
        };
        Shaped { destination, limits: limits(found.iter().map(|(_, shape)| shape)) }
    }
}

/// Domains before hosts, the narrower before the wider. Patterns nest, so that which wider ones apply follows from the narrowest.
fn rank(matched: &Match) -> (u8, usize) {
    match matched {
        Match::Every => (0, 0),
        Match::Hosts(pattern) => (1, pattern.narrowness()),
        Match::Domain(pattern) => (2, pattern.narrowness()),
    }
}

/// Each limit from the first shape that gives it.
fn limits<'a>(shapes: impl Iterator<Item = &'a Shape> + Clone) -> Limits {
    let first = |of: &dyn Fn(&Shape) -> Option<u32>| shapes.clone().find_map(of);
    let rate = shapes.clone().find_map(|shape| shape.rate);
    Limits {
        connections: first(&|s| s.connections.map(Into::into)).unwrap_or(1),
        transactional_connections: first(&|s| s.transactional_connections).unwrap_or(0),
        messages_per_connection: first(&|s| s.messages_per_connection.map(Into::into)).unwrap_or(1),
        rate: rate.and_then(|pace| if let Pace::Limited(rate) = pace { Some(rate.per_second()) } else { None }),
        recipients_per_message: first(&|s| s.recipients_per_message.map(Into::into)).unwrap_or(1).min(RECIPIENTS_AT_MOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Shapes {
        Shapes::new(&toml::from_str::<Shipped>(text).unwrap().shape)
    }

    fn shipped(host: &str) -> Shaped {
        Shapes::new(&[]).of("mx:group.example", host, "example.com")
    }

    #[test]
    fn what_ships_is_complete_and_modest() {
        let all: Shipped = toml::from_str(SHIPPED).unwrap();
        assert_eq!(all.shape.iter().filter(|s| s.matches.contains(&Match::Every)).count(), 1);
        let mut seen = std::collections::HashSet::new();
        for shape in &all.shape {
            for matched in &shape.matches {
                assert!(seen.insert(matched.clone()), "{matched} stands there twice");
                let host = matched.to_string().replace("mx:*", "mx1");
                let Limits { connections, messages_per_connection, recipients_per_message, .. } = shipped(&host).limits;
                assert!((2..=25).contains(&connections) && (1..=1000).contains(&messages_per_connection), "{matched}");
                assert!((1..=100).contains(&recipients_per_message), "{matched}");
            }
        }
    }

    #[test]
    fn hosted_domains_are_one_destination_and_others_their_group() {
        for host in ["gmail-smtp-in.l.google.com", "aspmx.l.google.com"] {
            let shaped = shipped(host);
            assert_eq!((&*shaped.destination, shaped.limits.messages_per_connection), ("mx:*.google.com", 50), "{host}");
        }
        let other = shipped("mx.example.net");
        assert_eq!((&*other.destination, other.limits.connections), ("mx:group.example", 10));
        let (consumer, business) =
            (shipped("outlook-com.olc.protection.outlook.com"), shipped("example-com.mail.protection.outlook.com"));
        assert_ne!(consumer.destination, business.destination);
    }

    #[test]
    fn the_operator_goes_before_what_ships_key_by_key() {
        let shapes = shapes("[[shape]]\nmatch = \"mx:*.google.com\"\nconnections = 40\nrate = \"600/min\"\n");
        let Limits { connections, messages_per_connection, rate, .. } = shapes.of("g", "aspmx.l.google.com", "a.example").limits;
        assert_eq!((connections, messages_per_connection, rate), (40, 50, Some(10.0)));
        assert_eq!(shapes.of("g", "mx.example.net", "a.example").limits, shipped("mx.example.net").limits);
    }

    #[test]
    fn the_narrower_goes_before_the_wider() {
        let shapes = shapes(
            "[[shape]]\nmatch = \"*\"\nconnections = 2\nrate = \"7/s\"\n\
             [[shape]]\nmatch = \"domain:*\"\nmessages_per_connection = 9\n\
             [[shape]]\nmatch = [\"domain:vip.example\", \"domain:*.vip.example\"]\nconnections = 3\nrate = \"unlimited\"\n",
        );
        let vip = shapes.of("g", "aspmx.l.google.com", "vip.example");
        assert_eq!((&*vip.destination, vip.limits.connections, vip.limits.rate), ("domain:vip.example", 3, None));
        let below = shapes.of("g", "aspmx.l.google.com", "a.vip.example");
        assert_eq!((&*below.destination, below.limits.messages_per_connection), ("domain:a.vip.example", 9));
        let google = shapes.of("g", "aspmx.l.google.com", "b.example").limits;
        assert_eq!((google.connections, google.rate), (10, Some(7.0)), "what a shape leaves open comes from the next wider");
    }

    #[test]
    fn one_destination_has_one_set_of_limits() {
        let shapes = shapes(
            "[[shape]]\nmatch = \"mx:*.l.google.com\"\nconnections = 40\n[[shape]]\nmatch = \"mx:*.com\"\nrate = \"9/s\"\n",
        );
        let hosts = ["a.l.google.com", "b.l.google.com", "c.google.com", "d.google.com", "e.com", "x.y.com", "f.example"];
        let mut known = std::collections::HashMap::new();
        for host in hosts {
            let shaped = shapes.of("mx:group", host, "d.example");
            assert_eq!(*known.entry(shaped.destination).or_insert(shaped.limits), shaped.limits, "{host}");
        }
        assert_eq!(known.len(), 4);
    }
}
