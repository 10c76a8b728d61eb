//! The connections of a courier: one at a time, kept between messages for as long as it serves.

use tokio::time::Instant;

use crate::delivery::attempts::{Attempts, InFlight};
use crate::delivery::capacity::Underway;
use crate::delivery::client::Connection;
use crate::delivery::departure::Departure;
use crate::delivery::route::ended::Ended;
use crate::delivery::route::errand::Errand;
use crate::delivery::route::kept::Kept;
use crate::delivery::route::line::Line;
use crate::delivery::route::undialled::Undialled;
use crate::model::hop::Peer;

/// One connection at a time along a line.
#[derive(Debug)]
pub(super) struct Connections {
    pub line: Line,
    attempts: Attempts,
    kept: Option<Kept>,
    /// What a connection counts as from when it is dialled until its first attempt has begun.
    dialling: Option<Underway>,
    /// By the attempt under way, or the last one.
    reached: Option<Peer>,
    /// When the last thing was begun by it that tells of the next hop.
    began: Option<Instant>,
}

impl Connections {
    /// None yet. What is dialled counts among those of `attempts`.
    pub fn new(line: Line, attempts: Attempts) -> Self {
        Self { line, attempts, kept: None, dialling: None, reached: None, began: None }
    }

    /// Whom the last attempt reached, or meant to reach; told once.
    pub fn reached(&mut self) -> Option<Peer> {
        self.reached.take()
    }

    /// When the last attempt's last connection or MAIL was begun, and not when that began to wait; told once. `None`: there was neither.
    pub fn began(&mut self) -> Option<Instant> {
        self.began.take()
    }

    /// Something is begun that tells of the next hop.
    pub fn begins(&mut self) {
        self.began = Some(Instant::now());
    }

    /// The connection that is kept, when it is still good for this errand and leaves from where it should, or a new one. That counts as
    /// one that is opened, unless its attempt is in flight already, which counts enough: nobody waits for leave to dial while it holds one.
    pub async fn open(
        &mut self,
        errand: &Errand<'_>,
        departure: &Departure,
        in_flight: Option<&mut InFlight>,
    ) -> Result<Kept, Ended> {
        if let Some(mut kept) = self.kept.take() {
            if kept.serves(errand.service) && kept.leaves_by(departure) && kept.connection.is_usable().await {
                self.reached = Some(kept.connection.peer());
                return Ok(kept);
            }
            // The destination may count connections: this one is over before another begins.
            kept.connection.quit().await;
        }
        let dialled = errand.unless_closing(self.dial(errand, departure, in_flight)).await?;
        self.reached = match &dialled {
            Ok(connection) => Some(connection.peer()),
            Err(Undialled::Failed { host, .. }) => Some(Peer::unreached(host)),
            Err(_) => None,
        };
        Ok(Kept { connection: dialled?, service: errand.service.cloned() })
    }

    async fn dial(
        &mut self,
        errand: &Errand<'_>,
        departure: &Departure,
        in_flight: Option<&mut InFlight>,
    ) -> Result<Connection, Undialled> {
        if let Some(in_flight) = in_flight {
            self.begins();
            return in_flight.through(Box::pin(self.line.dial(errand.service, departure))).await;
        }
        let mut dialling = self.attempts.dial(errand.claim.message.stream).await;
        self.begins();
        let connection = dialling.through(Box::pin(self.line.dial(errand.service, departure))).await?;
        self.dialling = Some(dialling);
        Ok(connection)
    }

    /// Awaits the beginning of an attempt, while what was dialled for it counts still.
    pub async fn begin(&mut self, begins: impl Future<Output = Result<InFlight, Ended>>) -> Result<InFlight, Ended> {
        match self.dialling.take() {
            Some(mut dialling) => dialling.through(begins).await,
            None => begins.await,
        }
    }

    /// Keeps a connection for what comes next.
    pub fn keep(&mut self, kept: Kept) {
        self.kept = Some(kept);
    }

    /// Ends the connection that is kept, in good manners.
    pub async fn end(&mut self) {
        if let Some(kept) = self.kept.take() {
            kept.connection.quit().await;
        }
    }
}
