//! Looks domains and hosts up, and keeps what it found.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::group::Group;
use super::lookups::Lookups;
use super::own::Own;
use super::targets::{MxHost, Targets};
use super::unroutable::{Unroutable, loops, no_such_domain, of_domain, of_host, out_of_bounds, policy_unknown, unknown_yet};
use crate::config::Direct;
use crate::delivery::dns::{Answer, DnsError, Mx, Purpose, Resolver};
use crate::delivery::security::dane::{self, Dane};
use crate::delivery::security::{DomainPolicy, Policies, Requirement, Session, TlsResult, Totals};
use crate::model::address::ascii_domain;
use crate::model::stream::Stream;
use crate::net::guard;

/// Domains that are kept.
const KEPT_MAX: usize = 50_000;
/// How long a domain's hosts are kept, whatever their TTL says.
const FRESH: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));
/// A domain that takes no mail may be mended by its owner, who then tries it out.
const NEVER_KEPT: Duration = Duration::from_mins(5);
/// What did not answer is not asked again by each of a thousand recipients.
const LATER_KEPT: Duration = Duration::from_secs(15);

type Found = Result<Arc<Targets>, Unroutable>;

/// Where mail of one stream goes.
pub struct Directory {
    /// For domains, and for hosts.
    resolver: Resolver,
    dialler: Resolver,
    policies: Policies,
    direct: Direct,
    own: Own,
    /// `None`: nobody counts what keeps sessions from being tried.
    totals: Option<Arc<Totals>>,
    kept: Lookups<Found>,
}

impl Directory {
    /// A directory for transactional mail that knows nothing yet.
    pub fn new(resolver: Resolver, policies: Policies, direct: Direct, own: Own) -> Self {
        Self::of(Stream::Transactional, &resolver, &policies, direct, own)
    }

    fn of(stream: Stream, resolver: &Resolver, policies: &Policies, direct: Direct, own: Own) -> Self {
        let [resolver, dialler] = [Purpose::Route(stream), Purpose::Dial(stream)].map(|purpose| resolver.asking_for(purpose));
        let policies = policies.asked_by(resolver.clone());
        Self { resolver, dialler, policies, direct, own, totals: None, kept: Lookups::new(KEPT_MAX) }
    }

    /// Another for mail of this stream, whose questions have turns of their own: nobody waits for what another stream asks.
    pub fn for_stream(&self, stream: Stream) -> Self {
        let of_stream = Self::of(stream, &self.resolver, &self.policies, self.direct.clone(), self.own.clone());
        Self { totals: self.totals.clone(), ..of_stream }
    }

    /// With totals that tell domains whose policy names none of their hosts.
    pub fn counted_by(self, totals: Arc<Totals>) -> Self {
        Self { totals: Some(totals), ..self }
    }

    /// The hosts that take mail for the domain, as it stands in an address: a name, or a literal in brackets.
    pub async fn targets(&self, domain: &str) -> Result<Arc<Targets>, Unroutable> {
        if let Some(literal) = domain.strip_prefix('[') {
            return literal_targets(domain, literal);
        }
        let Some(domain) = ascii_domain(domain) else { return Err(no_such_domain()) };
        self.kept.get(&domain, async || self.find(&domain).await).await
    }

    /// The same whatever policy the domain has announced, for the little mail that tells of policies that fail; not kept.
    pub async fn targets_without_policy(&self, domain: &str) -> Result<Arc<Targets>, Unroutable> {
        if let Some(literal) = domain.strip_prefix('[') {
            return literal_targets(domain, literal);
        }
        let Some(domain) = ascii_domain(domain) else { return Err(no_such_domain()) };
        let (_, hosts) = self.hosts_of(&domain).await?;
        Ok(Arc::new(targets(&domain, hosts, Arc::default())))
    }

    async fn find(&self, domain: &str) -> (Duration, Found) {
        match self.look_up(domain).await {
            Ok((ttl, targets)) => (ttl.clamp(FRESH.0, FRESH.1), Ok(Arc::new(targets))),
            Err(never @ Unroutable::Never(_)) => (NEVER_KEPT, Err(never)),
            Err(later) => (LATER_KEPT, Err(later)),
        }
    }

