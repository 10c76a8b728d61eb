//! Leave to send: what warms up has a budget for the day, and each message is taken from it before it goes.

use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::clock::{Clock, Timestamp};
use crate::config::Delivery;
use crate::config::warmup::{Sender, Source};
use crate::delivery::departure::{Departure, End};
use crate::delivery::fate::Fate;
use crate::delivery::shape::sources::{Choice, Family, Origins};
use crate::delivery::shape::warmup::{Again, Budgets, Leave, Warming, of_sender};
use crate::model::message::Message;
use crate::store::{Store, StoreError};

/// What may leave from where today, in this engine's part of the budgets that all engines share.
pub struct Allowance {
    origins: Origins,
    senders: Vec<Sender>,
    budgets: Mutex<Budgets>,
    /// One at a time draws from the store: more would draw what the first one brings already.
    drawing: Semaphore,
    store: Store,
    clock: Clock,
}

/// One message's part of a budget, lent until it is dropped: unspent, it goes back.
pub struct Taken {
    allowance: Arc<Allowance>,
    warming: Warming,
    at: Timestamp,
    spent: bool,
}

/// Why a message may not leave.
#[derive(Clone, Debug)]
pub enum Denied {
    /// No budget has anything left before then; why, in words. Where it is the budgets of addresses another way may be open.
    Spent { again: Again, why: String, of_addresses: bool },
    /// The budget can't be read.
    Unknown(StoreError),
}

impl Allowance {
    /// From the configuration; `None`: it has nothing that any message would have to be asked for. An address that this machine does not
    /// have is an error.
    pub fn new(delivery: &Delivery, store: Store, clock: Clock) -> Result<Option<Arc<Self>>, String> {
        if delivery.source.is_empty() && delivery.sender.is_empty() {
            return Ok(None);
        }
        delivery.source.iter().zip(1..).try_for_each(|(source, place)| at_hand(source, place))?;
        Ok(Some(Arc::new(Self {
            origins: Origins::new(&delivery.source),
            senders: delivery.sender.clone(),
            budgets: Mutex::default(),
            drawing: Semaphore::new(1),
            store,
            clock,
        })))
    }

    /// Leave for one transaction of the message: as far as its sender's domain goes, and for an address to leave from to `destination`,
    /// a smarthost's name or that of direct mail's hosts.
    pub async fn departure(self: &Arc<Self>, message: &Message, destination: &str) -> Result<Departure, Denied> {
        let domain = message.sender_domain();
        let sender = match of_sender(&self.senders, domain) {
            Some(warming) => Some(self.take(&warming).await?),
            None => None,
        };
        // Who listens on this very machine is not reached from its public addresses, and shows none to anybody.
        if is_loopback(destination) && !self.origins.have_loopback() {
            return Ok(Departure { sender, ..Departure::default() });
        }
        let key = format!("{destination} {domain}");
        let v4 = self.end(message, Family::V4, &key).await?;
        let v6 = self.end(message, Family::V6, &key).await?;
        Ok(Departure { sender, v4, v6 })
    }

    async fn end(self: &Arc<Self>, message: &Message, family: Family, key: &str) -> Result<End, Denied> {
        let mut heard: Option<Again> = None;
        loop {
            let now = self.clock.now();
            // Chosen first: the budgets are asked again below.
            let choice = self.origins.choose(message.stream, family, key, &self.budgets(), now);
            let origin = match choice {
                Choice::Any => return Ok(End::Any),
                Choice::OtherFamily => return Ok(End::None),
                Choice::Spent(cold) => {
                    let again = heard.filter(Again::is_today).unwrap_or_else(|| self.budgets().again(cold, now));
                    return Ok(End::Spent { again, stream: message.stream });
                }
                Choice::From(origin) => origin,
            };
            let Some(warming) = &origin.warming else { return Ok(End::At(origin.address, None)) };
            match self.take(warming).await {
                Ok(taken) => return Ok(End::At(origin.address, Some(taken))),
                // It is known to be spent now: the next choice is another.
                Err(Denied::Spent { again, .. }) => heard = Some(again),
                Err(unknown) => return Err(unknown),
            }
        }
    }

    /// Takes one message's part.
    async fn take(self: &Arc<Self>, warming: &Warming) -> Result<Taken, Denied> {
        loop {
            let at = self.clock.now();
            let leave = self.budgets().spend(warming, at);
            match leave {
                Leave::Given => return Ok(Taken { allowance: self.clone(), warming: warming.clone(), at, spent: false }),
                Leave::Spent { again, budget } => {
                    let why = format!("{} warms up: today's budget of {budget} is spent", warming.name());
                    return Err(Denied::Spent { again, why, of_addresses: false });
                }
                Leave::Draw(_) => self.draw(warming).await.map_err(Denied::Unknown)?,
            }
        }
    }

    async fn draw(&self, warming: &Warming) -> Result<(), StoreError> {
        // It is never closed.
        let _turn = self.drawing.acquire().await;
        let wanted = self.budgets().wants(warming, self.clock.now());
        let Some(draw) = wanted else { return Ok(()) };
        let given = self.store.draw_budget(&draw.account, draw.day.0, draw.budget, draw.wanted).await?;
        self.budgets().drawn(&draw, given);
        Ok(())
    }

    fn budgets(&self) -> MutexGuard<'_, Budgets> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Found out before mail fails by it. A socket for datagrams is bound as others are, and nobody can connect to it.
fn at_hand(source: &Source, place: usize) -> Result<(), String> {
    let bound = UdpSocket::bind((source.address, 0));
    let failed = |e| format!("delivery.source {place} ({}): no connection can be made from this address: {e}", source.address);
    bound.map(drop).map_err(failed)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Taken {
    /// Whether the message was sent.
    pub fn spend(&mut self, spent: bool) {
        self.spent = spent;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.allowance.budgets().settle(&self.warming, self.at, self.spent);
    }
}

impl Denied {
    /// Whether the message may leave by another way.
    pub fn leaves_other_ways(&self) -> bool {
        matches!(self, Self::Spent { of_addresses: true, .. })
    }

    /// In words.
    pub fn why(&self) -> String {
        match self {
            Self::Spent { why, .. } => why.clone(),
            Self::Unknown(failure) => format!("today's budget can't be read: {failure}"),
        }
    }

    /// What that means for the recipients.
    pub fn fate(self) -> Fate {
        match self {
            Self::Spent { again: Again { from, within }, why, .. } => {
                Fate::PutOff { until: from.plus(within.mul_f64(rand::random())), why }
            }
            unknown @ Self::Unknown(_) => Fate::Hindered(unknown.why()),
        }
    }
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allowance").field("origins", &self.origins).field("senders", &self.senders).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("account", &self.warming.account).field("spent", &self.spent).finish_non_exhaustive()
    }
}
