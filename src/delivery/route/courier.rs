//! Carries one claim after another, over a connection of its own where one is needed.

use std::sync::Arc;

use crate::config::routing::RouteName;
use crate::config::shape::RECIPIENTS_AT_MOST;
use crate::delivery::allowance::{Allowance, Denied};
use crate::delivery::attempts::{Attempts, InFlight};
use crate::delivery::capacity::Underway;
use crate::delivery::client::Connection;
use crate::delivery::client::extensions::Extensions;
use crate::delivery::copies::{Copies, Room};
use crate::delivery::departure::Departure;
use crate::delivery::fate::{Fate, Fates, may_have_it};
use crate::delivery::gate::Gate;
use crate::delivery::links::LinkNames;
use crate::delivery::mx::Unroutable;
use crate::delivery::route::attempt::{Attempt, Goes, Returning};
use crate::delivery::route::capture::Capture;
use crate::delivery::route::carried::Carried;
use crate::delivery::route::direct::{Direct, Service};
use crate::delivery::route::ended::Ended;
use crate::delivery::route::kept::Kept;
use crate::delivery::route::relay::Relay;
use crate::delivery::route::undialled::Undialled;
use crate::delivery::signing::Signer;
use crate::delivery::verp::ReturnPaths;
use crate::mime::parts::Reach;
use crate::model::envelope::DsnNotify;
use crate::model::hop::Peer;
use crate::model::message::Message;
use crate::model::outcome::Reply;
use crate::model::stream::Stream;
use crate::store::handover::Claim;

/// Where a courier goes.
#[derive(Clone, Debug)]
pub enum Line {
    Capture(Capture),
    Relay(Arc<Relay>),
    Direct(Arc<Direct>),
}

impl Line {
    /// What a next hop is asked to tell us. Of one that is the last we know of success by its own reply.
    fn notify(&self) -> DsnNotify {
        DsnNotify { success: matches!(self, Self::Relay(_)), failure: true, delay: false }
    }
}

/// Carries mail along one line, over one connection at a time.
#[derive(Debug)]
pub struct Courier {
    line: Line,
    attempts: Attempts,
    /// `None`: what it carries goes unsigned.
    signer: Option<Arc<Signer>>,
    /// `None`: what comes back is heard nowhere, and every reverse-path stays.
    return_paths: Option<Arc<ReturnPaths>>,
    /// `None`: no links of ours are put in what it carries.
    link_names: Option<Arc<LinkNames>>,
    copies: Copies,
    /// `None`: what it carries needs nobody's leave.
    allowance: Option<Arc<Allowance>>,
    /// What its smarthost counts as, where it may hold a part of all attempts only.
    portion: Option<Arc<str>>,
    kept: Option<Kept>,
    /// What a connection counts as from when it is dialled until its first attempt has begun.
    dialling: Option<Underway>,
    /// By the attempt under way, or the last one.
    reached: Option<Peer>,
}

impl Courier {
    /// A courier that has not connected yet.
    pub fn new(line: Line, attempts: Attempts) -> Self {
        Self {
            line,
            attempts,
            signer: None,
            return_paths: None,
            link_names: None,
            copies: Copies::default(),
            allowance: None,
            portion: None,
            kept: None,
            dialling: None,
            reached: None,
        }
    }

    /// With somebody to sign what it carries.
    pub fn signed_by(self, signer: Arc<Signer>) -> Self {
        Self { signer: Some(signer), ..self }
    }

    /// With reverse-paths that bring back to us what comes back.
    pub fn returning_by(self, return_paths: Option<Arc<ReturnPaths>>) -> Self {
        Self { return_paths, ..self }
    }

    /// With links of ours in what has them.
    pub fn linked_by(self, link_names: Option<Arc<LinkNames>>) -> Self {
        Self { link_names, ..self }
    }

    /// With room for copies that is shared with others.
    pub fn within(self, copies: Copies) -> Self {
        Self { copies, ..self }
    }

    /// Whom the last attempt reached, or meant to reach; told once.
    pub fn reached(&mut self) -> Option<Peer> {
        self.reached.take()
    }

    /// With somebody to ask for leave before each transaction.
    pub fn with_leave_of(self, allowance: Option<Arc<Allowance>>) -> Self {
        Self { allowance, ..self }
    }

    /// To a smarthost that is one of several ways: it holds no more of the attempts than a destination does.
    pub fn beside_others(self, way: RouteName) -> Self {
        Self { portion: Some(way.to_string().into()), ..self }
    }

