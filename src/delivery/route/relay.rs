//! To a smarthost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::config::{self, Config};
use crate::delivery::client::auth::Login;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::dial::{Hop, Terms};
use crate::delivery::client::tls::TlsClient;
use crate::delivery::client::{ClientError, Connection, Step};
use crate::delivery::departure::Departure;
use crate::delivery::mx::Own;
use crate::delivery::pace::Pace;
use crate::delivery::route::hello_name;
use crate::delivery::route::undialled::Undialled;
use crate::mime::parts::Reach;

/// The smarthost.
pub struct Relay {
    hop: Hop,
    reach: Reach,
    outage_lasts: Duration,
    own: Own,
    /// The last failure to reach it at all, while it is fresh.
    outage: Mutex<Option<(Instant, ClientError)>>,
}

impl Relay {
    /// One of the smarthosts of the configuration; reads the certificates it names. `key` is where it stands there.
    pub fn new(
        relay: &config::Relay,
        key: &str,
        config: &Config,
        deadlines: Arc<Deadlines>,
        pace: &Pace,
    ) -> Result<Self, String> {
        let ca = match relay.ca.as_str() {
            "" => Vec::new(),
            file => std::fs::read(file).map_err(|e| format!("{key}.ca = {file:?}: {e}"))?,
        };
        let login =
            (!relay.username.is_empty()).then(|| Login { username: relay.username.clone(), password: relay.password.0.clone() });
        let hop = Hop {
            host: relay.host.clone(),
            port: relay.port,
            addresses: Vec::new(),
            sources: Vec::new(),
            terms: Terms::Relay(relay.tls),
            login,
            transactions_max: relay.messages_per_connection.get(),
            hello: hello_name(config),
            tls_client: TlsClient::new(&ca).map_err(|e| format!("{key}.ca: {e}"))?,
            deadlines,
        };
        let reach = Reach::new(&config.smtp.limits);
        Ok(Self { hop, reach, outage_lasts: pace.outage, own: Own::new(config), outage: Mutex::new(None) })
    }

    /// How far into a message re-encoding goes.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The host's name, as configured.
    pub fn host(&self) -> &str {
        &self.hop.host
    }

    /// A connection from where leave was given, unless it was found out a moment ago that there is none to be had.
    pub async fn dial(&self, departure: &Departure) -> Result<Connection, Undialled> {
        if let Some((since, failure)) = self.outage().as_ref()
            && since.elapsed() < self.outage_lasts
        {
            return Err(self.failed(failure.clone()));
        }
        let in_time = timeout(self.hop.deadlines.dial, self.dial_from(departure)).await;
        let dialled = in_time.unwrap_or_else(|_| Err(self.failed(ClientError::Timeout(Step::Connect))));
        if let Err(Undialled::Failed { failure: failure @ ClientError::Unreachable { .. }, .. }) = &dialled {
            *self.outage() = Some((Instant::now(), failure.clone()));
        }
        dialled
    }

    async fn dial_from(&self, departure: &Departure) -> Result<Connection, Undialled> {
        let found = self.hop.resolve().await.map_err(|failure| self.failed(failure))?;
        if found.iter().any(|address| self.own.answers_at(*address)) {
            return Err(self.failed(self.loops()));
        }
        let addresses = departure.opened(found).map_err(|denied| Undialled::closed(&self.hop.host, denied))?;
        let hop = Hop { addresses, sources: departure.sources(), ..self.hop.clone() };
        hop.dial().await.map_err(|failure| self.failed(failure))
    }

    /// The mail waits: whoever named our own listener as the smarthost will want it elsewhere.
    fn loops(&self) -> ClientError {
        let cause = "it is a listener of this gateway, to which its own mail would come back".to_owned();
        ClientError::Unreachable { peer: format!("{}:{}", self.hop.host, self.hop.port), cause }
    }

    fn failed(&self, failure: ClientError) -> Undialled {
        Undialled::Failed { host: self.hop.host.clone(), failure }
    }

    fn outage(&self) -> std::sync::MutexGuard<'_, Option<(Instant, ClientError)>> {
        self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relay({}:{})", self.hop.host, self.hop.port)
    }
}
