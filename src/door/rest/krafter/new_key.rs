//! From what is asked for to the rights of a new key: never more than the key has that asks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::key::NewKey;
use super::new_email::StreamName;
use crate::clock::Timestamp;
use crate::door::rest::checks;
use crate::door::rest::problem::Details;
use crate::model::address::Address;
use crate::model::key::{ApiKey, DsnChoice, KeyRights, Quota, Scope, StreamWord};
use crate::model::stream::Stream;

/// Characters of a name.
const NAME_MAX: usize = 255;
/// What a sandbox key may do.
const OF_SANDBOX: [&str; 2] = [Scope::MAIL_SEND, Scope::MAIL_READ];

/// A key to be made, with nothing wrong about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub rights: KeyRights,
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// What is to be made for the key that asks.
    pub fn checked(self, asking: &ApiKey, now: Timestamp) -> Result<Wanted, Details> {
        let mut reading = Reading { own: &asking.rights, faults: Details::default() };
        let name = reading.name(self.name);
        let expires_at = reading.end(self.expires_at, asking.expires_at, now);
        let sandbox = reading.sandbox(self.is_sandbox, self.allow_recipients.map(|list| list.0));
        let own = &asking.rights;
        let rights = KeyRights {
            scopes: reading.scopes(self.scopes.map(|list| list.0), sandbox.is_some()),
            streams: reading.streams(self.streams.map(|list| list.0)),
            networks: reading.networks(self.networks.map(|list| list.0)),
            sandbox,
            strict: self.strict.unwrap_or(own.strict),
            null_sender: reading.flag("null_sender", self.null_sender, own.null_sender),
            auto_idempotency: self.auto_idempotency.unwrap_or(own.auto_idempotency),
            default_from: reading.address("default_from", self.default_from).or_else(|| own.default_from.clone()),
            quota: reading.quota(self.quota_per_day),
            may_ignore_unsubscribe: reading.flag(
                "may_ignore_unsubscribe",
                self.may_ignore_unsubscribe,
                own.may_ignore_unsubscribe,
            ),
            own_unsubscribe: reading.flag("own_unsubscribe", self.own_unsubscribe, own.own_unsubscribe),
            dsn: reading.dsn(self.dsn.map(Into::into)),
        };
        if reading.faults.is_empty() { Ok(Wanted { name, rights, expires_at }) } else { Err(reading.faults) }
    }
}

/// What is wrong so far; `own` are the rights of the key that asks.
struct Reading<'a> {
    own: &'a KeyRights,
    faults: Details,
}

/// Said of what the key that asks does not have itself.
const BEYOND: &str = "goes beyond what this key may itself";

