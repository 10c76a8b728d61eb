//! Straight to the hosts that take mail for each recipient's domain (RFC 5321 section 5.1).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::config::Config;
use crate::config::routing::RuleTls;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::dial::{Hop, Terms};
use crate::delivery::client::tls::TlsClient;
use crate::delivery::client::{ClientError, Connection, Step};
use crate::delivery::departure::Departure;
use crate::delivery::dns::{Answer, Resolver};
use crate::delivery::mx::{Directory, MxHost, Own, Targets, Unroutable};
use crate::delivery::route::hello_name;
use crate::delivery::route::undialled::Undialled;
use crate::delivery::security::{Demand, Fetcher, Policies, Requirement, Session, TlsResult, Totals};
use crate::delivery::shape::{Limits, Shaped, Shapes};
use crate::mime::parts::Reach;
use crate::model::outcome::Reply;
use crate::model::stream::Stream;
use crate::store::Store;
use crate::store::handover::Claim;

/// Hosts of one domain that an attempt tries.
const HOSTS_MAX: usize = 5;
/// Domains of one message that are looked up at once.
const LOOK_UPS_MAX: usize = 16;
/// HTTPS, where MTA-STS policies are fetched (RFC 8461 section 3.3).
const HTTPS: u16 = 443;

/// The direct route.
pub struct Direct {
    resolver: Resolver,
    /// By stream.
    directories: [Directory; 2],
    shapes: Shapes,
    totals: Arc<Totals>,
    tls_client: TlsClient,
    deadlines: Arc<Deadlines>,
    hello: String,
    reach: Reach,
    port: u16,
}

/// Where a part of a message goes: to hosts that take the mail of all its recipients, within what they are sent at most, and under what
/// TLS at least.
#[derive(Clone, Debug)]
pub struct Service {
    pub targets: Arc<Targets>,
    /// The destination that these hosts belong to.
    pub destination: Arc<str>,
    pub limits: Limits,
    /// What is asked of TLS by others than the recipients' domains.
    pub demand: Demand,
    /// Of the message: whose turns at the name servers its hosts are looked up in.
    pub stream: Stream,
}

/// What became of a claim that is to go directly.
#[derive(Debug, Default)]
pub struct Plan {
    pub parts: Vec<(Service, Claim)>,
    /// What goes nowhere, or nowhere now.
    pub unroutable: Vec<(Unroutable, Claim)>,
}

impl Direct {
    /// From the configuration. What domains ask of those who send to them is kept in `store`.
    pub fn new(config: &Config, deadlines: Arc<Deadlines>, store: &Store, clock: Clock) -> Result<Self, String> {
        let direct = &config.delivery.direct;
        let resolver = Resolver::new(&config.delivery.dns)?;
        let tls_client = TlsClient::new(b"")?;
        let fetcher = Fetcher::new(tls_client.clone(), HTTPS, direct.allow_private_addresses);
        let policies = Policies::new(resolver.clone(), fetcher).kept_in(store.clone());
        let totals = Arc::new(Totals::new(clock));
        let directory = Directory::new(resolver.clone(), policies, direct.clone(), Own::new(config)).counted_by(totals.clone());
        Ok(Self {
            resolver,
            directories: Stream::ALL.map(|stream| directory.for_stream(stream)),
            shapes: Shapes::new(&config.delivery.shape),
            totals,
            tls_client,
            deadlines,
            hello: hello_name(config),
            reach: Reach::new(&config.smtp.limits),
            port: direct.port,
        })
    }

