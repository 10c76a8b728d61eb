//! To a smarthost: connections kept and used again, one transaction for all recipients of a message.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::delivery::client::auth::Login;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::dial::Hop;
use crate::delivery::client::mail::Mail;
use crate::delivery::client::tls::TlsClient;
use crate::delivery::client::transaction::Answer;
use crate::delivery::client::{ClientError, Connection, Step};
use crate::delivery::fate::{Fate, classify, explain, is_one_too_many, was_accepted};
use crate::delivery::pace::Pace;
use crate::delivery::route::Carried;
use crate::delivery::stamp::{stamp, unreachable};
use crate::mime::parts::Reach;
use crate::model::address::Address;
use crate::model::envelope::ForwardPath;
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

    /// Sends the claim's message, in as many transactions as it takes.
    pub async fn carry(&mut self, claim: &Claim) -> Carried {
        let reverse_path = match claim.message.reverse_path.as_deref().map(Address::parse).transpose() {
            Ok(path) => path,
            Err(e) => {
                let fate = Fate::Failed(Reply::fault(format!("the reverse-path can't be said: {e}")));
                return Carried::Fates(vec![fate; claim.recipients.len()]);
            }
        };
        let mut fates: Vec<Option<Fate>> = vec![None; claim.recipients.len()];
        let mut waiting: Vec<usize> = (0..fates.len()).collect();
        while !waiting.is_empty() {
            let group: Vec<usize> = waiting.drain(..waiting.len().min(RECIPIENTS_MAX)).collect();
            match self.transact(claim, reverse_path.as_ref(), &group, &mut fates).await {
                Ok(too_many) => waiting.extend(too_many),
                Err(ClientError::Refused(Step::Greeting, reply)) if fates.iter().all(Option::is_none) => {
                    return Carried::TurnedAway(reply.to_model());
                }
                Err(failure) => {
                    let fate = Fate::Later(explain(&failure));
                    return Carried::Fates(fates.into_iter().map(|told| told.unwrap_or_else(|| fate.clone())).collect());
                }
            }
        }
        Carried::Fates(fates.into_iter().map(|fate| fate.unwrap_or_else(|| Fate::Later(Reply::fault("not attempted")))).collect())
    }

    /// One transaction for the recipients in `group`. Returns those for whom there was no room in it. An error: nothing was sent.
    async fn transact(
        &mut self,
        claim: &Claim,
        reverse_path: Option<&Address>,
        group: &[usize],
        fates: &mut [Option<Fate>],
    ) -> Result<Vec<usize>, ClientError> {
        loop {
            let mut connection = self.connection().await?;
            let reused = connection.transactions() > 0;
            let goes = match self.fit(claim, reverse_path, group, fates, &connection) {
                Some(goes) => goes,
                None => {
                    self.connection = Some(connection);
                    return Ok(Vec::new());
                }
            };
            match connection.send(&goes.mail(reverse_path, claim)).await {
                Ok(answers) => {
                    self.connection = Some(connection);
                    return Ok(tell(&goes.places, &answers, fates));
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

    /// What can go over this connection; the fates of those who can't be reached by it are told. `None`: nobody can.
    fn fit<'a>(
        &self,
        claim: &'a Claim,
        reverse_path: Option<&Address>,
        group: &[usize],
        fates: &mut [Option<Fate>],
        connection: &Connection,
    ) -> Option<Goes<'a>> {
        let offered = connection.extensions();
        let stamped = stamp(&claim.body, reverse_path, offered, self.relay.reach);
        let (mut places, mut paths) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for &place in group {
            let path = &claim.recipients[place].path;
            let obstacle = stamped.as_ref().err().cloned().or_else(|| unreachable(&path.address, offered));
            match obstacle {
                Some(reply) => fates[place] = Some(Fate::Refused(reply)),
                None => {
                    places.push(place);
                    paths.push(path);
                }
            }
        }
        let stamped = stamped.ok()?;
        (!places.is_empty()).then_some(Goes { places, paths, stamped })
    }

    /// Ends the connection in good manners.
    pub async fn retire(self) {
        if let Some(connection) = self.connection {
            connection.quit().await;
        }
    }
}

/// What goes in one transaction.
struct Goes<'a> {
    /// The recipients' places in the claim.
    places: Vec<usize>,
    paths: Vec<&'a ForwardPath>,
    stamped: crate::delivery::stamp::Stamped,
}

impl Goes<'_> {
    fn mail<'m>(&'m self, reverse_path: Option<&'m Address>, claim: &'m Claim) -> Mail<'m> {
        Mail {
            reverse_path,
            recipients: &self.paths,
            content: &self.stamped.content,
            eight_bit: self.stamped.eight_bit,
            utf8: self.stamped.utf8 || self.paths.iter().any(|path| path.address.needs_smtputf8()),
            ret: claim.message.ret,
            envid: claim.message.envid.as_deref(),
        }
    }
}

/// Tells the fates of the recipients at `places`. Returns those the next hop takes in another transaction: it had room for some,
/// so that there is an end to it.
fn tell(places: &[usize], answers: &[Answer], fates: &mut [Option<Fate>]) -> Vec<usize> {
    let progress = answers.iter().any(was_accepted);
    let mut again = Vec::new();
    for (&place, answer) in places.iter().zip(answers) {
        if progress && is_one_too_many(answer) {
            again.push(place);
        } else {
            fates[place] = Some(classify(answer));
        }
    }
    again
}
