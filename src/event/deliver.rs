//! Finds endpoints with something due, and has each worked at by one session.
//!
//! There is a lane for each standing, with places of its own, so that endpoints that never answer take none from those that do, nor from
//! those of which nothing is known yet, and slow ones none from the quick. A lane's places are shared among teams. A session has its place
//! before anything is read for it: nobody waits holding something.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Webhooks;
use super::endpoint::Session;
use super::pool::{Pool, PoolPlace};
use super::results::Results;
use crate::id::Id;
use crate::net::sockets;
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::store::webhooks::deliveries::{Endpoint, Standing};

/// Of the sockets that the process may have, sessions of one lane take this part at most.
const PART: usize = 4;
/// What is due by the time alone is found so late at most.
const POLL: Duration = Duration::from_secs(1);
/// Between two looks, and so many times as long as one took: with thousands of endpoints a look is some work.
const REST: Duration = Duration::from_millis(20);
const REST_TIMES: u32 = 4;
/// But no longer than this: some of the look was waiting for the store.
const REST_AT_MOST: Duration = Duration::from_millis(200);

/// Sessions at once, by the endpoints' standing. One team has half of them at most.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub proven: usize,
    pub slow: usize,
    pub unproven: usize,
    pub failing: usize,
    /// Requests beside each session's first, at all quick endpoints that answer together, and at all slow ones; shared among teams, too.
    pub extras: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { proven: 512, slow: 256, unproven: 2048, failing: 64, extras: 256 }
    }
}

/// Who sends.
pub(super) struct Deliverer {
    lanes: Vec<Lane>,
}

/// Those of one standing.
struct Lane {
    standing: Standing,
    webhooks: Webhooks,
    results: Results,
    pool: Pool,
    /// Where several requests may be under way at once at one endpoint: how many more.
    extras: Option<Pool>,
    at_work: AtWork,
}

/// Those of a lane; each gives its place back.
type Sessions = JoinSet<Place>;

/// Endpoints that sessions of this process work at.
type AtWork = Arc<Mutex<HashSet<Id>>>;

/// A session's place: its part of a pool, and its endpoint, which no other session works at.
pub(super) struct Place {
    pub endpoint: Endpoint,
    _part: PoolPlace,
    at_work: AtWork,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.endpoint.id);
    }
}

impl Deliverer {
    /// Sends what is due, and has `results` write what came of it.
    pub fn new(webhooks: Webhooks, results: Results, places: &Places) -> Self {
        let (most, at_work) = ((sockets::at_most() / PART).max(1), AtWork::default());
        let lane = |standing, places: usize, extras: Option<usize>| Lane {
            standing,
            webhooks: webhooks.clone(),
            results: results.clone(),
            pool: Pool::new(places.min(most)),
            extras: extras.map(Pool::new),
            at_work: at_work.clone(),
        };
        let lanes = vec![
            lane(Standing::Proven, places.proven, Some(places.extras)),
            lane(Standing::Slow, places.slow, Some(places.extras)),
            lane(Standing::Unproven, places.unproven, None),
            lane(Standing::Failing, places.failing, None),
        ];
        Self { lanes }
    }

    /// Sends until closing begins, and ends when the last session has.
    pub async fn run(self, shutdown: Shutdown) {
        join_all(self.lanes.iter().map(|lane| lane.run(&shutdown))).await;
    }
}

impl Lane {
    async fn run(&self, shutdown: &Shutdown) {
        let (mut sessions, mut bell) = (Sessions::new(), self.webhooks.bell());
        while !shutdown.has_begun() {
            let begun = Instant::now();
            let rest = match self.begin(&mut sessions, shutdown).await {
                Ok(()) => rest_after(begun.elapsed()),
                Err(failure) => {
                    tracing::warn!(%failure, "what endpoints are to be told can't be read now");
                    POLL
                }
            };
            let ended = tokio::select! {
                () = shutdown.begun() => None,
                ended = wait(rest, &mut bell, &mut sessions) => ended,
            };
            self.let_go(ended, &mut sessions).await;
        }
        while let Some(ended) = sessions.join_next().await {
            self.let_go(ended.ok(), &mut sessions).await;
        }
    }

    /// Lets go of this endpoint, and of all others whose sessions have ended: together, since with thousands it is some work.
    async fn let_go(&self, ended: Option<Place>, sessions: &mut Sessions) {
        let mut ended = Vec::from_iter(ended);
        while let Some(another) = sessions.try_join_next() {
            ended.extend(another.ok());
        }
        let given = ended.iter().map(|place| place.endpoint.id).collect();
        if let Err(failure) = self.webhooks.store().release_webhooks(self.webhooks.holder(), given).await {
            tracing::debug!(%failure, "endpoints could not be let go of; their leases end by themselves");
        }
    }

    /// Begins a session for each endpoint with something due, as far as there are places.
    async fn begin(&self, sessions: &mut Sessions, shutdown: &Shutdown) -> Result<(), StoreError> {
        for place in self.take().await? {
            let session = Session {
                webhooks: self.webhooks.clone(),
                results: self.results.clone(),
                standing: self.standing,
                extras: self.extras.clone(),
            };
            sessions.spawn(session.run(place, shutdown.clone()));
        }
        Ok(())
    }

    /// Endpoints with something due that nobody works at, here or elsewhere: as many as have a place.
    async fn take(&self) -> Result<Vec<Place>, StoreError> {
        let free = self.pool.free();
        if free == 0 {
            return Ok(Vec::new());
        }
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner).len();
        let due = self.webhooks.store().webhooks_with_due(self.webhooks.holder(), self.standing, free + at_work).await?;
        let mut places: Vec<Place> = due.into_iter().filter_map(|endpoint| self.place(endpoint)).collect();
        let asked = places.iter().map(|place| place.endpoint.id).collect();
        let leased = self.webhooks.store().lease_webhooks(self.webhooks.holder(), asked).await?;
        places.retain(|place| leased.contains(&place.endpoint.id));
        Ok(places)
    }

    fn place(&self, endpoint: Endpoint) -> Option<Place> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if at_work.contains(&endpoint.id) {
            return None;
        }
        let part = self.pool.enter(endpoint.team)?;
        at_work.insert(endpoint.id);
        Some(Place { endpoint, _part: part, at_work: self.at_work.clone() })
    }
}

/// How long no other look is taken after one that took so long.
fn rest_after(look: Duration) -> Duration {
    (look * REST_TIMES).clamp(REST, REST_AT_MOST)
}

/// Until there may be something to begin; the place of a session that has ended, where that is why.
async fn wait(rest: Duration, bell: &mut watch::Receiver<()>, sessions: &mut Sessions) -> Option<Place> {
    sleep(rest).await;
    tokio::select! {
        _ = bell.changed() => None,
        Some(ended) = sessions.join_next() => ended.ok(),
        () = sleep(POLL) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_rests_for_longer_than_it_looked_and_never_for_long() {
        let rests = [0, 10, 13_000].map(|look| rest_after(Duration::from_millis(look)).as_millis());
        assert_eq!(rests, [20, 40, 200]);
    }
}
