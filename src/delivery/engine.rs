//! The engine as a whole: built of its parts, run until the house closes, ended so that nothing is sent twice.

use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::boottime::Boottime;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::dispatch::Dispatch;
use crate::delivery::dns::Resolver;
use crate::delivery::feeder::{Bell, Feeder};
use crate::delivery::flights::{Flights, Wreck};
use crate::delivery::gate::Gate;
use crate::delivery::ledger::Ledger;
use crate::delivery::pace::Pace;
use crate::delivery::places::Places;
use crate::delivery::route::Routes;
use crate::delivery::scheduler::HandOver;
use crate::delivery::tenure::Tenure;
use crate::delivery::trial::Trials;
use crate::delivery::verp::ReturnPaths;
use crate::model::team::Team;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Messages held for each attempt in flight: some wait so that a connection never does, some for their settle's commit.
const PLACES_PER_WORKER: usize = 8;

/// What delivers.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    config: Config,
    clock: Clock,
    pace: Pace,
    routes: Routes,
    boottime: Boottime,
    seat: Option<String>,
    wreck: Option<(Arc<Flights>, Wreck)>,
}

impl Engine {
    /// An engine on `store`, which has no other in this process; says what is wrong with the configuration of its routes.
    /// `teams` are those that its rules may name.
    pub fn new(store: Store, config: &Config, teams: &[Team], clock: Clock) -> Result<Self, String> {
        Self::with_pace(store, config, teams, clock, Pace::default(), Deadlines::default())
    }

    /// As [`Engine::new`], at another rhythm.
    pub fn with_pace(
        store: Store,
        config: &Config,
        teams: &[Team],
        clock: Clock,
        pace: Pace,
        deadlines: Deadlines,
    ) -> Result<Self, String> {
        let routes = Routes::new(config, teams, deadlines, &pace, &store, clock.clone())?;
        // What would come back to nobody had better go to the sender.
        let routes = match config.inbound.address.as_str() {
            "" => routes,
            _ => routes.returning_by(ReturnPaths::new(store.clone())),
        };
        Ok(Self { store, config: config.clone(), clock, pace, routes, boottime: Boottime::default(), seat: None, wreck: None })
    }

    /// With another clock for the freshness of its epoch.
    pub fn with_boottime(self, boottime: Boottime) -> Self {
        Self { boottime, ..self }
    }

    /// With a name that only one process at a time can have (`lock::seat`): what its earlier life held is taken over at once.
    pub fn seated(self, seat: Option<String>) -> Self {
        Self { seat, ..self }
    }

    /// With a record in `data_dir` of what is in flight, for the next who has the same seat; to be called when seated.
    pub fn recorded_in(mut self, data_dir: &Path) -> Self {
        let Some(seat) = &self.seat else { return self };
        match Flights::open(data_dir, seat) {
            Ok((flights, wreck)) => {
                let flights = Arc::new(flights);
                self.routes = self.routes.recorded(flights.clone());
                self.wreck = Some((flights, wreck));
            }
            Err(failure) => {
                tracing::warn!(%failure, "what is in flight can't be recorded: no message will be suspected of killing the process");
            }
        }
        self
    }

    /// The resolver that direct mail asks; `None`: no mail goes directly.
    pub fn resolver(&self) -> Option<&Resolver> {
        self.routes.direct().map(|direct| direct.resolver())
    }

    /// Delivers until closing begins, then finishes what is in flight, gives back the rest, and closes its epoch.
    pub async fn run(self, shutdown: Shutdown) {
        let gate = Arc::new(Gate::new(self.boottime.clone()));
        let places = Arc::new(Places::new(self.config.delivery.workers.saturating_mul(PLACES_PER_WORKER)));
        let bell = Arc::new(Bell::default());
        let ledger = Ledger::new(self.store.clone(), gate.clone(), self.pace.clone(), shutdown.clone());
        let routes = self.routes;
        let totals = routes.totals();
        let trials = Trials::new(self.store.clone(), routes.attempts().clone(), self.wreck);
        let dispatch =
            Arc::new(Dispatch::new(routes, &self.config, &self.pace, gate.clone(), ledger, trials, self.clock.clone()));
        let hand_over = HandOver::new(gate.clone(), places.clone(), bell.clone(), &dispatch, self.clock.clone());
        self.store.attach(Arc::new(hand_over));
        let tenure = Tenure {
            store: self.store.clone(),
            gate: gate.clone(),
            dispatch: dispatch.clone(),
            pace: self.pace.clone(),
            sole: self.seat.is_some(),
            name: self.seat.unwrap_or_else(engine_name),
        };
        let feeder = Feeder {
            store: self.store.clone(),
            gate: gate.clone(),
            places: places.clone(),
            bell,
            dispatch: dispatch.clone(),
            clock: self.clock,
            pace: self.pace,
        };
        let ended = tokio::select! {
            () = tenure.run() => true,
            () = totals.keep_writing(&self.store) => true,
            ended = drain(feeder, &gate, &places, &dispatch, &shutdown) => ended,
        };
        // An attempt that goes on may still deliver: what it holds is not free before the epoch is found dead.
        if let Some(epoch) = gate.epoch().filter(|_| ended)
            && let Err(failure) = self.store.close_epoch(epoch).await
        {
            tracing::warn!(%failure, "the epoch could not be closed; its claims are free once it is found dead");
        }
        tokio::select! {
            () = totals.write(&self.store) => {}
            () = shutdown.aborted() => {}
        }
    }
}

/// Feeds until closing begins; then nothing starts any more, what waits goes back, and what is in flight ends. False: not in
/// time.
async fn drain(feeder: Feeder, gate: &Gate, places: &Places, dispatch: &Dispatch, shutdown: &Shutdown) -> bool {
    let closing = async {
        shutdown.begun().await;
        gate.drain();
        shutdown.aborted().await;
    };
    tokio::select! {
        () = feeder.run() => {}
        () = closing => {}
    }
    dispatch.release_waiting();
    let emptied = async {
        while places.used() > 0 {
            places.freed().await;
        }
    };
    tokio::select! {
        () = emptied => true,
        () = shutdown.aborted() => {
            let held = places.used();
            if held > 0 {
                tracing::warn!(held, "attempts did not end in time");
            }
            held == 0
        }
    }
}

/// Machine and process.
fn engine_name() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} {}", machine.trim(), std::process::id())
}
