//! Carries one claim after another, over a connection of its own where one is needed.

use std::sync::Arc;

use tokio::time::Instant;

use crate::config::routing::RouteName;
use crate::delivery::allowance::Denied;
use crate::delivery::attempts::InFlight;
use crate::delivery::client::extensions::Extensions;
use crate::delivery::departure::Departure;
use crate::delivery::fate::{Fate, Fates, may_have_it};
use crate::delivery::parcel::is_of_one_domain;
use crate::delivery::route::attempt::{Attempt, Goes, Returning};
use crate::delivery::route::carried::Carried;
use crate::delivery::route::connections::Connections;
use crate::delivery::route::ended::Ended;
use crate::delivery::route::errand::Errand;
use crate::delivery::route::line::Line;
use crate::delivery::route::means::Means;
use crate::mime::parts::Reach;
use crate::model::hop::Peer;
use crate::model::outcome::Reply;

/// Carries mail along one line, over one connection at a time.
#[derive(Debug)]
pub struct Courier {
    means: Means,
    connections: Connections,
    /// What its smarthost counts as, where it may hold a part of all attempts only.
    portion: Option<Arc<str>>,
}

impl Courier {
    /// A courier that has not connected yet.
    pub fn new(line: Line, means: Means) -> Self {
        Self { connections: Connections::new(line, means.attempts.clone()), means, portion: None }
    }

    /// To a smarthost that is one of several ways: it holds no more of the attempts than a destination does.
    pub fn beside_others(self, way: RouteName) -> Self {
        Self { portion: Some(way.to_string().into()), ..self }
    }

    /// Whom the last attempt reached, or meant to reach; told once.
    pub fn reached(&mut self) -> Option<Peer> {
        self.connections.reached()
    }

    /// When the last attempt's last connection or MAIL was begun, and not when that began to wait; told once. `None`: there was neither,
    /// and the attempt tells nothing of the next hop.
    pub fn began(&mut self) -> Option<Instant> {
        self.connections.began()
    }

    /// Attempts the errand's claim, which may be `in_flight` already.
    pub async fn carry(&mut self, errand: &Errand<'_>, in_flight: Option<InFlight>) -> Carried {
        let _of_the_last = (self.connections.reached(), self.connections.began());
        let reach = match &self.connections.line {
            Line::Capture(capture) => {
                let in_flight = match in_flight {
                    Some(begun) => begun,
                    None => self.means.attempts.begin(&errand.claim.message, None).await,
                };
                return Carried::Fates(Fates { in_flight: Some(in_flight), ..capture.carry(errand.claim).into() });
            }
            Line::Relay(relay) => relay.reach(),
            Line::Direct(direct) => direct.reach(),
        };
        match self.prepare(errand, reach).await {
            Ok(attempt) => self.send(attempt, errand, in_flight).await,
            Err(fate) => Carried::Fates(vec![fate; errand.claim.recipients.len()].into()),
        }
    }

