//! What the types of a configuration can't say: which values make no sense, alone or together.

use super::load::ConfigError;
use super::routing::{self, RouteName};
use super::source::Origin;
use super::{Config, Inbound, Relay, Role, shape};
use crate::model::address::Address;

type Rule = fn(&Config) -> Option<String>;

const RULES: [Rule; 16] = [
    roles,
    public_url,
    inbound,
    workers,
    retry,
    relay,
    relays,
    dns,
    tls_reports,
    shapes,
    rules,
    ramps,
    tls_pair,
    listeners,
    host_names,
    bootstrap_key,
];

/// Whether the configuration makes sense; names the first key that does not.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    match RULES.iter().find_map(|rule| rule(config)) {
        Some(text) => Err(ConfigError::new(Origin::Together, text)),
        None => Ok(()),
    }
}

fn roles(config: &Config) -> Option<String> {
    config.roles.is_empty().then(|| "roles is empty: this process would do nothing".to_owned())
}

fn public_url(config: &Config) -> Option<String> {
    let url = &config.public_url;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let plain = !url.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '"' | '<' | '>'));
    let sound = plain && host.is_some_and(|host| !host.is_empty() && !host.starts_with(':'));
    (!sound).then(|| format!("public_url = {url:?}: expected http://HOST[:PORT][/PATH] or https://..."))
}

fn inbound(config: &Config) -> Option<String> {
    let Inbound { address, abuse } = &config.inbound;
    let sound = address.is_empty() || address.parse::<std::net::SocketAddr>().is_ok();
    if !sound {
        return Some(format!("inbound.address = {address:?}: expected IP:PORT, as in 0.0.0.0:25, or nothing"));
    }
    if let Some((bad, error)) = abuse.iter().find_map(|text| Some((text, Address::parse(text).err()?))) {
        return Some(format!("inbound.abuse: {bad:?}: {error}"));
    }
    (address.is_empty() && !abuse.is_empty())
        .then(|| "inbound.abuse is given, and inbound.address is empty: nobody would hear it".to_owned())
}

fn workers(config: &Config) -> Option<String> {
    (config.delivery.workers == 0).then(|| "delivery.workers = 0: nothing would ever be attempted".to_owned())
}

fn retry(config: &Config) -> Option<String> {
    config.delivery.retry.schedule.is_empty().then(|| "delivery.retry.schedule is empty: give at least one span".to_owned())
}

fn relay(config: &Config) -> Option<String> {
    let used = config.delivery.uses(&RouteName::Relay(None));
    used.then(|| fault_of_relay("delivery.relay", &config.delivery.relay)).flatten()
}

fn relays(config: &Config) -> Option<String> {
    config.delivery.relays.iter().find_map(|(name, relay)| {
        if !routing::is_name(name) {
            return Some(format!("delivery.relays.{name}: a name has letters in lower case, digits, - and _"));
        }
        fault_of_relay(&format!("delivery.relays.{name}"), relay)
    })
}

fn fault_of_relay(table: &str, relay: &Relay) -> Option<String> {
    if relay.host.trim().is_empty() {
        return Some(format!("{table}.host is empty: name the smarthost"));
    }
    if relay.max_connections == 0 {
        return Some(format!("{table}.max_connections = 0: nothing would ever be sent"));
    }
    (relay.username.is_empty() != relay.password.0.is_empty())
        .then(|| format!("{table}.username and {table}.password: one is given without the other"))
}

fn rules(config: &Config) -> Option<String> {
    config.delivery.fault_of_rules()
}

fn ramps(config: &Config) -> Option<String> {
    config.delivery.fault_of_ramps()
}

fn dns(config: &Config) -> Option<String> {
    let dns = &config.delivery.dns;
    if dns.timeout.0.is_zero() {
        return Some("delivery.dns.timeout is nothing: no name would ever be found".to_owned());
    }
    (!dns.dnssec && !dns.trust_anchor.is_empty())
        .then(|| "delivery.dns.trust_anchor is given, and delivery.dns.dnssec is false: it would not be used".to_owned())
}

fn tls_reports(config: &Config) -> Option<String> {
    let from = &config.delivery.tls_reports.from;
    let sound = from.is_empty() || Address::parse(from).is_ok_and(|from| from.is_ascii());
    (!sound).then(|| format!("delivery.tls_reports.from = {from:?} is no address in ASCII"))
}

fn shapes(config: &Config) -> Option<String> {
    config.delivery.shape.iter().zip(1..).find_map(|(shape, place)| {
        let recipients = shape.recipients_per_message.filter(|recipients| recipients.get() > shape::RECIPIENTS_AT_MOST);
        let names = shape.matches.iter().map(|m| format!("{:?}", m.to_string())).collect::<Vec<_>>().join(", ");
        match recipients {
            _ if shape.matches.is_empty() => Some(format!("delivery.shape {place}: match is empty")),
            Some(many) => Some(format!("delivery.shape {place} ({names}): recipients_per_message = {many}: 100 at most")),
            None => None,
        }
    })
}

fn tls_pair(config: &Config) -> Option<String> {
    (config.tls.cert.is_empty() != config.tls.key.is_empty())
        .then(|| "tls.cert and tls.key: one is given without the other".to_owned())
}

fn listeners(config: &Config) -> Option<String> {
    (config.has(Role::Smtp) && config.smtp.listener.is_empty())
        .then(|| "smtp.listener is empty, and roles has \"smtp\": nothing would listen".to_owned())
}

/// Both names are spoken on the wire, where a blank would end them.
fn host_names(config: &Config) -> Option<String> {
    let spoken = |name: &str| !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if config.smtp.hostname.is_empty() || !spoken(&config.smtp.hostname) {
        return Some(format!("smtp.hostname = {:?} is not a host name", config.smtp.hostname));
    }
    (!spoken(&config.delivery.hostname)).then(|| format!("delivery.hostname = {:?} is not a host name", config.delivery.hostname))
}

fn bootstrap_key(config: &Config) -> Option<String> {
    let sound = config.bootstrap_key.0.chars().all(|c| c.is_ascii_graphic());
    (!sound).then(|| "bootstrap_key holds a blank, a control character or something that is not ASCII".to_owned())
}
