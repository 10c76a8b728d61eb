//! One attempt at a claim: what has been told of its recipients so far, and the message as the next hop takes it.

use crate::delivery::attempts::InFlight;
use crate::delivery::client::ClientError;
use crate::delivery::client::extensions::Extensions;
use crate::delivery::client::mail::Mail;
use crate::delivery::client::reply::ServerReply;
use crate::delivery::client::transaction::Answer;
use crate::delivery::copies::Room;
use crate::delivery::fate::{Concerns, Fate, Fates, classify, explain, is_one_too_many, was_accepted};
use crate::delivery::shape::manner::speaks_of_limits;
use crate::delivery::signing::Signing;
use crate::delivery::stamp::{Stamped, stamp, unreachable};
use crate::delivery::verp::ReturnPath;
use crate::heavy;
use crate::mime::fields::{Bounds, Fields};
use crate::mime::parts::Reach;
use crate::model::address::Address;
use crate::model::envelope::{DsnNotify, DsnRet, ForwardPath};
use crate::model::message::Body;
use crate::model::outcome::Reply;
use crate::store::handover::Claim;
use crate::tracking::links::Links;
use crate::tracking::rewrite::{Pages, Tracked};
use crate::tracking::{feedback_id, way_out};

/// An attempt under way.
pub struct Attempt<'a> {
    pub claim: &'a Claim,
    sender: Sender,
    reach: Reach,
    signing: Option<Signing>,
    /// In the order of the claim's recipients.
    told: Vec<Option<Fate>>,
    /// As in [`Fates`].
    passed_on: bool,
    /// As in [`Fates`].
    broke_off: Option<Reply>,
    /// As in [`Fates`].
    slow_down: Option<Reply>,
    /// `None`: all recipients get the same.
    links: Option<Links>,
    /// What of the message can be tracked: found once.
    pages: Option<Pages<'a>>,
    made: Option<Made>,
}

/// A message made fit for a next hop that offers this, and signed: once, however many connections it takes.
struct Made {
    offered: Extensions,
    /// Lives as long as the copy that it is for.
    _room: Option<Room>,
    stamped: Result<Stamped, Reply>,
}

/// What the next hop is told of the sender.
struct Sender {
    /// The reverse-path as it was given; `None` is the null one.
    own: Option<Address>,
    /// Where what comes back is to come to us: then the transaction has a reverse-path of its own.
    returning: Option<Returning>,
}

/// What comes back to us, and what of it the next hop is asked for.
pub struct Returning {
    pub path: ReturnPath,
    pub notify: DsnNotify,
}

impl<'a> Attempt<'a> {
    /// An attempt of which nothing is told yet. The error is the fate of all.
    pub fn new(claim: &'a Claim, reach: Reach, signing: Option<Signing>, returning: Option<Returning>) -> Result<Self, Fate> {
        let own = claim.message.reverse_path.as_deref().map(Address::parse).transpose();
        let own = own.map_err(|e| Fate::Failed(Reply::fault(format!("the reverse-path can't be said: {e}"))))?;
        Ok(Self {
            claim,
            sender: Sender { own, returning },
            reach,
            signing,
            told: vec![None; claim.recipients.len()],
            passed_on: true,
            broke_off: None,
            slow_down: None,
            links: None,
            pages: None,
            made: None,
        })
    }

    /// With links of ours in the copy of the one recipient.
    pub fn linked_by(self, links: Option<Links>) -> Self {
        Self { links, ..self }
    }

    /// Octets for which there has to be room before it is made fit for a next hop that offers this: beside the stored ones, and beside what
    /// was made before, which is given up where it is of no use there.
    pub fn copied(&mut self, offered: &Extensions) -> usize {
        self.made.take_if(|made| made.offered != *offered);
        if self.made.is_some() {
            return 0;
        }
        let Claim { message, body, .. } = self.claim;
        let is_marked = tracked(self.links.as_ref(), self.claim).is_some_and(|tracked| {
            heavy::run(body.len(), || self.pages.get_or_insert_with(|| Pages::of(body, self.reach)).differ(tracked))
        });
        let is_re_encoded = message.eight_bit && !offered.eight_bit_mime;
        if is_marked || is_re_encoded { body.len() } else { 0 }
    }

    /// Whether nothing was told yet.
    pub fn is_untold(&self) -> bool {
        self.told.iter().all(Option::is_none)
    }

    /// Each recipient's fate; `rest` is that of those who were not told any.
    pub fn fates(self, rest: &Fate, in_flight: Option<InFlight>) -> Fates {
        let each = self.told.into_iter().map(|told| told.unwrap_or_else(|| rest.clone())).collect();
        Fates { each, passed_on: self.passed_on, broke_off: self.broke_off, slow_down: self.slow_down, in_flight }
    }