    async fn look_up(&self, domain: &str) -> Result<(Duration, Targets), Unroutable> {
        let (ttl, hosts) = self.hosts_of(domain).await?;
        let policy = self.policies.of(domain).await.map_err(|failure| policy_unknown(&failure))?;
        match admitted(&hosts, &policy) {
            admitted if admitted.is_empty() => Err(self.unnamed(&targets(domain, hosts, policy))),
            admitted => Ok((ttl, targets(domain, admitted, policy))),
        }
    }

    /// The domain's policy names none of its hosts: the mail waits, and the domain's owner is to hear of it (RFC 8460 section 4.3).
    fn unnamed(&self, targets: &Targets) -> Unroutable {
        if let (Some(totals), Some(host)) = (&self.totals, targets.hosts.first()) {
            let session = Session { targets, host, requirement: &Requirement::Certified, address: None };
            totals.count_failure(&session, TlsResult::ValidationFailure);
        }
        Unroutable::later("4.7.0", "no MX of the recipient's domain is one that its MTA-STS policy names")
    }

    /// By the DNS alone.
    async fn hosts_of(&self, domain: &str) -> Result<(Duration, Vec<MxHost>), Unroutable> {
        let answer = match self.resolver.mx(domain).await {
            Ok(answer) => answer,
            Err(DnsError::NoRecords) => self.implicit(domain).await?,
            Err(failure) => return Err(of_domain(failure)),
        };
        Ok((answer.ttl, self.up_to_us(hosts(&answer)?)?))
    }

    /// RFC 5321 section 5.1: without MX records, the domain itself is the host, as if it had one of preference 0.
    async fn implicit(&self, domain: &str) -> Result<Answer<Mx>, Unroutable> {
        let Answer { secure, owner, ttl, .. } = self.resolver.addresses(domain).await.map_err(of_domain)?;
        Ok(Answer { records: vec![Mx { preference: 0, exchange: domain.to_owned() }], secure, owner, ttl })
    }

    /// RFC 5321 section 5.1: who is among the hosts must not use those that are no better than itself.
    fn up_to_us(&self, mut hosts: Vec<MxHost>) -> Result<Vec<MxHost>, Unroutable> {
        if let Some(ours) = hosts.iter().find(|host| self.own.is_called(&host.name)).map(|host| host.preference) {
            hosts.retain(|host| host.preference < ours);
        }
        if hosts.is_empty() { Err(loops()) } else { Ok(hosts) }
    }

    /// The host's addresses, both families in turns, checked: those that come back are the ones to connect to. Mail that would come
    /// back to us is told as a loop; hosts that are no better than this one are then not to be tried either.
    pub async fn addresses(&self, host: &MxHost) -> Result<Answer<SocketAddr>, Unroutable> {
        let found = match host.address {
            Some(address) => Answer { records: vec![address], secure: false, owner: host.name.clone(), ttl: FRESH.0 },
            None => self.dialler.addresses(&host.name).await.map_err(|failure| of_host(&host.name, failure))?,
        };
        let sockets = found.records.iter().map(|&ip| SocketAddr::new(ip.to_canonical(), self.direct.port));
        let records: Vec<SocketAddr> = sockets.filter(|socket| self.may_be_reached(socket.ip())).collect();
        if records.is_empty() {
            return Err(out_of_bounds(&host.name));
        }
        if records.iter().any(|socket| self.own.answers_at(*socket)) {
            return Err(loops());
        }
        Ok(Answer { records, secure: found.secure, owner: found.owner, ttl: found.ttl })
    }

