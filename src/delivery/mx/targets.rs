//! Where a domain's mail goes.

use std::net::IpAddr;
use std::sync::Arc;

use rand::seq::SliceRandom as _;

use super::group::Group;
use crate::delivery::security::DomainPolicy;

/// The hosts that take mail for a domain.
#[derive(Debug)]
pub struct Targets {
    /// The domain, in A-labels and lower case.
    pub domain: String,
    pub group: Group,
    /// At least one, ascending by preference.
    pub hosts: Vec<MxHost>,
    /// What the domain asks of those who send to it.
    pub policy: Arc<DomainPolicy>,
}

/// One host that takes mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MxHost {
    pub preference: u16,
    /// A-labels, lower case, no trailing dot; of a domain literal the literal.
    pub name: String,
    /// Of a domain literal: no name is looked up.
    pub address: Option<IpAddr>,
    /// Whether the MX answer that named it was validated by DNSSEC.
    pub secure: bool,
}

impl Targets {
    /// The hosts in the order of trying: by preference, equals shuffled anew at each call, "to spread the load" (RFC 5321 section 5.1).
    pub fn in_order(&self) -> Vec<&MxHost> {
        let mut hosts: Vec<&MxHost> = self.hosts.iter().collect();
        hosts.shuffle(&mut rand::rng());
        hosts.sort_by_key(|host| host.preference);
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_are_shuffled_and_preferences_are_not() {
        let host = |preference, name: &str| MxHost { preference, name: name.to_owned(), address: None, secure: false };
        let hosts = vec![host(1, "a"), host(1, "b"), host(1, "c"), host(1, "d"), host(9, "z")];
        let policy = Arc::new(DomainPolicy::default());
        let targets = Targets { domain: "example.org".to_owned(), group: Group("mx:x".into()), hosts, policy };
        let mut orders = std::collections::HashSet::new();
        for _ in 0..200 {
            let order: Vec<String> = targets.in_order().iter().map(|host| host.name.clone()).collect();
            assert_eq!(order.last().map(String::as_str), Some("z"));
            orders.insert(order);
        }
        assert!(orders.len() > 10, "{}", orders.len());
    }
}
