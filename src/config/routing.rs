//! `[[delivery.rule]]`: which way a message goes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::pattern::{Pattern, one_or_many, texts};
use super::{Delivery, RelayTls, Route, nearest};
use crate::model::stream::Stream;

/// Where mail goes that has all that is asked for; what is not asked for may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub stream: Vec<Stream>,
    /// A team's name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Of the From field.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub sender_domain: Vec<Pattern>,
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub recipient_domain: Vec<Pattern>,
    /// In the order of trying.
    #[serde(deserialize_with = "one_or_many")]
    pub routes: Vec<Step>,
    /// Under what TLS it leaves directly.
    #[serde(default)]
    pub tls: RuleTls,
}

/// The TLS that a rule asks for, of whatever domain the recipients are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleTls {
    /// As the recipient's domain asks for it, else as it is offered.
    #[default]
    Opportunistic,
    /// At least encryption, or the mail waits.
    Required,
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteName {
    /// `capture`: kept and shown.
    Capture,
    /// `direct`: to the recipient's MX.
    Direct,
    /// `relay`, which is `[delivery.relay]`, or `relay:NAME`, which is `[delivery.relays.NAME]`.
    Relay(Option<Arc<str>>),
}

/// Routes that share the mail by their weights, each standing in for the others: `relay:a | relay:b`; mostly a single one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Step(pub Vec<RouteName>);

impl Delivery {
    /// Whether no mail leaves, by any rule.
    pub fn captures_all(&self) -> bool {
        let all_captured = |rule: &Rule| rule.routes.iter().flat_map(|step| &step.0).all(|name| *name == RouteName::Capture);
        self.route == Route::Capture && self.rule.iter().all(all_captured)
    }

    /// Whether some mail goes by this route.
    pub fn uses(&self, name: &RouteName) -> bool {
        RouteName::from(self.route) == *name || self.rule.iter().flat_map(|rule| &rule.routes).any(|step| step.0.contains(name))
    }

    /// What is wrong with the rules, by the place of the bad one.
    pub(super) fn fault_of_rules(&self) -> Option<String> {
        self.rule.iter().zip(1..).find_map(|(rule, place)| {
            let fault = self.fault_of_rule(rule)?;
            Some(format!("delivery.rule {place}{}: {fault}", rule.asked()))
        })
    }

    fn fault_of_rule(&self, rule: &Rule) -> Option<String> {
        if rule.routes.is_empty() {
            return Some("routes is empty: name at least one".to_owned());
        }
        rule.routes.iter().flat_map(|step| &step.0).find_map(|name| self.fault_of_way(rule, name))
    }

    fn fault_of_way(&self, rule: &Rule, name: &RouteName) -> Option<String> {
        let RouteName::Relay(relay) = name else { return None };
        let (key, found) = match relay {
            Some(relay) => (format!("delivery.relays.{relay}"), self.relays.get(&**relay)),
            None => ("delivery.relay".to_owned(), Some(&self.relay)),
        };
        let Some(found) = found else {
            let known: Vec<String> = self.relays.keys().cloned().collect();
            let near = relay.as_ref().and_then(|relay| nearest::nearest(relay, &known));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean relay:{near}?"));
            return Some(format!("there is no {key}{hint}"));
        };
        let is_secure = matches!(found.tls, RelayTls::Required | RelayTls::Implicit);
        (rule.tls == RuleTls::Required && !is_secure)
            .then(|| format!("tls is required, but {key}.tls is neither required nor implicit"))
    }
}

impl Rule {
    /// What it asks for, to tell it from others.
    fn asked(&self) -> String {
        let listed = |key: &str, all: Vec<String>| (!all.is_empty()).then(|| format!("{key} = {}", all.join(", ")));
        let domains = |all: &[Pattern]| all.iter().map(ToString::to_string).collect();
        let asked = [
            listed("stream", self.stream.iter().map(ToString::to_string).collect()),
            listed("team", self.team.iter().cloned().collect()),
            listed("sender_domain", domains(&self.sender_domain)),
            listed("recipient_domain", domains(&self.recipient_domain)),
        ];
        let asked: Vec<String> = asked.into_iter().flatten().collect();
        if asked.is_empty() { String::new() } else { format!(" ({})", asked.join("; ")) }
    }
}

impl From<Route> for RouteName {
    fn from(route: Route) -> Self {
        match route {
            Route::Capture => Self::Capture,
            Route::Direct => Self::Direct,
            Route::Relay => Self::Relay(None),
        }
    }
}

impl FromStr for RouteName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "capture" => Ok(Self::Capture),
            "direct" => Ok(Self::Direct),
            "relay" => Ok(Self::Relay(None)),
            other => match other.strip_prefix("relay:") {
                Some(name) if is_name(name) => Ok(Self::Relay(Some(name.into()))),
                _ => Err(format!("{other:?} is not a route: relay, relay:NAME, direct or capture")),
            },
        }
    }
}

/// Whether a smarthost may be called so; the environment can name it, too.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) && !name.contains("__")
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split('|').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture => f.write_str("capture"),
            Self::Direct => f.write_str("direct"),
            Self::Relay(None) => f.write_str("relay"),
            Self::Relay(Some(name)) => write!(f, "relay:{name}"),
        }
    }
}

impl TryFrom<String> for Step {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Step> for String {
    fn from(step: Step) -> String {
        step.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    }
}
