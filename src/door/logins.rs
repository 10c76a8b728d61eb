//! Failed logins: how long the refusal of the next one is held back. A login that succeeds is never delayed, whoever else failed.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::key::SecretHash;

/// Failures older than this are forgotten, after at most twice as long.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// Entries of each generation of each tally: bounds the memory to a few megabytes.
const ENTRIES: usize = 10_000;
/// smtplib and Symfony show one wrong password as two failures; a person who tries twice waits for nothing.
const FREE_OF_ONE_PASSWORD: u32 = 4;
/// An address may hide many clients.
const FREE_OF_ONE_ADDRESS: u32 = 20;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// Failed logins of late, by address and by (address, password).
#[derive(Debug, Default)]
pub struct Logins {
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    by_address: Tally<IpAddr>,
    by_password: Tally<(IpAddr, SecretHash)>,
}

impl Logins {
    /// Counts a failed login, and says how long to hold back its refusal.
    pub fn failed(&self, peer: IpAddr, password: SecretHash) -> Duration {
        let address = network_of(peer);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = failures.by_address.count(address);
        let of_password = failures.by_password.count((address, password));
        delay(of_address, FREE_OF_ONE_ADDRESS).max(delay(of_password, FREE_OF_ONE_PASSWORD))
    }
}

/// Nothing while failures are free, then a quarter of a second, doubling.
fn delay(failures: u32, free: u32) -> Duration {
    match failures.saturating_sub(free) {
        0 => Duration::ZERO,
        over => FIRST_DELAY.saturating_mul(1 << (over - 1).min(16)).min(LONGEST_DELAY),
    }
}

/// One who holds an IPv6 address holds its /64.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Counts in two generations: when the newer is full or old it becomes the older, whose counts are dropped.
#[derive(Debug)]
struct Tally<K> {
    newer: HashMap<K, u32>,
    older: HashMap<K, u32>,
    since: Instant,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), since: Instant::now() }
    }
}

impl<K: Eq + Hash> Tally<K> {
    /// One more of `key`; how many that makes of late.
    fn count(&mut self, key: K) -> u32 {
        self.turn();
        let before = self.older.get(&key).copied().unwrap_or(0);
        let count = self.newer.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        count.saturating_add(before)
    }

    fn turn(&mut self) {
        let age = self.since.elapsed();
        if age >= REMEMBERED || self.newer.len() >= ENTRIES {
            self.older = std::mem::take(&mut self.newer);
            if age >= 2 * REMEMBERED {
                self.older = HashMap::new();
            }
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn password(number: u64) -> SecretHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        SecretHash(hash)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_failures_are_free_and_the_rest_wait_longer_and_longer() {
        let logins = Logins::default();
        let delays: Vec<u128> = (0..12).map(|_| logins.failed(PEER, password(1)).as_millis()).collect();
        assert_eq!(delays, [0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(logins.failed("192.0.2.2".parse().unwrap(), password(1)), Duration::ZERO, "another address starts anew");
        tokio::time::advance(2 * REMEMBERED).await;
        assert_eq!(logins.failed(PEER, password(1)), Duration::ZERO, "failures are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_tries_many_passwords_is_slowed_down() {
        let logins = Logins::default();
        let slowed = (0..30).position(|n| !logins.failed(PEER, password(n)).is_zero());
        assert_eq!(slowed, Some(FREE_OF_ONE_ADDRESS as usize));
        let v6 = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        let slowed = (0..30).position(|n| !logins.failed(v6(n), password(u64::from(n))).is_zero());
        assert_eq!(slowed, Some(FREE_OF_ONE_ADDRESS as usize), "the addresses of one /64 count together");
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_failures_is_bounded() {
        let mut tally = Tally::default();
        for key in 0..5 * ENTRIES {
            tally.count(key);
            assert!(tally.newer.len() + tally.older.len() <= 2 * ENTRIES);
        }
    }
}