    /// What can go to a next hop that offers this, within the room that it was found to need; the fates of those who can't be reached by it
    /// are told. `None`: nobody can.
    pub fn fit(&mut self, offered: &Extensions, room: Option<Room>) -> Option<Goes<'a>> {
        let stamped = self.stamp(offered, room);
        let claim = self.claim;
        let (mut places, mut paths) = (Vec::new(), Vec::with_capacity(claim.recipients.len()));
        for (place, recipient) in claim.recipients.iter().enumerate() {
            let path = &recipient.path;
            let obstacle = stamped.as_ref().err().cloned().or_else(|| unreachable(&path.address, offered));
            match obstacle {
                Some(reply) => self.told[place] = Some(Fate::Refused(reply, Concerns::Message)),
                None => {
                    places.push(place);
                    paths.push(path);
                }
            }
        }
        let stamped = stamped.ok()?;
        let (reverse_path, notify) = self.sender.of_transaction(self.claim, &places);
        let passes_on = offered.dsn && notify.is_none_or(|asked| asked.success);
        (!places.is_empty()).then_some(Goes { places, paths, reverse_path, notify, passes_on, stamped })
    }

    /// The message as such a next hop can take it.
    fn stamp(&mut self, offered: &Extensions, room: Option<Room>) -> Result<Stamped, Reply> {
        if let Some(made) = self.made.as_ref().filter(|made| made.offered == *offered) {
            return made.stamped.clone();
        }
        let stamped = heavy::run(self.claim.body.len(), || {
            let (copy, top) = (self.copy(), self.top());
            let fit = |body| stamp(body, top.as_bytes(), self.sender.said(), offered, self.reach, self.signing.as_ref());
            // What only our links make too large for the hop goes without them.
            fit(&copy).or_else(|refused| if copy.len() > self.claim.body.len() { fit(&self.claim.body) } else { Err(refused) })
        });
        self.made = Some(Made { offered: offered.clone(), _room: room, stamped: stamped.clone() });
        stamped
    }

    /// The message as its recipient gets it, or all of them.
    fn copy(&mut self) -> Body {
        let body = &self.claim.body;
        let Some(tracked) = tracked(self.links.as_ref(), self.claim) else { return body.clone() };
        let pages = self.pages.get_or_insert_with(|| Pages::of(body, self.reach));
        pages.marked(tracked).map_or_else(|| body.clone(), |bytes| body.replaced(bytes))
    }

    /// The fields that stand above a recipient's own copy: by which it unsubscribes, and by which complaints are counted.
    fn top(&self) -> String {
        let Claim { message, body, .. } = self.claim;
        let Some((links, recipient)) = linked(self.links.as_ref(), self.claim) else { return String::new() };
        let own = Fields::split(body, Bounds::STORED);
        way_out::fields(message, &own, recipient, links, self.signing.is_some()) + &feedback_id::field(message, &own, links)
    }

    /// Gives back those of whom nothing was told.
    pub fn release(&mut self) {
        for told in &mut self.told {
            told.get_or_insert(Fate::Released);
        }
    }

    /// A connection that was kept has gone stale: by what failed the next hop may have asked for less all the same.
    pub fn went_stale(&mut self, failure: &ClientError) {
        let asked = failure.reply().map(ServerReply::to_model).filter(speaks_of_limits);
        self.slow_down = asked.or(self.slow_down.take());
    }

    /// Tells the fates of the recipients that went. Where the next hop had room for some, the others are left over: there is an end to it.
    pub fn tell(&mut self, goes: &Goes<'_>, answers: &[Answer]) {
        let accepted = answers.iter().filter(|answer| was_accepted(answer)).count();
        let progress = accepted > 0;
        self.passed_on = goes.passes_on || !progress;
        self.broke_off = answers.iter().find_map(|answer| answer.as_ref().err()).map(explain);
        for (&place, answer) in goes.places.iter().zip(answers) {
            self.told[place] = Some(match progress && is_one_too_many(answer) {
                true => Fate::LeftOver,
                false => classify(answer, accepted == 1),
            });
        }
    }
}

/// What a recipient's copy has of its own, if it may have anything.
fn tracked<'l>(links: Option<&'l Links>, claim: &Claim) -> Option<Tracked<'l>> {
    let (links, recipient) = linked(links, claim)?;
    let tracked = Tracked::of(&claim.message, recipient, links);
    tracked.is_any().then_some(tracked)
}

/// What the links of a copy are made by, where it is one recipient's own, and that recipient's place in the message.
fn linked<'l>(links: Option<&'l Links>, claim: &Claim) -> Option<(&'l Links, i64)> {
    let [recipient] = &claim.recipients[..] else { return None };
    Some((links?, recipient.index))
}

impl Sender {
    /// The reverse-path as it was given, where it is said.
    fn said(&self) -> Option<&Address> {
        self.own.as_ref().filter(|_| self.returning.is_none())
    }

    /// The reverse-path for the recipients at these places in the claim, and what is asked of the next hop with it.
    fn of_transaction(&self, claim: &Claim, places: &[usize]) -> (Option<Address>, Option<DsnNotify>) {
        let ours = |returning: &Returning| {
            let first = claim.recipients.get(*places.first()?)?;
            Some((returning.path.address(claim.message.id, first, places.len() > 1)?, returning.notify))
        };
        match self.returning.as_ref().and_then(ours) {
            Some((path, notify)) => (Some(path), Some(notify)),
            None => (self.own.clone(), None),
        }
    }
}

/// What goes in one transaction.
pub struct Goes<'a> {
    /// The recipients' places in the claim.
    pub places: Vec<usize>,
    paths: Vec<&'a ForwardPath>,
    reverse_path: Option<Address>,
    notify: Option<DsnNotify>,
    /// The next hop is told what the sender asks to be told of.
    passes_on: bool,
    stamped: Stamped,
}

impl Goes<'_> {
    /// The transaction.
    pub fn mail<'m>(&'m self, attempt: &'m Attempt<'_>) -> Mail<'m> {
        let message = &attempt.claim.message;
        Mail {
            reverse_path: self.reverse_path.as_ref(),
            recipients: &self.paths,
            head: &self.stamped.head,
            content: &self.stamped.content,
            eight_bit: self.stamped.eight_bit,
            utf8: self.stamped.utf8 || self.paths.iter().any(|path| path.address.needs_smtputf8()),
            notify: self.notify,
            // What comes back to us tells all we ask by its report, and may be large.
            ret: if self.notify.is_some() { Some(DsnRet::Headers) } else { message.ret },
            envid: message.envid.as_deref(),
        }
    }
}
