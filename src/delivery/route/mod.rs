//! Routes: which way a message goes, and who carries it there.

mod attempt;
pub mod capture;
pub mod carried;
mod connections;
pub mod courier;
pub mod direct;
mod ended;
pub mod errand;
mod kept;
pub mod line;
pub mod means;
pub mod relay;
pub mod rules;
pub mod undialled;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::routing::RouteName;
use crate::delivery::allowance::Allowance;
use crate::delivery::attempts::Attempts;
use crate::delivery::bounce;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::flights::Flights;
use crate::delivery::links::LinkNames;
use crate::delivery::pace::Pace;
use crate::delivery::parcel::{Course, is_of_one_domain};
use crate::delivery::security::Totals;
use crate::delivery::signing::Signer;
use crate::delivery::verp::ReturnPaths;
use crate::model::message::Recipient;
use crate::model::team::Team;
use crate::store::Store;
use crate::store::handover::Claim;
use capture::Capture;
use courier::Courier;
use direct::Direct;
use line::Line;
use means::Means;
use relay::Relay;
use rules::{Chain, Facts, Rules};

/// A place that mail is carried to; each has a queue of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Capture,
    /// The smarthost of this name; `None`: the one without.
    Relay(Option<Arc<str>>),
    /// Hosts that are one to us, by the name of `Service::destination`.
    Hosts(Arc<str>),
}

/// The routes in force.
#[derive(Debug)]
pub struct Routes {
    rules: Rules,
    captured: Chain,
    capture: Capture,
    relays: BTreeMap<Option<Arc<str>>, Arc<Relay>>,
    direct: Option<Arc<Direct>>,
    means: Means,
    bounces: bounce::Rules,
}

impl Routes {
    /// From the configuration; reads the certificates it names. Keys and budgets are those of `store`. `teams` are those that its rules may name.
    pub fn new(
        config: &Config,
        teams: &[Team],
        deadlines: Deadlines,
        pace: &Pace,
        store: &Store,
        clock: Clock,
    ) -> Result<Self, String> {
        let delivery = &config.delivery;
        let deadlines = Arc::new(deadlines);
        let relay = |relay, key: &str| Relay::new(relay, key, config, deadlines.clone(), pace).map(Arc::new);
        let mut relays = BTreeMap::from([(None, relay(&delivery.relay, "delivery.relay")?)]);
        for (name, settings) in &delivery.relays {
            relays.insert(Some(name.as_str().into()), relay(settings, &format!("delivery.relays.{name}"))?);
        }
        let means = Means {
            signer: Some(Arc::new(Signer::new(store.clone(), clock.clone()))),
            allowance: Allowance::new(delivery, store.clone(), clock.clone())?,
            link_names: link_names(config, store),
            ..Means::bare(Attempts::new(delivery.workers, pace.patience))
        };
        let direct = delivery.uses(&RouteName::Direct).then(|| Direct::new(config, deadlines.clone(), store, clock));
        Ok(Self {
            rules: Rules::new(delivery, teams)?,
            captured: Chain::of(RouteName::Capture),
            capture: Capture::new(&config.sandbox.domain),
            relays,
            direct: direct.transpose()?.map(Arc::new),
            means,
            bounces: bounce::Rules::new(&delivery.bounce)?,
        })
    }

    /// With reverse-paths that are ours, for mail that leaves.
    pub fn returning_by(self, return_paths: ReturnPaths) -> Self {
        let means = Means { return_paths: Some(Arc::new(return_paths)), ..self.means };
        Self { means, ..self }
    }

    /// The same, with a record of what is in flight.
    pub fn recorded(self, flights: Arc<Flights>) -> Self {
        let means = Means { attempts: self.means.attempts.recorded(flights), ..self.means };
        Self { means, ..self }
    }

    /// The attempts of this engine.
    pub fn attempts(&self) -> &Attempts {
        &self.means.attempts
    }

