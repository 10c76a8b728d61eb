//! Which way a message goes: the first rule that matches says, and what follows when that way fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::pattern::Pattern;
use crate::config::routing::{RouteName, Rule, RuleTls, Step};
use crate::config::{Delivery, Relay};
use crate::id::Id;
use crate::model::stream::Stream;
use crate::model::team::Team;

/// What rules ask for, of one message and one of its recipients.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub stream: Stream,
    pub team: Id,
    /// Of the From field: A-labels, lower case.
    pub sender_domain: &'a str,
    /// A-labels, lower case.
    pub recipient_domain: &'a str,
}

/// What a rule says of where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// To try one after the other; at least one.
    pub ways: Arc<[RouteName]>,
    /// What it has to be where mail goes directly.
    pub tls: RuleTls,
}

/// The rules in force, in their order.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Ready>,
    otherwise: Chain,
    weights: BTreeMap<String, u32>,
    unnamed_weight: u32,
}

/// A rule whose team is known by its id.
#[derive(Clone, Debug)]
struct Ready {
    asked: Rule,
    team: Option<Id>,
    /// Where the steps leave no choice: the whole chain.
    fixed: Option<Arc<[RouteName]>>,
}

impl Rules {
    /// From the configuration, which was found sound, and the teams there are. A rule for a team that is not there is an error.
    pub fn new(delivery: &Delivery, teams: &[Team]) -> Result<Self, String> {
        let rules =
            delivery.rule.iter().zip(1..).map(|(rule, place)| Ready::new(rule, place, teams)).collect::<Result<_, _>>()?;
        let weight = |(name, relay): (&String, &Relay)| (name.clone(), relay.weight);
        Ok(Self {
            rules,
            otherwise: Chain::of(delivery.route.into()),
            weights: delivery.relays.iter().map(weight).collect(),
            unnamed_weight: delivery.relay.weight,
        })
    }

    /// That of all mail, where no rule tells any apart.
    pub fn only(&self) -> Option<&Chain> {
        self.rules.is_empty().then_some(&self.otherwise)
    }

    /// What the first rule that matches says. `draw` gives random numbers from 0 to 1, by which smarthosts that share the mail take turns.
    pub fn chain(&self, facts: &Facts<'_>, draw: impl FnMut() -> f64) -> Chain {
        let Some(Ready { asked, fixed, .. }) = self.rules.iter().find(|rule| rule.matches(facts)) else {
            return self.otherwise.clone();
        };
        let ways = fixed.clone().unwrap_or_else(|| self.drawn(&asked.routes, draw));
        Chain { ways, tls: asked.tls }
    }

    fn drawn(&self, steps: &[Step], mut draw: impl FnMut() -> f64) -> Arc<[RouteName]> {
        let mut chain = Vec::new();
        for step in steps {
            let mut left: Vec<&RouteName> = step.0.iter().collect();
            while !left.is_empty() {
                let weights: Vec<u32> = left.iter().map(|name| self.weight(name)).collect();
                chain.push(left.remove(place(&weights, draw())).clone());
            }
        }
        chain.into()
    }

    fn weight(&self, name: &RouteName) -> u32 {
        match name {
            RouteName::Relay(Some(name)) => self.weights.get(&**name).copied().unwrap_or(1),
            RouteName::Relay(None) => self.unnamed_weight,
            RouteName::Direct | RouteName::Capture => 1,
        }
    }
}

impl Chain {
    /// One way, under whatever TLS there is.
    pub fn of(way: RouteName) -> Self {
        Self { ways: Arc::new([way]), tls: RuleTls::Opportunistic }
    }
}

impl Ready {
    fn new(rule: &Rule, place: usize, teams: &[Team]) -> Result<Self, String> {
        let found = |wanted: &String| {
            let is_it = |team: &&Team| team.name == *wanted || wanted.parse::<Id>().is_ok_and(|id| id == team.id);
            let team = teams.iter().find(is_it).map(|team| team.id);
            team.ok_or_else(|| format!("delivery.rule {place}: there is no team {wanted:?}"))
        };
        let team = rule.team.as_ref().map(found).transpose()?;
        let single: Option<Vec<RouteName>> =
            rule.routes.iter().map(|step| <&[RouteName; 1]>::try_from(&*step.0).ok().map(|[name]| name.clone())).collect();
        Ok(Self { asked: rule.clone(), team, fixed: single.map(Into::into) })
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        let any_of = |patterns: &[Pattern], domain: &str| patterns.is_empty() || patterns.iter().any(|p| p.covers(domain));
        (self.asked.stream.is_empty() || self.asked.stream.contains(&facts.stream))
            && self.team.is_none_or(|team| team == facts.team)
            && any_of(&self.asked.sender_domain, facts.sender_domain)
            && any_of(&self.asked.recipient_domain, facts.recipient_domain)
    }
}