    /// What TLS with the host has to be; `found` are its addresses. DANE goes before MTA-STS (RFC 8461 section 2).
    pub async fn requirement(
        &self,
        targets: &Targets,
        host: &MxHost,
        found: &Answer<SocketAddr>,
    ) -> Result<Requirement, Unroutable> {
        let by_policy = if targets.policy.is_enforced() { Requirement::Certified } else { Requirement::Opportunistic };
        if !(self.resolver.validates() && host.secure && found.secure) {
            return Ok(by_policy);
        }
        // RFC 7672 section 2.2.2: of a host that is an alias, the name at the end of it goes first.
        let mut bases = vec![found.owner.as_str(), host.name.as_str()];
        bases.dedup();
        match dane::find(&self.dialler, self.direct.port, &bases).await {
            Ok(dane::Found::Nothing) => Ok(by_policy),
            Ok(dane::Found::Unusable) => Ok(by_policy.at_least_encrypted()),
            Ok(dane::Found::Usable(base, records)) => {
                let names = [host.name.as_str(), found.owner.as_str(), targets.domain.as_str()];
                Ok(Requirement::Dane(Arc::new(Dane { base, records, names: names.map(str::to_owned).to_vec() })))
            }
            Err(failure) => Err(unknown_yet(&format!("the TLSA of {}", host.name), &failure)),
        }
    }

    fn may_be_reached(&self, ip: IpAddr) -> bool {
        guard::is_of_a_host(ip) && (self.direct.allow_private_addresses || guard::is_public(ip))
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("direct", &self.direct).finish_non_exhaustive()
    }
}

/// The records as hosts. What no host can be called is passed over, addresses in the place of names among it.
fn hosts(answer: &Answer<Mx>) -> Result<Vec<MxHost>, Unroutable> {
    // RFC 7505 section 3: one record, of the root.
    if let [Mx { exchange, .. }] = answer.records.as_slice()
        && exchange.is_empty()
    {
        return Err(Unroutable::never(556, "5.1.10", "the recipient's domain takes no mail (null MX)"));
    }
    let host = |mx: &Mx| MxHost { preference: mx.preference, name: mx.exchange.clone(), address: None, secure: answer.secure };
    let hosts: Vec<MxHost> = answer.records.iter().filter(|mx| is_host_name(&mx.exchange)).map(host).collect();
    if hosts.is_empty() {
        return Err(Unroutable::never(550, "5.4.4", "no MX of the recipient's domain names a host"));
    }
    Ok(hosts)
}

fn targets(domain: &str, hosts: Vec<MxHost>, policy: Arc<DomainPolicy>) -> Targets {
    let best = hosts.first().map_or(0, |host| host.preference);
    let group = Group::of_hosts(hosts.iter().filter(|host| host.preference == best).map(|host| host.name.as_str()));
    Targets { domain: domain.to_owned(), group, hosts, policy }
}

/// RFC 8461 section 5: of a policy that is enforced, only hosts that it names are used.
fn admitted(hosts: &[MxHost], policy: &DomainPolicy) -> Vec<MxHost> {
    hosts.iter().filter(|host| policy.admits(&host.name)).cloned().collect()
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // RFC 3696 section 2: no top-level domain is all numeric, so that an address is never taken for a name.
    name.split('.').all(label) && name.rsplit('.').next().is_some_and(|top| !top.bytes().all(|b| b.is_ascii_digit()))
}

/// RFC 5321 section 4.1.3.
fn literal_targets(domain: &str, literal: &str) -> Found {
    let text = literal.strip_suffix(']').unwrap_or(literal);
    let address = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => text[5..].parse().map(IpAddr::V6),
        _ => text.parse().map(IpAddr::V4),
    };
    let Ok(address) = address else { return Err(no_such_domain()) };
    let (address, name) = (address.to_canonical(), domain.to_ascii_lowercase());
    let host = MxHost { preference: 0, name: name.clone(), address: Some(address), secure: false };
    Ok(Arc::new(Targets { domain: name, group: Group::of_address(address), hosts: vec![host], policy: Arc::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_name() {
        for (name, is_name) in [
            ("mx.example.org", true),
            ("mx_1.example.org", true),
            ("localhost", true),
            ("192.0.2.1", false),
            ("", false),
            ("a..b", false),
            ("a\\032b.example", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_host_name(name), is_name, "{name}");
        }
    }
}
