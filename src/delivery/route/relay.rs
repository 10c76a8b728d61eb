//! To a smarthost: connections kept and used again, one transaction for all recipients of a message.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::delivery::client::auth::Login;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::dial::Hop;
use crate::delivery::client::tls::TlsClient;
use crate::delivery::client::{ClientError, Connection, Step};
use crate::delivery::fate::{Fate, explain};
use crate::delivery::gate::Gate;
use crate::delivery::pace::Pace;
use crate::delivery::route::Carried;
use crate::delivery::route::attempt::Attempt;
use crate::mime::parts::Reach;
use crate::model::outcome::Reply;
use crate::store::handover::Claim;

/// Recipients of one transaction: the number that RFC 5321 section 4.5.3.1.8 lets us count on.
const RECIPIENTS_MAX: usize = 100;

/// The smarthost.
pub struct Relay {
    hop: Hop,
    /// How far into a message re-encoding goes.
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
            tls: relay.tls,
            login,
            hello: hello_name(config),
            tls_client: TlsClient::new(&ca).map_err(|e| format!("delivery.relay.ca: {e}"))?,
            deadlines: Arc::new(deadlines),
        };
        Ok(Self { hop, reach: Reach::new(&config.smtp.limits), outage_lasts: pace.outage, outage: Mutex::new(None) })
    }

    /// A connection, unless it was found out a moment ago that there is none to be had.
    async fn dial(&self) -> Result<Connection, ClientError> {
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

/// Carries mail to the smarthost, over one connection at a time.
#[derive(Debug)]
pub struct RelayCourier {
    relay: Arc<Relay>,
    connection: Option<Connection>,
}

impl RelayCourier {
    /// A courier that has not connected yet.
    pub fn new(relay: Arc<Relay>) -> Self {
        Self { relay, connection: None }
    }

    /// Sends the claim's message, in as many transactions as it takes and the gate lets begin.
    pub async fn carry(&mut self, claim: &Claim, gate: &Gate) -> Carried {
        let mut attempt = match Attempt::new(claim, self.relay.reach) {
            Ok(attempt) => attempt,
            Err(fate) => return Carried::Fates(vec![fate; claim.recipients.len()]),
        };
        let mut waiting: Vec<usize> = (0..claim.recipients.len()).collect();
        while !waiting.is_empty() {
            let group: Vec<usize> = waiting.drain(..waiting.len().min(RECIPIENTS_MAX)).collect();
            match self.transact(&mut attempt, gate, &group).await {
                Ok(too_many) => waiting.extend(too_many),
                Err(ClientError::Refused(Step::Greeting, reply)) if attempt.is_untold() => {
                    return Carried::TurnedAway(reply.to_model());
                }
                Err(failure) => return Carried::Fates(attempt.fates(&Fate::Later(explain(&failure)))),
            }
        }
        Carried::Fates(attempt.fates(&Fate::Later(Reply::fault("not attempted"))))
    }

    /// One transaction for the recipients in `group`. Returns those for whom there was no room in it. An error: nothing was sent.
    async fn transact(&mut self, attempt: &mut Attempt<'_>, gate: &Gate, group: &[usize]) -> Result<Vec<usize>, ClientError> {
        loop {
            let mut connection = self.connection().await?;
            let reused = connection.transactions() > 0;
            let goes = attempt.fit(group, connection.extensions());
            // Dialling may have taken minutes, and so may the transaction before.
            let shut = !gate.lets(attempt.claim.epoch);
            let Some(goes) = goes.filter(|_| !shut) else {
                self.connection = Some(connection);
                attempt.release(group);
                return Ok(Vec::new());
            };
            match connection.send(&goes.mail(attempt)).await {
                Ok(answers) => {
                    self.connection = Some(connection);
                    return Ok(attempt.tell(&goes.places, &answers));
                }
                // A connection that was kept may have gone stale meanwhile: nothing was begun, and nothing is counted.
                Err(_) if reused => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The connection that is kept, when it is still good, or a new one.
    async fn connection(&mut self) -> Result<Connection, ClientError> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_usable().await
        {
            return Ok(kept);
        }
        self.relay.dial().await
    }

    /// Ends the connection in good manners.
    pub async fn retire(self) {
        if let Some(connection) = self.connection {
            connection.quit().await;
        }
    }
}
