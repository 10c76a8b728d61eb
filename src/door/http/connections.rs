//! How many connections there may be, together and from one address, so that a crowd of slow ones can't keep all others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All connections at once; further ones wait in the listener's backlog.
const TOGETHER: usize = 1024;
/// Connections of one address at once; further ones are closed. Loopback is exempt: a proxy there carries everybody.
const FROM_ONE_ADDRESS: usize = 128;

/// The connections there are.
#[derive(Clone, Debug)]
pub struct Connections {
    places: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's share of its address's allowance, given back when dropped.
#[derive(Debug)]
pub struct Share {
    of: Connections,
    address: IpAddr,
}

impl Connections {
    /// None yet.
    pub fn none() -> Self {
        Self { places: Arc::new(Semaphore::new(TOGETHER)), by_address: Arc::default() }
    }

    /// Waits for a place. `None` never comes while the semaphore is open, and it is never closed. Cancel safe.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// A share for one more connection of `address`, unless it has all it may have.
    pub fn share(&self, address: IpAddr) -> Option<Share> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= FROM_ONE_ADDRESS && !address.to_canonical().is_loopback() {
            return None;
        }
        *count += 1;
        Some(Share { of: self.clone(), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut by_address = self.of.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_its_share_and_gives_it_back() {
        let (connections, stranger) = (Connections::none(), IpAddr::from([192, 0, 2, 1]));
        let mut held: Vec<Share> = (0..FROM_ONE_ADDRESS).filter_map(|_| connections.share(stranger)).collect();
        assert_eq!(held.len(), FROM_ONE_ADDRESS);
        assert!(connections.share(stranger).is_none());
        assert!(connections.share(IpAddr::from([192, 0, 2, 2])).is_some());
        held.pop();
        assert!(connections.share(stranger).is_some());
        held.clear();
        assert!(connections.by_address.lock().unwrap().is_empty());
    }
}