/// Where a draw from 0 to 1 falls when each place is as wide as its weight; the first when none has any.
fn place(weights: &[u32], draw: f64) -> usize {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    let mut rest = draw.clamp(0.0, 1.0) * total;
    let mut last = 0;
    for (place, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
        last = place;
        rest -= f64::from(*weight);
        if rest < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Config;

    fn rules(text: &str) -> Result<Rules, String> {
        let mut delivery = Config::defaults().delivery;
        #[derive(serde::Deserialize)]
        struct Given {
            rule: Vec<Rule>,
        }
        delivery.rule = toml::from_str::<Given>(text).unwrap().rule;
        for (name, weight) in [("a", 3), ("b", 1), ("c", 0)] {
            delivery.relays.insert(name.to_owned(), Relay { weight, ..delivery.relay.clone() });
        }
        let team = |name: &str, id: u8| Team {
            id: Id([id; 16]),
            name: name.to_owned(),
            created_at: Timestamp(0),
            requests_per_minute: None,
        };
        Rules::new(&delivery, &[team("shop", 1), team("press", 2)])
    }

    fn facts<'a>(stream: Stream, team: u8, sender_domain: &'a str, recipient_domain: &'a str) -> Facts<'a> {
        Facts { stream, team: Id([team; 16]), sender_domain, recipient_domain }
    }

    fn shown(chain: &Chain) -> String {
        chain.ways.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_first_that_matches_decides_and_else_the_route() {
        let rules = rules(
            r#"
            rule = [
                { recipient_domain = ["example.net", "*.example.net"], routes = ["relay:a", "direct"] },
                { team = "shop", stream = "broadcast", routes = "relay:b" },
                { sender_domain = "*.example.com", routes = ["direct", "relay"] },
            ]
            "#,
        )
        .unwrap();
        use Stream::{Broadcast, Transactional};
        for (facts, expected) in [
            (facts(Broadcast, 1, "a.example.com", "mail.example.net"), "relay:a direct"),
            (facts(Broadcast, 1, "a.example.com", "example.org"), "relay:b"),
            (facts(Transactional, 1, "a.example.com", "example.org"), "direct relay"),
            (facts(Broadcast, 2, "example.com", "notexample.net"), "capture"),
        ] {
            assert_eq!(shown(&rules.chain(&facts, || 0.5)), expected, "{facts:?}");
        }
    }

    #[test]
    fn smarthosts_share_by_weight_and_stand_in_for_one_another() {
        let rules = rules(r#"rule = [{ routes = ["relay:a | relay:b | relay:c", "direct"] }]"#).unwrap();
        let facts = facts(Stream::Transactional, 1, "a.example", "b.example");
        let chains: Vec<String> = (0..1000).map(|n| shown(&rules.chain(&facts, || f64::from(n) / 1000.0))).collect();
        let first = |name: &str| chains.iter().filter(|chain| chain.starts_with(name)).count();
        assert_eq!((first("relay:a"), first("relay:b"), first("relay:c")), (750, 250, 0));
        assert_eq!((&*chains[0], &*chains[999]), ("relay:a relay:b relay:c direct", "relay:b relay:a relay:c direct"));
    }

    #[test]
    fn a_team_may_be_named_by_its_id_and_must_be_there() {
        let id = Id([2; 16]).crockford();
        let by_id = rules(&format!("rule = [{{ team = \"{id}\", routes = \"direct\" }}]")).unwrap();
        assert_eq!(shown(&by_id.chain(&facts(Stream::Broadcast, 2, "a", "b"), || 0.0)), "direct");
        let fault = rules("rule = [{ routes = \"relay\" }, { team = \"nobody\", routes = \"direct\" }]").unwrap_err();
        assert_eq!(fault, "delivery.rule 2: there is no team \"nobody\"");
    }
}
