//! Finds endpoints with something due, and has each worked at by one session.
//!
//! There is a pool of sessions for each standing, so that endpoints that never answer take no place from those that do, nor from those of
//! which nothing is known yet. A session has its place before anything is read for it: nobody waits holding something.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Webhooks;
use super::endpoint::Session;
use super::results::Results;
use crate::id::Id;
use crate::model::webhook::Webhook;
use crate::net::sockets;
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::store::webhooks::deliveries::Standing;

/// Sessions at once, by the endpoints' standing.
const POOLS: [(Standing, usize); 3] = [(Standing::Proven, 256), (Standing::Unproven, 1024), (Standing::Failing, 32)];
/// Requests beside each session's first, at endpoints that answer, all together.
const EXTRAS: usize = 256;
/// Of the sockets that the process may have, sessions of one pool take this part at most.
const PART: usize = 4;
/// What is due by the time alone is found so late at most.
const POLL: Duration = Duration::from_secs(1);
/// Between two looks, and so many times as long as one took: with thousands of endpoints a look is some work.
const REST: Duration = Duration::from_millis(20);
const REST_TIMES: u32 = 4;

/// Who sends.
pub(super) struct Deliverer {
    webhooks: Webhooks,
    results: Results,
    /// This process, among those that share a store.
    holder: Id,
    pools: Vec<(Standing, Arc<Semaphore>)>,
    extras: Arc<Semaphore>,
    at_work: AtWork,
}

/// Endpoints that sessions of this process work at.
type AtWork = Arc<Mutex<HashSet<Id>>>;

/// A session's place: its part of a pool, and its endpoint, which no other session works at.
pub(super) struct Place {
    _part: OwnedSemaphorePermit,
    endpoint: Id,
    at_work: AtWork,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.endpoint);
    }
}

impl Deliverer {
    /// Sends what is due, and has `results` write what came of it.
    pub fn new(webhooks: Webhooks, results: Results) -> Self {
        let most = (sockets::at_most() / PART).max(1);
        let pools = POOLS.map(|(standing, places)| (standing, Arc::new(Semaphore::new(places.min(most))))).to_vec();
        let (holder, extras) = (webhooks.holder(), Arc::new(Semaphore::new(EXTRAS)));
        Self { webhooks, results, holder, pools, extras, at_work: AtWork::default() }
    }

    /// Sends until closing begins, and ends when the last session has.
    pub async fn run(self, shutdown: Shutdown) {
        let mut sessions = JoinSet::new();
        while !shutdown.has_begun() {
            let begun = Instant::now();
            if let Err(failure) = self.begin(&mut sessions, &shutdown).await {
                tracing::warn!(%failure, "what endpoints are to be told can't be read now");
                sleep(POLL).await;
            }
            tokio::select! {
                () = shutdown.begun() => {}
                () = self.wait(REST.max(begun.elapsed() * REST_TIMES), &mut sessions) => {}
            }
        }
        while sessions.join_next().await.is_some() {}
    }

    /// Until there may be something to begin.
    async fn wait(&self, rest: Duration, sessions: &mut JoinSet<()>) {
        sleep(rest).await;
        tokio::select! {
            () = self.webhooks.made().notified() => {}
            Some(_) = sessions.join_next() => {}
            () = sleep(POLL) => {}
        }
        while sessions.try_join_next().is_some() {}
    }

    /// Begins a session for each endpoint with something due, as far as there are places.
    async fn begin(&self, sessions: &mut JoinSet<()>, shutdown: &Shutdown) -> Result<(), StoreError> {
        for (standing, pool) in &self.pools {
            let free = pool.available_permits();
            if free == 0 {
                continue;
            }
            for webhook in self.take(*standing, free).await? {
                let Some(place) = self.place(pool, webhook.id) else { continue };
                let session = Session {
                    webhooks: self.webhooks.clone(),
                    results: self.results.clone(),
                    extras: (*standing == Standing::Proven && webhook.health.failures == 0).then(|| self.extras.clone()),
                    holder: self.holder,
                    webhook,
                };
                sessions.spawn(session.run(place, shutdown.clone()));
            }
        }
        Ok(())
    }

    /// At most so many endpoints with something due that nobody works at, here or elsewhere.
    async fn take(&self, standing: Standing, most: usize) -> Result<Vec<Webhook>, StoreError> {
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut due = self.webhooks.store().webhooks_with_due(standing, most + at_work.len()).await?;
        due.retain(|webhook| !at_work.contains(&webhook.id));
        due.truncate(most);
        let leased = self.webhooks.store().lease_webhooks(self.holder, due.iter().map(|webhook| webhook.id).collect()).await?;
        due.retain(|webhook| leased.contains(&webhook.id));
        Ok(due)
    }

    fn place(&self, pool: &Arc<Semaphore>, endpoint: Id) -> Option<Place> {
        let part = pool.clone().try_acquire_owned().ok()?;
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint);
        Some(Place { _part: part, endpoint, at_work: self.at_work.clone() })
    }
}