    /// How far into a message re-encoding goes.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The resolver it asks, for others.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// What sessions came to.
    pub fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    /// Splits a claim by the hosts that take its recipients' mail: those whose domains share them go in one transaction, or, where it goes
    /// `by_domain`, in one for each.
    pub async fn plan(&self, claim: Claim, tls: RuleTls, by_domain: bool) -> Plan {
        let mut domains: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, recipient) in claim.recipients.iter().enumerate() {
            domains.entry(recipient.path.address.ascii_domain()).or_default().push(place);
        }
        let (demand, stream) = (Demand::of(tls, &claim.body), claim.message.stream);
        let look_ups = domains.into_iter().map(async |(domain, places)| (self.targets(&domain, demand, stream).await, places));
        let mut found = futures_util::stream::iter(look_ups).buffer_unordered(LOOK_UPS_MAX);
        let mut plan = Plan::default();
        while let Some((found, places)) = found.next().await {
            let recipients = places.iter().filter_map(|place| claim.recipients.get(*place).cloned()).collect();
            let part = Claim { recipients, ..claim.clone() };
            match found {
                Ok(targets) => {
                    let service = self.service(targets, demand, stream);
                    plan.join(&service, part, by_domain);
                }
                Err(unroutable) => plan.unroutable.push((unroutable, part)),
            }
        }
        plan
    }

    fn directory(&self, stream: Stream) -> &Directory {
        &self.directories[stream as usize]
    }

    async fn targets(&self, domain: &str, demand: Demand, stream: Stream) -> Result<Arc<Targets>, Unroutable> {
        match demand {
            Demand::Waived => self.directory(stream).targets_without_policy(domain).await,
            Demand::Published | Demand::Encrypted => self.directory(stream).targets(domain).await,
        }
    }

    fn service(&self, targets: Arc<Targets>, demand: Demand, stream: Stream) -> Service {
        let host = targets.hosts.first().map_or("", |host| host.name.as_str());
        let Shaped { destination, limits } = self.shapes.of(targets.group.as_str(), host, &targets.domain);
        Service { targets, destination, limits, demand, stream }
    }

    /// A connection to the first of the hosts that speaks to us on the terms that hold for it, from where leave was
    /// given.
    pub async fn dial(&self, service: &Service, departure: &Departure) -> Result<Connection, Undialled> {
        let (mut last, end) = (None, Instant::now() + self.deadlines.dial);
        for host in service.targets.in_order().into_iter().take(HOSTS_MAX) {
            let Ok(dialled) = timeout_at(end, self.dial_host(service, host, departure)).await else {
                last = Some(Undialled::worth_more(last, too_long(host)));
                break;
            };
            match dialled {
                Ok(connection) => return Ok(connection),
                // RFC 5321 section 5.1: hosts that are no better than ourselves are not to be tried.
                Err(Undialled::Unroutable(Unroutable::Never(reply))) if is_a_loop(&reply) => {
                    last.get_or_insert(Undialled::Unroutable(Unroutable::Never(reply)));
                    break;
                }
                Err(failure) => last = Some(Undialled::worth_more(last, failure)),
            }
        }
        let none = || Undialled::Unroutable(Unroutable::Later(Reply::fault("there is no host to try")));
        Err(last.unwrap_or_else(none))
    }

    async fn dial_host(&self, service: &Service, host: &MxHost, departure: &Departure) -> Result<Connection, Undialled> {
        let targets = &*service.targets;
        let found = self.directory(service.stream).addresses(host).await.map_err(Undialled::Unroutable)?;
        let requirement = self.requirement(service, host, &found).await.map_err(Undialled::Unroutable)?;
        let hop = Hop {
            host: host.name.clone(),
            port: self.port,
            addresses: departure.opened(found.records).map_err(|denied| Undialled::closed(&host.name, denied))?,
            sources: departure.sources(),
            terms: Terms::Direct(requirement.clone()),
            login: None,
            transactions_max: service.limits.messages_per_connection,
            hello: self.hello.clone(),
            tls_client: self.tls_client.clone(),
            deadlines: self.deadlines.clone(),
        };
        let dialled = hop.dial().await;
        // Of several addresses that failed, none is the one.
        let only = if let [only] = hop.addresses[..] { Some(only.ip()) } else { None };
        let address = dialled.as_ref().ok().and_then(Connection::peer_address).or(only);
        // A report is no reason for another one tomorrow.
        if service.demand != Demand::Waived {
            let session = Session { targets, host, requirement: &requirement, address };
            self.totals.count(&session, dialled.as_ref().map(Connection::protection));
        }
        dialled.map_err(|failure| Undialled::Failed { host: host.name.clone(), failure })
    }

    /// What TLS with a host of the service has to be, which is at `found`.
    async fn requirement(&self, service: &Service, host: &MxHost, found: &Answer<SocketAddr>) -> Result<Requirement, Unroutable> {
        if service.demand == Demand::Waived {
            return Ok(Requirement::Opportunistic);
        }
        match self.directory(service.stream).requirement(&service.targets, host, found).await {
            Ok(published) if service.demand == Demand::Encrypted => Ok(published.at_least_encrypted()),
            Err(hindered @ Unroutable::Hindered(_)) => Err(hindered),
            Err(unknown) => {
                let session = Session { targets: &service.targets, host, requirement: &Default::default(), address: None };
                self.totals.count_failure(&session, TlsResult::DnssecInvalid);
                Err(unknown)
            }
            published => published,
        }
    }
}