    /// Attempts the claim, which may be `in_flight` already and goes to `service` when it goes directly; what the gate shuts out before it
    /// is sent is released.
    pub async fn carry(&mut self, claim: &Claim, service: Option<&Service>, gate: &Gate, in_flight: Option<InFlight>) -> Carried {
        self.reached = None;
        let reach = match &self.line {
            Line::Capture(capture) => {
                let in_flight = match in_flight {
                    Some(begun) => begun,
                    None => self.attempts.begin(&claim.message, None).await,
                };
                return Carried::Fates(Fates { in_flight: Some(in_flight), ..capture.carry(claim).into() });
            }
            Line::Relay(relay) => relay.reach(),
            Line::Direct(direct) => direct.reach(),
        };
        match self.prepare(claim, reach, gate, in_flight.is_some()).await {
            Ok(attempt) => self.send(attempt, service, gate, in_flight).await,
            Err(fate) => Carried::Fates(vec![fate; claim.recipients.len()].into()),
        }
    }

    /// An attempt, with what signs its message, where it returns to and what its links are made by at hand. Keys that can't be read are no reason to send unsigned.
    async fn prepare<'c>(&self, claim: &'c Claim, reach: Reach, gate: &Gate, begun: bool) -> Result<Attempt<'c>, Fate> {
        let unread = |e| Fate::Hindered(format!("the keys that sign can't be read: {e}"));
        let signing = match &self.signer {
            Some(signer) => signer.of(&claim.message).await.map_err(unread)?,
            None => None,
        };
        let unknown = |e| Fate::Hindered(format!("the return path can't be looked up: {e}"));
        let path = match &self.return_paths {
            Some(paths) => paths.of(&claim.message).await.map_err(unknown)?,
            None => None,
        };
        let unmade = |e| Fate::Hindered(format!("the links can't be made: {e}"));
        let links = match &self.link_names {
            Some(names) => names.of(&claim.message).await.map_err(unmade)?,
            None => None,
        };
        // What comes of reading it counts as well; dialling, which may take minutes, does not.
        let _reading = match begun {
            true => None,
            false => Some(self.begin(&claim.message, None, gate).await.map_err(Ended::fate)?),
        };
        let returning = path.map(|path| Returning { path, notify: self.line.notify() });
        Ok(Attempt::new(claim, reach, signing, returning)?.linked_by(links))
    }

    /// Sends the claim's message, in as many transactions as it takes and the gate lets begin.
    async fn send(
        &mut self,
        mut attempt: Attempt<'_>,
        service: Option<&Service>,
        gate: &Gate,
        mut in_flight: Option<InFlight>,
    ) -> Carried {
        let most = service.map_or(RECIPIENTS_AT_MOST, |service| service.limits.recipients_per_message);
        let most = attempt.claim.message.recipients_at_once(most);
        let mut waiting: Vec<usize> = (0..attempt.claim.recipients.len()).collect();
        let mut rest = Fate::Later(Reply::fault("not attempted"));
        while !waiting.is_empty() {
            let group = attempt.next_of(&mut waiting, most);
            match self.transact(&mut attempt, service, gate, &group, &mut in_flight).await {
                Ok(too_many) => waiting.extend(too_many),
                Err(Ended::Away(away)) if attempt.is_untold() => return Carried::Away(away),
                Err(Ended::Denied(denied)) if attempt.is_untold() && denied.leaves_other_ways() => {
                    return Carried::Denied(denied);
                }
                Err(ended) => {
                    rest = ended.fate();
                    break;
                }
            }
        }
        let mut fates = attempt.fates(&rest, in_flight);
        if matches!(self.line, Line::Direct(_)) {
            fates.each.iter_mut().for_each(Fate::arrive);
        }
        Carried::Fates(fates)
    }

    /// One transaction for the recipients in `group`. Returns those for whom there was no room in it. An error: nothing was sent.
    async fn transact(
        &mut self,
        attempt: &mut Attempt<'_>,
        service: Option<&Service>,
        gate: &Gate,
        group: &[usize],
        in_flight: &mut Option<InFlight>,
    ) -> Result<Vec<usize>, Ended> {
        let mut departure = self.departure(&attempt.claim.message, service).await.map_err(Ended::Denied)?;
        loop {
            // What is in flight counts enough: nobody waits for leave to dial while it holds an attempt.
            let counted = in_flight.is_none().then_some(attempt.claim.message.stream);
            let mut kept = self.connection(counted, service, &departure, gate).await?;
            let connection = &mut kept.connection;
            self.reached = Some(connection.peer());
            let reused = connection.transactions() > 0;
            let in_flight = match in_flight {
                Some(begun) => begun,
                None => in_flight.insert(self.begin_here(&attempt.claim.message, service, gate).await?),
            };
            let (goes, _room) = match self.load(attempt, group, connection.extensions(), service, gate).await {
                Ok(Some(loaded)) => loaded,
                nothing => {
                    self.kept = Some(kept);
                    return nothing.map(|_| Vec::new());
                }
            };
            let peer = connection.peer_address();
            departure.spend(peer, true);
            match in_flight.through(Box::pin(connection.send(&goes.mail(attempt)))).await {
                Ok(answers) => {
                    departure.spend(peer, answers.iter().any(may_have_it));
                    self.kept = Some(kept);
                    return Ok(attempt.tell(&goes, &answers));
                }
                // A connection that was kept may have gone stale meanwhile: nothing was begun, and nothing is counted.
                Err(failure) if reused && failure.is_stale() => departure.spend(peer, false),
                Err(failure) => {
                    departure.spend(peer, false);
                    return Err(failure.into());
                }
            }
        }
    }

    /// What goes to those of `group` at a next hop that offers this, with the room it takes. `None`: nothing; they are told, or released.
    async fn load<'a>(
        &self,
        attempt: &mut Attempt<'a>,
        group: &[usize],
        offered: &Extensions,
        service: Option<&Service>,
        gate: &Gate,
    ) -> Result<Option<(Goes<'a>, Option<Room>)>, Ended> {
        let room = self.room(attempt.copied(group, offered), service, gate).await?;
        let goes = attempt.fit(group, offered);
        // Dialling may have taken minutes, and so may the transaction before.
        if !gate.lets(attempt.claim.epoch) {
            attempt.release(group);
            return Ok(None);
        }
        Ok(goes.map(|goes| (goes, room)))
    }

    /// Waits until another attempt may begin; where the house closes none does.
    async fn begin(&self, message: &Message, destination: Option<&Arc<str>>, gate: &Gate) -> Result<InFlight, Ended> {
        tokio::select! {
            begun = self.attempts.begin(message, destination) => Ok(begun),
            () = gate.drained() => Err(Ended::Closing),
        }
    }

    /// The same for mail that has its connection, which was dialled for it or kept.
    async fn begin_here(&mut self, message: &Message, service: Option<&Service>, gate: &Gate) -> Result<InFlight, Ended> {
        let dialling = self.dialling.take();
        let destination = service.map(|service| &service.destination).or(self.portion.as_ref());
        let begins = self.begin(message, destination, gate);
        match dialling {
            Some(mut dialling) => dialling.through(begins).await,
            None => begins.await,
        }
    }

    /// Room for so many octets that the next hop gets instead of the stored ones.
    async fn room(&self, octets: usize, service: Option<&Service>, gate: &Gate) -> Result<Option<Room>, Ended> {
        tokio::select! {
            room = self.copies.room(octets, self.hop(service).unwrap_or_default()) => room.map_err(Ended::Hindered),
            () = gate.drained() => Err(Ended::Closing),
        }
    }

    /// What the next hop is called.
    fn hop<'h>(&'h self, service: Option<&'h Service>) -> Option<&'h str> {
        match (&self.line, service) {
            (Line::Relay(relay), _) => Some(relay.host()),
            (_, service) => service.map(|service| &*service.destination),
        }
    }

    /// Leave for one transaction.
    async fn departure(&self, message: &Message, service: Option<&Service>) -> Result<Departure, Denied> {
        match (&self.allowance, self.hop(service)) {
            (Some(allowance), Some(to)) => allowance.departure(message, to).await,
            _ => Ok(Departure::default()),
        }
    }

    /// The connection that is kept, when it is still good for this service and leaves from where it should, or a new one, which is `counted`
    /// for this stream.
    async fn connection(
        &mut self,
        counted: Option<Stream>,
        service: Option<&Service>,
        departure: &Departure,
        gate: &Gate,
    ) -> Result<Kept, Ended> {
        if let Some(mut kept) = self.kept.take() {
            if kept.serves(service) && kept.leaves_by(departure) && kept.connection.is_usable().await {
                return Ok(kept);
            }
            // The destination may count connections: this one is over before another begins.
            kept.connection.quit().await;
        }
        let dialled = tokio::select! {
            dialled = self.dial_in_turn(counted, service, departure) => dialled,
            // It may take minutes, and what it is for could not be sent any more.
            () = gate.drained() => return Err(Ended::Closing),
        };
        let keep = |connection| Kept { connection, service: service.cloned() };
        dialled.map(keep).map_err(|undialled| {
            if let Undialled::Failed { host, .. } = &undialled {
                self.reached = Some(Peer::unreached(host));
            }
            undialled.into()
        })
    }

    async fn dial_in_turn(
        &mut self,
        counted: Option<Stream>,
        service: Option<&Service>,
        departure: &Departure,
    ) -> Result<Connection, Undialled> {
        let Some(stream) = counted else { return self.dial(service, departure).await };
        let mut dialling = self.attempts.dial(stream).await;
        let connection = dialling.through(Box::pin(self.dial(service, departure))).await?;
        self.dialling = Some(dialling);
        Ok(connection)
    }

    async fn dial(&self, service: Option<&Service>, departure: &Departure) -> Result<Connection, Undialled> {
        match (&self.line, service) {
            (Line::Relay(relay), _) => relay.dial(departure).await,
            (Line::Direct(direct), Some(service)) => direct.dial(service, departure).await,
            _ => Err(Undialled::Unroutable(Unroutable::Later(Reply::fault("nothing leaves by this line")))),
        }
    }

    /// Ends the connection in good manners.
    pub async fn retire(self) {
        if let Some(kept) = self.kept {
            kept.connection.quit().await;
        }
    }
}
