//! Who works at a destination: takes one parcel after another, has it carried, and tells what came of it.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, timeout};

use crate::delivery::attempts::InFlight;
use crate::delivery::dispatch::Dispatch;
use crate::delivery::fate::{Fate, Fates};
use crate::delivery::gate::Gate;
use crate::delivery::parcel::Parcel;
use crate::delivery::poison::{Panicked, guarded};
use crate::delivery::queue::Queue;
use crate::delivery::route::Destination;
use crate::delivery::route::carried::{Away, Carried};
use crate::delivery::route::courier::Courier;
use crate::delivery::route::errand::Errand;
use crate::delivery::shape::manner::{Sign, asks_for_less, is_grey};
use crate::delivery::trial::{ALONE_AT_MOST, held};
use crate::model::hop::Hop;
use crate::model::message::Message;
use crate::model::outcome::Reply;

/// One who works at a destination, over a connection of its own.
pub(super) struct Runner {
    dispatch: Arc<Dispatch>,
    destination: Destination,
    queue: Arc<Queue>,
    courier: Courier,
    /// The message of the parcel in hand, and whether it is a suspect: what the queue counts of it.
    in_hand: Option<(Arc<Message>, bool)>,
}

impl Runner {
    /// Begins to work, at a queue that counts it already, until there is nothing more to do.
    pub fn start(dispatch: Arc<Dispatch>, destination: Destination, queue: Arc<Queue>) {
        let Some(courier) = dispatch.routes.courier(&destination) else { return };
        let runtime = dispatch.runtime.clone();
        let mut runner = Self { dispatch, destination, queue, courier, in_hand: None };
        runtime.spawn(async move {
            let worked = guarded(runner.work()).await;
            let _ = guarded(Box::pin(runner.courier.retire())).await;
            match worked {
                Ok(()) => runner.call(runner.queue.gone()),
                Err(Panicked) => runner.fell(),
            }
        });
    }

    /// Until this runner has left the queue.
    async fn work(&mut self) {
        while let Some(parcel) = self.queue.next(&self.dispatch.gate).await {
            self.in_hand = Some((parcel.claim.message.clone(), parcel.suspect));
            if !self.attempt(parcel).await {
                return;
            }
        }
    }

    /// A panic beside the attempt itself: its claim is found by those who look for orphans, and somebody else works on.
    fn fell(&mut self) {
        let in_hand = self.in_hand.take();
        let message = in_hand.as_ref().map(|(message, _)| message.id.to_string()).unwrap_or_default();
        tracing::error!(message, "a runner panicked");
        let counted = in_hand.map(|(message, suspect)| (message.stream, suspect.then_some(message.id)));
        self.call(self.queue.fell(counted));
    }

    /// The queue counts the parcel in hand no more; another runner comes, when one is wanted, and what waits at a destination that takes
    /// nothing any more comes again later.
    fn done(&mut self, parcel: &Parcel, sign: Option<Sign<'_>>, began: Instant) {
        self.in_hand = None;
        self.call(self.queue.done(parcel, sign, began));
        for (parcel, put_off) in self.queue.put_off(self.dispatch.clock.now()) {
            self.dispatch.put_off(parcel, put_off);
        }
    }

    /// Another one comes, when one is wanted.
    fn call(&self, wanted: bool) {
        if wanted {
            Self::start(self.dispatch.clone(), self.destination.clone(), self.queue.clone());
        }
    }

    /// One attempt at a parcel. False: this runner has left the queue, and goes.
    async fn attempt(&mut self, mut parcel: Parcel) -> bool {
        let began = Instant::now();
        match self.dispatch.heed_barriers(&mut parcel).await {
            Ok(()) if parcel.claim.recipients.is_empty() => self.done(&parcel, None, began),
            Ok(()) => return self.carry(parcel, began).await,
            Err(fate) => {
                self.done(&parcel, None, began);
                let hop = parcel.hop(None, began.elapsed());
                self.dispatch.conclude_all(parcel, fate, hop);
            }
        }
        true
    }

