//! The destination that domains share.
//!
//! A thousand domains hosted at one provider are one destination: what the provider says to one is meant for all. They are told by
//! the hosts they prefer, each reduced to the domain that somebody registered: the last two labels, or three where the second
//! last is one under which countries register (`co.uk`, `com.au`). Two providers under one such suffix that this rule does not know
//! would share their pace, and nothing else.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Second-level labels under which others register, in top-level domains of two letters.
const SECOND_LEVEL: [&str; 14] = ["ac", "co", "com", "edu", "gob", "gouv", "gov", "govt", "mil", "ne", "net", "nom", "or", "org"];

/// Names in a group; a domain that prefers hosts of more providers than these equally is grouped by the first of them.
const NAMES_MAX: usize = 4;

/// `mx:google.com`, `mx:example.net,example.org`, `ip:192.0.2.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(pub Arc<str>);

impl Group {
    /// The group of those who prefer these hosts equally.
    pub fn of_hosts<'a>(best: impl Iterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = best.map(registered).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(NAMES_MAX);
        Self(format!("mx:{}", names.join(",")).into())
    }

    /// The group of a domain literal.
    pub fn of_address(address: IpAddr) -> Self {
        Self(format!("ip:{address}").into())
    }

    /// As it is shown and matched.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of a host's name that somebody registered.
fn registered(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(top), Some(second)) = (dots.next(), dots.next()) else { return host };
    let is_country = host.len() - top - 1 == 2;
    let start = if is_country && SECOND_LEVEL.contains(&&host[second + 1..top]) {
        dots.next().map_or(0, |third| third + 1)
    } else {
        second + 1
    };
    &host[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_provider_are_one_destination() {
        for (hosts, group) in [
            (&["aspmx.l.google.com"][..], "mx:google.com"),
            (&["example-org.mail.protection.outlook.com"], "mx:outlook.com"),
            (&["mx1.example.co.uk", "mx2.example.co.uk"], "mx:example.co.uk"),
            (&["b.example.net", "a.example.org"], "mx:example.net,example.org"),
            (&["example.org"], "mx:example.org"),
            (&["co.uk"], "mx:co.uk"),
            (&["localhost"], "mx:localhost"),
            (&["a.b.de"], "mx:b.de"),
        ] {
            assert_eq!(Group::of_hosts(hosts.iter().copied()).as_str(), group);
        }
        assert_eq!(Group::of_address("192.0.2.1".parse().unwrap()).as_str(), "ip:192.0.2.1");
    }
}