impl Plan {
    /// Adds recipients of one domain to those who go to the same hosts on the same terms, as many as share a transaction: each part is one
    /// message to the destination, and has to be its turn.
    fn join(&mut self, service: &Service, mut claim: Claim, by_domain: bool) {
        let most = claim.message.recipients_at_once(service.limits.recipients_per_message);
        for recipient in std::mem::take(&mut claim.recipients) {
            let shares = |(known, part): &&mut (Service, Claim)| {
                let is_near = !by_domain || known.targets.domain == service.targets.domain;
                is_near && part.recipients.len() < most && known.serves(service)
            };
            match self.parts.iter_mut().rfind(shares) {
                Some((_, part)) => part.recipients.push(recipient),
                None => self.parts.push((service.clone(), Claim { recipients: vec![recipient], ..claim.clone() })),
            }
        }
    }
}

impl Service {
    /// Whether a connection made for the one serves the other: the same hosts, on the same terms or stricter ones.
    pub fn serves(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.targets, &other.targets);
        self.destination == other.destination
            && (self.demand == other.demand || (self.demand, other.demand) == (Demand::Encrypted, Demand::Published))
            && (Arc::ptr_eq(ours, theirs)
                || (ours.hosts == theirs.hosts
                    && ours.policy == theirs.policy
                    && (ours.domain == theirs.domain || !may_be_dane(ours))))
    }
}

/// Whether a host may be known by DANE, whose certificate then may name the domain alone (RFC 7672 section 3.2.2): nothing that
/// another domain could rely on.
fn may_be_dane(targets: &Targets) -> bool {
    targets.hosts.iter().any(|host| host.secure)
}

/// Dialling has taken all of its time, and got as far as this host.
fn too_long(host: &MxHost) -> Undialled {
    Undialled::Failed { host: host.name.clone(), failure: ClientError::Timeout(Step::Connect) }
}

/// RFC 3463 section 3.5: X.4.6, routing loop detected.
fn is_a_loop(reply: &Reply) -> bool {
    reply.enhanced.as_deref() == Some("5.4.6")
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("hello", &self.hello).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::fixture;
    use crate::delivery::mx::Group;
    use crate::delivery::security::DomainPolicy;

    fn service(domain: &str, host: &str, secure: bool, policy: &Arc<DomainPolicy>) -> Service {
        let hosts = vec![MxHost { preference: 10, name: host.to_owned(), address: None, secure }];
        let targets = Targets { domain: domain.to_owned(), group: Group("mx:example".into()), hosts, policy: policy.clone() };
        let limits = Shapes::new(&Config::defaults().delivery.shape).of("mx:example", host, domain).limits;
        Service {
            targets: Arc::new(targets),
            destination: "mx:example".into(),
            limits,
            demand: Demand::default(),
            stream: Stream::Transactional,
        }
    }

    #[test]
    fn domains_share_a_transaction_unless_each_has_its_own_reverse_path() {
        let none = Arc::new(DomainPolicy::default());
        let (one, two) = (service("one.example", "mx.example", false, &none), service("two.example", "mx.example", false, &none));
        let parts = |by_domain: bool| {
            let mut plan = Plan::default();
            for service in [&one, &two, &one] {
                plan.join(service, fixture::claim(Stream::Transactional, 0, 1), by_domain);
            }
            plan.parts.iter().map(|(service, part)| (service.targets.domain.clone(), part.recipients.len())).collect::<Vec<_>>()
        };
        assert_eq!(parts(false), [("one.example".to_owned(), 3)]);
        assert_eq!(parts(true), [("one.example".to_owned(), 2), ("two.example".to_owned(), 1)]);
    }

    #[test]
    fn a_connection_serves_only_who_asks_for_the_same() {
        let none = Arc::new(DomainPolicy::default());
        let enforced = Arc::new(DomainPolicy { failure: Some(TlsResult::StsPolicyFetchError), ..DomainPolicy::default() });
        let one = service("one.example", "mx.example", false, &none);
        assert!(one.serves(&service("two.example", "mx.example", false, &none)));
        assert!(!one.serves(&service("two.example", "mx.example", false, &enforced)));
        assert!(!one.serves(&service("two.example", "other.example", false, &none)));
        assert!(!one.serves(&service("two.example", "mx.example", true, &none)));
        let encrypted = Service { demand: Demand::Encrypted, ..one.clone() };
        assert!(!one.serves(&encrypted) && encrypted.serves(&one), "what is encrypted is good enough for both");
        let waived = Service { demand: Demand::Waived, ..one.clone() };
        assert!(!waived.serves(&one) && !waived.serves(&encrypted));
        let signed = service("one.example", "mx.example", true, &none);
        assert!(signed.serves(&service("one.example", "mx.example", true, &none)));
        assert!(!signed.serves(&service("two.example", "mx.example", true, &none)), "its certificate may name one.example alone");
    }
}