    /// Has a parcel carried to those that are left in it. False: this runner has left the queue, and goes.
    async fn carry(&mut self, mut parcel: Parcel, taken: Instant) -> bool {
        let patience = self.dispatch.pace.patience;
        let carried = match parcel.suspect {
            true => parcel.place.through(patience, Box::pin(self.carry_suspect(&parcel))).await,
            false => {
                let errand = errand(&parcel, &self.dispatch.gate, &self.queue);
                let carrying = self.courier.carry(&errand, None);
                parcel.place.through(patience, guarded(Box::pin(carrying))).await
            }
        };
        let hop = parcel.hop(self.courier.reached(), taken.elapsed());
        let said = self.courier.began();
        let began = said.unwrap_or(taken);
        match carried {
            Ok(Carried::Fates(mut fates)) => {
                // To whom nothing was said, of that nothing was learnt.
                let sign = said.and_then(|_| sign(&self.destination, &fates));
                self.done(&parcel, sign, began);
                // One more message to the destination, which waits for its turn like any other.
                if let Some(left_over) = parcel.take_left_over(&mut fates.each) {
                    self.dispatch.enqueue(self.destination.clone(), left_over);
                }
                self.dispatch.conclude(parcel, fates, hop);
            }
            Ok(Carried::Away(away)) => return self.stayed_away(parcel, away, began, hop),
            Ok(Carried::Denied(denied)) => {
                self.done(&parcel, None, began);
                self.dispatch.overflow(parcel, denied, hop);
            }
            Err(Panicked) => {
                if let Some(fresh) = self.dispatch.routes.courier(&self.destination) {
                    self.courier = fresh;
                }
                let fate = self.dispatch.trials.panicked(&parcel.claim.message).await;
                self.done(&parcel, None, began);
                self.dispatch.conclude_all(parcel, fate, hop);
            }
        }
        true
    }

    /// The next hop took no connection. False: others serve it well enough, and this runner goes.
    fn stayed_away(&mut self, parcel: Parcel, away: Away, began: Instant, hop: Hop) -> bool {
        let parcel = match &away {
            Away::TurnedUs(_) => match self.queue.turned_away(parcel) {
                None => {
                    self.in_hand = None;
                    return false;
                }
                Some(parcel) => parcel,
            },
            Away::Unreachable(_) => parcel,
        };
        self.done(&parcel, Some(away.sign()), began);
        self.dispatch.onwards(parcel, away, hop);
        true
    }

    /// An attempt at what was in flight when a process died: alone, if that can be had, and for a while; the next in the file waits.
    async fn carry_suspect(&mut self, parcel: &Parcel) -> Result<Carried, Panicked> {
        let claim = &parcel.claim;
        let trials = &self.dispatch.trials;
        if trials.is_convicted(&claim.message).await {
            return Ok(Carried::Fates(vec![held(); claim.recipients.len()].into()));
        }
        let mut trial = trials.begin(&claim.message).await;
        let in_flight: Option<InFlight> = trial.in_flight.take();
        let errand = errand(parcel, &self.dispatch.gate, &self.queue);
        let mut carrying = pin!(guarded(Box::pin(self.courier.carry(&errand, in_flight))));
        let carried = match timeout(ALONE_AT_MOST, &mut carrying).await {
            Ok(carried) => carried,
            Err(_) => {
                trial.relent();
                if self.queue.move_file_on(claim.message.id) {
                    Self::start(self.dispatch.clone(), self.destination.clone(), self.queue.clone());
                }
                carrying.await
            }
        };
        drop(trial);
        if let Ok(Carried::Fates(fates)) = &carried
            && fates.each.iter().all(Fate::is_attempted)
        {
            trials.acquit(&claim.message).await;
        }
        carried
    }
}

fn errand<'a>(parcel: &'a Parcel, gate: &'a Gate, queue: &'a Queue) -> Errand<'a> {
    Errand { claim: &parcel.claim, service: parcel.service.as_deref(), gate, queue: Some(queue) }
}

