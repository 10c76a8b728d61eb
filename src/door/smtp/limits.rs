//! How many connections are open, in all and from one address, which of IPv6 is a network of 64 bits: whoever has one has all of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Peers that are told at the same time, by way of a handshake each, that there is no place for them.
const FAREWELLS: usize = 32;

/// Counts the connections of all listeners. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Limits {
    total: usize,
    per_address: usize,
    open: Arc<Mutex<Open>>,
    emptied: Arc<Notify>,
    farewells: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    open: Arc<Mutex<Open>>,
    emptied: Arc<Notify>,
    address: Option<IpAddr>,
}

impl Limits {
    /// At most `total` connections, and `per_address` from one address; loopback addresses count in the total only.
    pub fn new(total: usize, per_address: usize) -> Self {
        let farewells = Arc::new(Semaphore::new(FAREWELLS));
        Self { total, per_address, open: Arc::default(), emptied: Arc::default(), farewells }
    }

    /// A place for a connection from an address yet to be told, unless all are taken.
    pub fn enter(&self) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.total {
            return None;
        }
        open.total += 1;
        Some(Place { open: self.open.clone(), emptied: self.emptied.clone(), address: None })
    }

    /// Counts the place for `address`. False: that address has its fill.
    pub fn name(&self, place: &mut Place, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return true;
        }
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.by_address.entry(address).or_insert(0);
        if *count >= self.per_address {
            return false;
        }
        *count += 1;
        place.address = Some(address);
        true
    }

    /// A turn to tell a peer under TLS that it is turned away, unless many have one already.
    pub fn farewell(&self) -> Option<OwnedSemaphorePermit> {
        self.farewells.clone().try_acquire_owned().ok()
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Completes when none is open. Cancel safe.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if open.total == 0 {
            self.emptied.notify_waiters();
        }
        let Some(address) = self.address else { return };
        if let Some(count) = open.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_host_are_one() {
        let limits = Limits::new(9, 1);
        let enters = |address: &str| {
            let mut place = limits.enter().unwrap();
            limits.name(&mut place, address.parse().unwrap()).then_some(place)
        };
        let _first = enters("2001:db8:0:1::1").unwrap();
        assert!(enters("2001:db8:0:1:ffff::9").is_none());
        let _other = enters("2001:db8:0:2::1").unwrap();
        let _four = enters("192.0.2.1").unwrap();
        assert!(enters("192.0.2.2").is_some() && enters("::1").is_some() && enters("::1").is_some());
    }

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let limits = Limits::new(3, 1);
        let (one, two): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "::ffff:192.0.2.1".parse().unwrap());
        let mut first = limits.enter().unwrap();
        assert!(limits.name(&mut first, one));
        let mut second = limits.enter().unwrap();
        assert!(!limits.name(&mut second, two), "an IPv4 peer of an IPv6 socket is the same peer");
        drop(first);
        assert!(limits.name(&mut second, two));
        let _third = limits.enter().unwrap();
        let _fourth = limits.enter().unwrap();
        assert!(limits.enter().is_none());
        drop(second);
        assert_eq!(limits.open(), 2);
        assert!(limits.open.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn loopback_counts_in_the_total_only() {
        let limits = Limits::new(5, 1);
        let places: Vec<_> = (0..5)
            .map(|_| {
                let mut place = limits.enter().unwrap();
                assert!(limits.name(&mut place, IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)));
                place
            })
            .collect();
        assert_eq!(places.len(), limits.open());
    }
}
