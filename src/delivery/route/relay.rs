//! To a smarthost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::delivery::client::auth::Login;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::dial::{Hop, Terms};
use crate::delivery::client::tls::TlsClient;
use crate::delivery::client::{ClientError, Connection};
use crate::delivery::pace::Pace;
use crate::mime::parts::Reach;

/// The smarthost.
pub struct Relay {
    hop: Hop,
    reach: Reach,
    outage_lasts: Duration,
    /// The last failure to reach it at all, while it is fresh.
    outage: Mutex<Option<(Instant, ClientError)>>,
}

impl Relay {
    /// From the configuration; reads the certificates it names.
    pub fn new(config: &Config, deadlines: Deadlines, pace: &Pace) -> Result<Self, String> {
        let relay = &config.delivery.relay;
        let ca = match relay.ca.as_str() {
            "" => Vec::new(),
            file => std::fs::read(file).map_err(|e| format!("delivery.relay.ca = {file:?}: {e}"))?,
        };
        let login =
            (!relay.username.is_empty()).then(|| Login { username: relay.username.clone(), password: relay.password.0.clone() });
        let hop = Hop {
            host: relay.host.clone(),
            port: relay.port,
            addresses: Vec::new(),
            terms: Terms::Relay(relay.tls),
            login,
            hello: hello_name(config),
            tls_client: TlsClient::new(&ca).map_err(|e| format!("delivery.relay.ca: {e}"))?,
            deadlines: Arc::new(deadlines),
        };
        Ok(Self { hop, reach: Reach::new(&config.smtp.limits), outage_lasts: pace.outage, outage: Mutex::new(None) })
    }

    /// How far into a message re-encoding goes.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// A connection, unless it was found out a moment ago that there is none to be had.
    pub async fn dial(&self) -> Result<Connection, ClientError> {
        if let Some((since, failure)) = self.outage().as_ref()
            && since.elapsed() < self.outage_lasts
        {
            return Err(failure.clone());
        }
        let dialled = self.hop.dial().await;
        if let Err(failure @ ClientError::Unreachable { .. }) = &dialled {
            *self.outage() = Some((Instant::now(), failure.clone()));
        }
        dialled
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

/// The EHLO name: as configured, else the machine's when it is fully qualified, else none (then an address literal is said).
fn hello_name(config: &Config) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let names = [config.delivery.hostname.as_str(), machine.trim()];
    let good = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b));
    let qualified = |name: &&str| *name == config.delivery.hostname || name.contains('.');
    names.into_iter().filter(good).find(qualified).unwrap_or_default().to_owned()
}