/// What the fates of an attempt tell of the destination as a whole. A smarthost passes on what others said to it: of itself it speaks by
/// 421 alone. One that breaks off all conversations, and takes nothing, is as good as one that can't be reached.
fn sign<'a>(destination: &Destination, fates: &'a Fates) -> Option<Sign<'a>> {
    let asks = |reply: &Reply| match destination {
        Destination::Hosts(..) => asks_for_less(reply),
        Destination::Relay(_) => reply.code == 421,
        Destination::Capture => false,
    };
    if let Some(reply) = &fates.slow_down {
        return Some(Sign::SlowDown(reply));
    }
    let later = |fate: &'a Fate| if let Fate::Later(reply) = fate { Some(reply) } else { None };
    if let Some(reply) = fates.each.iter().filter_map(later).find(|reply| asks(reply)) {
        return Some(Sign::SlowDown(reply));
    }
    if let Some(reply) = fates.broke_off.as_ref().filter(|_| !fates.each.iter().any(Fate::is_taken)) {
        return Some(Sign::Unreachable(reply));
    }
    let mut attempted = fates.each.iter().filter(|fate| fate.is_attempted());
    let first = later(attempted.next()?).filter(|reply| is_deferral(destination, reply));
    let all = attempted.all(|fate| later(fate).is_some_and(|reply| is_deferral(destination, reply)));
    Some(first.filter(|_| all).map_or(Sign::Took, Sign::Deferred))
}

/// Whether a destination out there has put off a recipient, by no greylisting.
fn is_deferral(destination: &Destination, reply: &Reply) -> bool {
    matches!(destination, Destination::Hosts(..)) && reply.code / 100 == 4 && !is_grey(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::fate::Concerns;

    fn name(sign: Sign<'_>) -> &'static str {
        match sign {
            Sign::Took => "took",
            Sign::Deferred(_) => "deferred",
            Sign::SlowDown(_) => "slow down",
            Sign::Unreachable(_) | Sign::Refused(_) => "away",
        }
    }

    #[test]
    fn who_breaks_off_and_takes_nothing_is_as_good_as_away() {
        let hosts = Destination::Hosts("mx:a".into());
        let closed = Reply::fault("the connection ended at DATA");
        let told = |others: &[Fate], last: &Reply| {
            let each = others.iter().cloned().chain([Fate::Later(last.clone())]).collect::<Vec<_>>();
            let fates = Fates { broke_off: Some(last.clone()), ..each.into() };
            sign(&hosts, &fates).map(name)
        };
        let unknown = Fate::Refused(Reply::new(550, None, "unknown"), Concerns::Recipient);
        let taken = Fate::Delivered(Reply::new(250, None, "ok"));
        assert_eq!((told(&[], &closed), told(&[unknown], &closed)), (Some("away"), Some("away")));
        assert_eq!(told(&[taken], &closed), Some("took"));
        assert_eq!(told(&[], &Reply::new(421, None, "busy")), Some("slow down"));
    }

    #[test]
    fn who_takes_it_over_another_connection_may_ask_for_less_all_the_same() {
        let taken = Fate::Delivered(Reply::new(250, None, "ok"));
        let asked = Reply::new(421, Some("4.7.0".into()), "too many messages");
        let fates = Fates { slow_down: Some(asked), ..vec![taken].into() };
        assert_eq!(sign(&Destination::Hosts("mx:a".into()), &fates).map(name), Some("slow down"));
    }

    #[test]
    fn a_sign_is_what_all_fates_together_tell() {
        let hosts = Destination::Hosts("mx:a".into());
        let later = |code, enhanced: &str, text| Fate::Later(Reply::new(code, Some(enhanced.to_owned()), text));
        let (busy, full) = (later(421, "4.3.2", "busy"), later(452, "4.2.2", "full"));
        let (grey, taken) = (later(451, "4.7.1", "Greylisted"), Fate::Delivered(Reply::new(250, None, "ok")));
        let told = |destination: &Destination, fates: &[&Fate]| {
            let fates: Vec<Fate> = fates.iter().map(|&fate| fate.clone()).collect();
            sign(destination, &fates.into()).map(name)
        };
        assert_eq!(told(&hosts, &[&taken, &full, &busy]), Some("slow down"));
        assert_eq!(told(&hosts, &[&full, &full]), Some("deferred"));
        assert_eq!(told(&hosts, &[&full, &taken]), Some("took"));
        assert_eq!(told(&hosts, &[&grey]), Some("took"));
        assert_eq!(told(&hosts, &[&Fate::Released, &full]), Some("deferred"));
        assert_eq!(told(&hosts, &[&Fate::Released]), None);
        assert_eq!(told(&Destination::Relay(None), &[&full]), Some("took"), "a smarthost passes on what others said");
        assert_eq!(told(&Destination::Relay(None), &[&busy]), Some("slow down"));
    }
}
