//! What all requests of the API share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::window::Windows;
use crate::clock::Clock;
use crate::config::Config;
use crate::domains::watch::Watch;
use crate::door::keyring::Keyring;
use crate::door::logins::Logins;
use crate::event::Webhooks;
use crate::intake::Intake;
use crate::store::Store;

/// The door: whom it asks, and the bounds that its requests share. Clones share it all.
#[derive(Clone, Debug)]
pub struct Door {
    /// The way in for messages; everything else of them is only read.
    pub intake: Intake,
    pub store: Store,
    pub keyring: Keyring,
    pub logins: Arc<Logins>,
    /// Who looks up what domains publish.
    pub watch: Watch,
    /// Who tells endpoints of events.
    pub webhooks: Webhooks,
    /// Endpoints that a team may have.
    pub endpoints_per_team: u64,
    pub clock: Clock,
    /// Message bytes, one permit an octet, that all doors and the engine hold together.
    pub budget: Arc<Semaphore>,
    pub(super) windows: Arc<Windows>,
}

impl Door {
    /// The door of `config`, over the store of `watch` and by its clock. `intake`, `keyring`, `logins` and `budget` are shared with the
    /// other doors.
    pub fn new(
        config: &Config,
        intake: Intake,
        watch: Watch,
        webhooks: Webhooks,
        keyring: Keyring,
        logins: Arc<Logins>,
        budget: Arc<Semaphore>,
    ) -> Self {
        let windows = Arc::new(Windows::new(config.limits.requests_per_minute));
        let (store, clock) = (watch.store.clone(), watch.clock.clone());
        let endpoints_per_team = config.webhooks.endpoints_per_team;
        Self { intake, store, watch, webhooks, endpoints_per_team, keyring, logins, clock, budget, windows }
    }
}