impl Reading<'_> {
    fn name(&mut self, text: Option<String>) -> String {
        let name = checks::required(&mut self.faults, "name", text).unwrap_or_default();
        let _ = checks::is_line(&mut self.faults, "name", &name) && checks::is_within(&mut self.faults, "name", &name, NAME_MAX);
        name
    }

    fn end(&mut self, text: Option<String>, own: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let Some(text) = text else { return own };
        let Ok(end) = text.parse::<jiff::Timestamp>().map(|end| Timestamp(end.as_millisecond())) else {
            self.faults.add("expires_at", "must be a time such as 2026-12-31T12:00:00Z");
            return None;
        };
        if end <= now {
            self.faults.add("expires_at", "must be in the future");
        } else if own.is_some_and(|own| end > own) {
            self.faults.add("expires_at", BEYOND);
        }
        Some(end)
    }

    /// A sandbox key makes sandbox keys, for recipients of its own.
    fn sandbox(&mut self, is_sandbox: Option<bool>, allowed: Option<Vec<String>>) -> Option<Vec<String>> {
        if !is_sandbox.unwrap_or(self.own.sandbox.is_some()) {
            if self.own.sandbox.is_some() {
                self.faults.add("is_sandbox", BEYOND);
            }
            if allowed.is_some() {
                self.faults.add("allow_recipients", "is for a sandbox key alone");
            }
            return None;
        }
        let own = self.own.sandbox.clone().unwrap_or_default();
        let Some(asked) = allowed else { return Some(own) };
        let allowed = self.each("allow_recipients", asked, |text| Address::parse(text).map_err(|fault| fault.to_string()));
        let own: Vec<String> = own.iter().filter_map(|text| Address::parse(text).ok()).map(|address| address.key()).collect();
        if !own.is_empty() && (allowed.is_empty() || allowed.iter().any(|address| !own.contains(&address.key()))) {
            self.faults.add("allow_recipients", BEYOND);
        }
        Some(allowed.iter().map(ToString::to_string).collect())
    }

    /// Whoever asks has them all.
    fn scopes(&mut self, asked: Option<Vec<String>>, is_sandbox: bool) -> Vec<Scope> {
        let Some(asked) = asked else {
            let usual = OF_SANDBOX.iter().filter_map(|word| word.parse().ok()).collect();
            return if is_sandbox { usual } else { self.own.scopes.clone() };
        };
        let scopes: Vec<Scope> = self.each("scopes", asked, str::parse);
        if scopes.is_empty() {
            self.faults.add("scopes", checks::BLANK);
        }
        if is_sandbox && scopes.iter().any(|scope| !OF_SANDBOX.contains(&scope.as_str())) {
            self.faults.add("scopes", "may be mail:send and mail:read for a sandbox key");
        }
        scopes
    }

    fn streams(&mut self, asked: Option<Vec<StreamName>>) -> Vec<StreamWord> {
        let Some(asked) = asked else { return self.own.streams.clone() };
        let is_asked = |stream: &Stream| asked.iter().any(|name| Stream::from(*name) == *stream);
        let streams: Vec<StreamWord> = Stream::ALL.into_iter().filter(is_asked).map(StreamWord).collect();
        if streams.is_empty() {
            self.faults.add("streams", checks::BLANK);
        } else if streams.iter().any(|stream| !self.own.streams.contains(stream)) {
            self.faults.add("streams", BEYOND);
        }
        streams
    }

    fn networks(&mut self, asked: Option<Vec<String>>) -> Vec<IpNet> {
        let Some(asked) = asked else { return self.own.networks.clone() };
        let networks = self.each("networks", asked, network);
        let own = &self.own.networks;
        let is_within = |network: &IpNet| own.iter().any(|own| own.contains(network));
        if !own.is_empty() && (networks.is_empty() || !networks.iter().all(is_within)) {
            self.faults.add("networks", BEYOND);
        }
        networks
    }

    /// A key that may send so many a day would be two that may.
    fn quota(&mut self, per_day: Option<u64>) -> Option<Quota> {
        if self.own.quota.is_some() {
            self.faults.add("quota_per_day", "this key has a quota of its own, and can't make others");
        }
        if per_day == Some(0) {
            self.faults.add("quota_per_day", "must be at least 1");
        }
        per_day.map(|per_day| Quota { per_day })
    }

    fn dsn(&mut self, asked: Option<DsnChoice>) -> DsnChoice {
        let choice = asked.unwrap_or(self.own.dsn);
        if choice == DsnChoice::Auto && self.own.dsn == DsnChoice::Never {
            self.faults.add("dsn", BEYOND);
        }
        choice
    }

    fn flag(&mut self, path: &str, asked: Option<bool>, own: bool) -> bool {
        let flag = asked.unwrap_or(own);
        if flag && !own {
            self.faults.add(path, BEYOND);
        }
        flag
    }

    fn address(&mut self, path: &str, text: Option<String>) -> Option<String> {
        let address = Address::parse(&text?).map_err(|fault| self.faults.add(path, fault.to_string())).ok()?;
        Some(address.to_string())
    }

    /// Each entry of a list, read; what is wrong is told by its place.
    fn each<T>(&mut self, path: &str, texts: Vec<String>, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let read = texts
            .iter()
            .enumerate()
            .filter_map(|(place, text)| read(text).map_err(|fault| self.faults.add(format!("{path}[{place}]"), fault)).ok());
        read.collect()
    }
}

/// A network, or one address as the network of itself.
fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| single()).map_err(|_| format!("{text:?} is not a network such as 192.0.2.0/24"))
}