    /// Whether the claim's recipients at different domains are to go in transactions of their own: under a reverse-path of ours, which
    /// speaks for one domain. Where that can't be looked up they do, as they may have to.
    pub async fn go_by_domain(&self, claim: &Claim) -> bool {
        match &self.means.return_paths {
            Some(paths) if !is_of_one_domain(claim) => paths.of(&claim.message).await.map_or(true, |path| path.is_some()),
            _ => false,
        }
    }

    /// What a refusal along any of them means.
    pub fn bounces(&self) -> &bounce::Rules {
        &self.bounces
    }

    /// The direct route, when any mail may go by it.
    pub fn direct(&self) -> Option<&Arc<Direct>> {
        self.direct.as_ref()
    }

    /// What TLS sessions of direct mail come to; always nothing where there is no such mail.
    pub fn totals(&self) -> Arc<Totals> {
        self.direct.as_ref().map(|direct| direct.totals().clone()).unwrap_or_default()
    }

    /// Whether all mail goes by a single way.
    pub fn is_only_way(&self) -> bool {
        self.rules.only().is_some_and(|chain| chain.ways.len() == 1)
    }

    /// Splits a claim by the ways it goes. A sandbox message never leaves.
    pub fn assign(&self, claim: Claim) -> Vec<(Course, Claim)> {
        if claim.message.sandbox {
            return vec![(Course::new(self.captured.clone()), claim)];
        }
        if let Some(chain) = self.rules.only() {
            return vec![(Course::new(chain.clone()), claim)];
        }
        let mut parts: Vec<(Chain, Vec<Recipient>)> = Vec::new();
        for recipient in &claim.recipients {
            let chain = self.chain(&claim, recipient);
            match parts.iter_mut().find(|(known, _)| *known == chain) {
                Some((_, recipients)) => recipients.push(recipient.clone()),
                None => parts.push((chain, vec![recipient.clone()])),
            }
        }
        parts.into_iter().map(|(chain, recipients)| (Course::new(chain), Claim { recipients, ..claim.clone() })).collect()
    }

    fn chain(&self, claim: &Claim, recipient: &Recipient) -> Chain {
        let message = &claim.message;
        let facts = Facts {
            stream: message.stream,
            team: message.team,
            sender_domain: message.sender_domain(),
            recipient_domain: &recipient.path.address.ascii_domain(),
        };
        self.rules.chain(&facts, rand::random)
    }

    /// Somebody to carry mail to the destination; `None`: there is no such route.
    pub fn courier(&self, destination: &Destination) -> Option<Courier> {
        let line = match destination {
            Destination::Capture => Line::Capture(self.capture.clone()),
            Destination::Relay(name) => Line::Relay(self.relays.get(name)?.clone()),
            Destination::Hosts(..) => Line::Direct(self.direct.clone()?),
        };
        let courier = Courier::new(line, self.means.clone());
        Some(match destination {
            Destination::Relay(name) if !self.is_only_way() => courier.beside_others(RouteName::Relay(name.clone())),
            _ => courier,
        })
    }
}

/// Whose links mail has, when the operator said where they lead.
fn link_names(config: &Config, store: &Store) -> Option<Arc<LinkNames>> {
    let below = config.links_below();
    if below.is_none() && !config.delivery.captures_all() {
        tracing::warn!("public_url is not set: mail leaves without links to track it or to unsubscribe by");
    }
    below.map(|below| Arc::new(LinkNames::new(store.clone(), below)))
}

/// The EHLO name: as configured, else the machine's when it is fully qualified, else none (then an address literal is said).
fn hello_name(config: &Config) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let names = [config.delivery.hostname.as_str(), machine.trim()];
    let good = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b));
    let qualified = |name: &&str| *name == config.delivery.hostname || name.contains('.');
    names.into_iter().filter(good).find(qualified).unwrap_or_default().to_owned()
}