    /// An attempt, with what signs its message, where it returns to and what its links are made by at hand. Keys that can't be read are
    /// no reason to send unsigned.
    async fn prepare<'c>(&self, errand: &Errand<'c>, reach: Reach) -> Result<Attempt<'c>, Fate> {
        let message = &errand.claim.message;
        let unread = |e| Fate::Hindered(format!("the keys that sign can't be read: {e}"));
        let signing = match &self.means.signer {
            Some(signer) => signer.of(message).await.map_err(unread)?,
            None => None,
        };
        let unknown = |e| Fate::Hindered(format!("the return path can't be looked up: {e}"));
        let path = match &self.means.return_paths {
            // Its records may have come while mail waited that was not parted for them.
            Some(paths) if is_of_one_domain(errand.claim) => paths.of(message).await.map_err(unknown)?,
            _ => None,
        };
        let unmade = |e| Fate::Hindered(format!("the links can't be made: {e}"));
        let links = match &self.means.link_names {
            Some(names) => names.of(message).await.map_err(unmade)?,
            None => None,
        };
        let returning = path.map(|path| Returning { path, notify: self.connections.line.notify() });
        Ok(Attempt::new(errand.claim, reach, signing, returning)?.linked_by(links))
    }

    /// Sends the claim's message, when the gate lets it begin.
    async fn send(&mut self, mut attempt: Attempt<'_>, errand: &Errand<'_>, mut in_flight: Option<InFlight>) -> Carried {
        let rest = match self.transact(&mut attempt, errand, &mut in_flight).await {
            Ok(()) => Fate::Later(Reply::fault("not attempted")),
            Err(Ended::Away(away)) if attempt.is_untold() => return Carried::Away(away),
            Err(Ended::Denied(denied)) if attempt.is_untold() && denied.leaves_other_ways() => return Carried::Denied(denied),
            Err(ended) => ended.fate(),
        };
        let mut fates = attempt.fates(&rest, in_flight);
        if matches!(self.connections.line, Line::Direct(_)) {
            fates.each.iter_mut().for_each(Fate::arrive);
        }
        Carried::Fates(fates)
    }

    /// One transaction for all recipients. An error: nothing was sent.
    async fn transact(
        &mut self,
        attempt: &mut Attempt<'_>,
        errand: &Errand<'_>,
        in_flight: &mut Option<InFlight>,
    ) -> Result<(), Ended> {
        let mut departure = self.departure(errand).await.map_err(Ended::Denied)?;
        loop {
            let mut kept = self.connections.open(errand, &departure, in_flight.as_mut()).await?;
            let connection = &mut kept.connection;
            let reused = connection.transactions() > 0;
            let in_flight = match in_flight {
                Some(begun) => begun,
                None => in_flight.insert(self.begin(errand).await?),
            };
            let goes = match self.load(attempt, errand, in_flight, connection.extensions()).await {
                Ok(Some(loaded)) => loaded,
                nothing => {
                    self.connections.keep(kept);
                    return nothing.map(|_| ());
                }
            };
            let peer = connection.peer_address();
            departure.spend(peer, true);
            self.connections.begins();
            match in_flight.through(Box::pin(connection.send(&goes.mail(attempt)))).await {
                Ok(answers) => {
                    departure.spend(peer, answers.iter().any(may_have_it));
                    self.connections.keep(kept);
                    attempt.tell(&goes, &answers);
                    return Ok(());
                }
                // A connection that was kept may have gone stale meanwhile: nothing was begun, and nothing is counted.
                Err(failure) if reused && failure.is_stale() => {
                    departure.spend(peer, false);
                    attempt.went_stale(&failure);
                }
                Err(failure) => {
                    departure.spend(peer, false);
                    return Err(failure.into());
                }
            }
        }
    }

    /// Leave for one transaction.
    async fn departure(&self, errand: &Errand<'_>) -> Result<Departure, Denied> {
        match (&self.means.allowance, self.connections.line.hop(errand.service)) {
            (Some(allowance), Some(to)) => allowance.departure(&errand.claim.message, to).await,
            _ => Ok(Departure::default()),
        }
    }

    /// Waits until the attempt may begin, over the connection that it has.
    async fn begin(&mut self, errand: &Errand<'_>) -> Result<InFlight, Ended> {
        let destination = errand.service.map(|service| &service.destination).or(self.portion.as_ref());
        let begins = self.means.attempts.begin(&errand.claim.message, destination);
        self.connections.begin(errand.unless_closing(begins)).await
    }

    /// What goes to a next hop that offers this, when its turn has come. `None`: nothing; its recipients are told, or released.
    async fn load<'a>(
        &self,
        attempt: &mut Attempt<'a>,
        errand: &Errand<'_>,
        in_flight: &mut InFlight,
        offered: &Extensions,
    ) -> Result<Option<Goes<'a>>, Ended> {
        let hop = self.connections.line.hop(errand.service).unwrap_or_default();
        let room = self.means.copies.room(attempt.copied(offered), hop);
        let room = errand.unless_closing(room).await?.map_err(Ended::Hindered)?;
        errand.departs(in_flight).await?;
        // What was waited for may have taken minutes.
        if !errand.gate.lets(attempt.claim.epoch) {
            attempt.release();
            return Ok(None);
        }
        Ok(attempt.fit(offered, room))
    }

    /// Ends the connection in good manners.
    pub async fn retire(&mut self) {
        self.connections.end().await;
    }
}
