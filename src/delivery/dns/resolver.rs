//! Questions to the configured resolvers, over hickory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as NetDnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType, rdata::TLSA};
use hickory_resolver::{TokioResolver, system_conf};
use tokio::time::timeout;

use super::answer::{Answer, DnsError, Mx};
use super::turns::{Purpose, Turns};
use crate::config;
use crate::model::address::ascii_domain;

/// Records of one answer that are used; the best-preferred of MX.
const RECORDS_MAX: usize = 100;
/// Addresses of one host that are used, both families together.
const ADDRESSES_MAX: usize = 20;
/// Octets of text of one answer that are used.
const TEXT_MAX: usize = 16 * 1024;
/// hickory answers "busy", and asks again without a pause, when a TCP connection carries more: validation asks several questions for one of
/// ours, of which there are as many as there are turns.
const ON_ONE_CONNECTION_MAX: usize = 4096;
/// Answers that hickory keeps.
const CACHED_MAX: u64 = 16_384;
/// No answer is kept longer, whatever its TTL says.
const KEPT_MAX: Duration = Duration::from_hours(24);

/// Asks the resolvers that the operator named, or the system's. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
    /// Whose turns its questions take.
    purpose: Purpose,
}

struct Inner {
    hickory: TokioResolver,
    turns: Turns,
    dnssec: bool,
    patience: Duration,
}

impl Resolver {
    /// From the configuration; reads `/etc/resolv.conf` and the trust anchor where it names them.
    pub fn new(config: &config::Dns) -> Result<Self, String> {
        let servers = ResolverConfig::from_name_servers(name_servers(&config.nameservers));
        let mut builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
        *builder.options_mut() = options(config);
        if config.dnssec {
            builder = builder.with_trust_anchor(Arc::new(trust_anchor(&config.trust_anchor)?));
        }
        let hickory = builder.build().map_err(|e| format!("delivery.dns: {e}"))?;
        let inner = Inner { hickory, turns: Turns::new(), dnssec: config.dnssec, patience: config.timeout.0 };
        Ok(Self { inner: Arc::new(inner), purpose: Purpose::Look })
    }

    /// The same, for questions of this purpose; at first they are [`Purpose::Look`].
    pub fn asking_for(&self, purpose: Purpose) -> Self {
        Self { inner: self.inner.clone(), purpose }
    }

    /// Whether answers are validated.
    pub fn validates(&self) -> bool {
        self.inner.dnssec
    }

    /// The MX records, ascending by preference, aliases followed.
    pub async fn mx(&self, domain: &str) -> Result<Answer<Mx>, DnsError> {
        let read = |data: &RData| match data {
            RData::MX(mx) => Some(Mx { preference: mx.preference, exchange: plain(&mx.exchange) }),
            _ => None,
        };
        let mut answer = self.ask(domain, RecordType::MX, read).await?;
        answer.records.sort();
        answer.records.truncate(RECORDS_MAX);
        Ok(answer)
    }

    /// The addresses, both families in turns. One family that can't be had does not hide the other, unless its answer was forged.
    pub async fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        let read = |data: &RData| data.ip_addr();
        let (six, four) = tokio::join!(self.ask(host, RecordType::AAAA, read), self.ask(host, RecordType::A, read));
        match (six, four) {
            (Ok(six), Ok(four)) => Ok(in_turns(six, four)),
            (Err(bogus @ DnsError::Bogus(_)), _) | (_, Err(bogus @ DnsError::Bogus(_))) => Err(bogus),
            (Ok(mut one), Err(_)) | (Err(_), Ok(mut one)) => {
                one.records.truncate(ADDRESSES_MAX);
                Ok(one)
            }
            (Err(later @ (DnsError::Temporary(_) | DnsError::Unasked)), _)
            | (_, Err(later @ (DnsError::Temporary(_) | DnsError::Unasked))) => Err(later),
            (Err(DnsError::NoSuchDomain), Err(DnsError::NoSuchDomain)) => Err(DnsError::NoSuchDomain),
            (Err(_), Err(_)) => Err(DnsError::NoRecords),
        }
    }

    /// The TXT records, the strings of each joined; what is no UTF-8 is replaced.
    pub async fn txt(&self, name: &str) -> Result<Answer<String>, DnsError> {
        let read = |data: &RData| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        let mut answer = self.ask(name, RecordType::TXT, read).await?;
        let mut room = TEXT_MAX;
        answer.records.retain(|text| match room.checked_sub(text.len()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        });
        answer.records.truncate(RECORDS_MAX);
        Ok(answer)
    }

    /// The name that this one is an alias of.
    pub async fn cname(&self, name: &str) -> Result<Answer<String>, DnsError> {
        let read = |data: &RData| match data {
            RData::CNAME(target) => Some(plain(target)),
            _ => None,
        };
        self.ask(name, RecordType::CNAME, read).await
    }

    /// Drops what is remembered of a name, so that it is asked for anew.
    pub fn forget(&self, name: &str) {
        let Some(name) = absolute(name) else { return };
        for kind in [RecordType::TXT, RecordType::MX, RecordType::CNAME, RecordType::A, RecordType::AAAA] {
            self.inner.hickory.clear_lookup_cache(name.clone(), kind);
        }
    }

    /// The TLSA records (RFC 6698).
    pub async fn tlsa(&self, name: &str) -> Result<Answer<TLSA>, DnsError> {
        let read = |data: &RData| match data {
            RData::TLSA(tlsa) => Some(tlsa.clone()),
            _ => None,
        };
        let mut answer = self.ask(name, RecordType::TLSA, read).await?;
        answer.records.truncate(RECORDS_MAX);
        Ok(answer)
    }

    /// One question, within the deadline, which begins with its turn; `read` takes what it knows of the answer's records.
    async fn ask<T: PartialEq>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, DnsError> {
        // What can't be said to the DNS is not in it.
        let name = absolute(name).ok_or(DnsError::NoSuchDomain)?;
        let _turn = self.inner.turns.take(self.purpose).await.ok_or(DnsError::Unasked)?;
        match timeout(self.inner.patience, self.inner.hickory.lookup(name, kind)).await {
            Ok(Ok(found)) => self.read(&found, read),
            Ok(Err(failure)) => Err(explain(&failure)),
            Err(_) => Err(DnsError::Temporary("not in time".to_owned())),
        }
    }

    fn read<T: PartialEq>(&self, found: &Lookup, read: impl Fn(&RData) -> Option<T>) -> Result<Answer<T>, DnsError> {
        let mut records = Vec::new();
        let mut owner = found.query().name();
        let mut secure = self.inner.dnssec;
        for record in found.answers() {
            if matches!(record.record_type(), RecordType::RRSIG) {
                continue;
            }
            secure &= record.proof == Proof::Secure;
            if let Some(read) = read(&record.data)
                && !records.contains(&read)
            {
                owner = &record.name;
                records.push(read);
            }
        }
        if records.is_empty() {
            return Err(DnsError::NoRecords);
        }
        let ttl = found.valid_until().saturating_duration_since(Instant::now()).min(KEPT_MAX);
        Ok(Answer { records, secure, owner: plain(owner), ttl })
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("dnssec", &self.inner.dnssec).finish_non_exhaustive()
    }
}

/// Those that are named, by UDP and then TCP; none: the system's, or where that has none the machine itself, as resolv.conf(5) has it.
fn name_servers(named: &[SocketAddr]) -> Vec<NameServerConfig> {
    if named.is_empty() {
        return match system_conf::read_system_conf() {
            Ok((system, _)) => system.name_servers().to_vec(),
            Err(failure) => {
                tracing::warn!(%failure, "the system names no resolver; the machine itself is asked");
                vec![NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into())]
            }
        };
    }
    let server = |address: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.to_vec())
    };
    named.iter().map(server).collect()
}

/// Two attempts, each within two fifths of the deadline, so that a lost datagram costs no answer.
fn options(config: &config::Dns) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = config.timeout.0 * 2 / 5;
    options.attempts = 1;
    options.validate = config.dnssec;
    options.cache_size = CACHED_MAX;
    options.positive_max_ttl = Some(KEPT_MAX);
    options.negative_max_ttl = Some(Duration::from_mins(15));
    // What /etc/hosts says of a name is no business of mail that others can send too.
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = ON_ONE_CONNECTION_MAX;
    options
}

fn trust_anchor(file: &str) -> Result<TrustAnchors, String> {
    match file {
        "" => Ok(TrustAnchors::default()),
        file => match TrustAnchors::from_file(Path::new(file)) {
            Ok(anchors) if anchors.is_empty() => Err(format!("delivery.dns.trust_anchor = {file:?}: it has no key of the root")),
            Ok(anchors) => Ok(anchors),
            Err(e) => Err(format!("delivery.dns.trust_anchor = {file:?}: {e}")),
        },
    }
}

/// The name as the DNS knows it; absolute, so that no search domain is added.
fn absolute(name: &str) -> Option<Name> {
    let ascii = ascii_domain(name)?;
    let spoken = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !ascii.bytes().all(spoken) {
        return None;
    }
    let mut name = Name::from_ascii(&ascii).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Lower case, without the trailing dot.
fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

fn in_turns(six: Answer<IpAddr>, four: Answer<IpAddr>) -> Answer<IpAddr> {
    let (secure, ttl) = (six.secure && four.secure, six.ttl.min(four.ttl));
    let mut records = Vec::with_capacity(six.records.len() + four.records.len());
    let (mut six, mut others) = (six.records.into_iter(), four.records.into_iter());
    loop {
        let before = records.len();
        records.extend(six.next());
        records.extend(others.next());
        if records.len() == before || records.len() >= ADDRESSES_MAX {
            records.truncate(ADDRESSES_MAX);
            return Answer { records, secure, owner: four.owner, ttl };
        }
    }
}

fn explain(failure: &NetError) -> DnsError {
    let code = match failure {
        NetError::Dns(NetDnsError::DnssecBogus) => return DnsError::Bogus("signatures".to_owned()),
        // A denial in a signed zone whose proof does not hold.
        NetError::Dns(NetDnsError::Nsec { proof: Proof::Bogus, .. }) => return DnsError::Bogus("denial".to_owned()),
        // A denial in a zone that is not signed.
        NetError::Dns(NetDnsError::Nsec { response, .. }) => response.response_code,
        NetError::Dns(NetDnsError::NoRecordsFound(none)) => none.response_code,
        other => return DnsError::Temporary(other.to_string()),
    };
    match code {
        ResponseCode::NXDomain => DnsError::NoSuchDomain,
        ResponseCode::NoError => DnsError::NoRecords,
        code => DnsError::Temporary(code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_absolute_and_in_a_labels() {
        for (name, absolute_name) in [
            ("example.org", Some("example.org.")),
            ("Bücher.example.", Some("xn--bcher-kva.example.")),
            ("_mta-sts.example.org", Some("_mta-sts.example.org.")),
            ("", None),
            ("a b.example", None),
            ("a..b", None),
            ("[192.0.2.1]", None),
            (r"a\.b.example", None),
        ] {
            assert_eq!(absolute(name).map(|n| n.to_ascii()).as_deref(), absolute_name, "{name}");
        }
        assert_eq!(absolute(&format!("{}.example", "x".repeat(64))), None);
    }

    #[test]
    fn families_take_turns_and_are_bounded() {
        let answer = |texts: Vec<String>| Answer {
            records: texts.iter().map(|t| t.parse().unwrap()).collect(),
            secure: true,
            owner: "mx.example".to_owned(),
            ttl: Duration::from_secs(1),
        };
        let six = answer(vec!["2001:db8::1".to_owned()]);
        let four = answer((0..50).map(|n| format!("192.0.2.{n}")).collect());
        let both = in_turns(six, four).records;
        assert_eq!(both.len(), ADDRESSES_MAX);
        let first: Vec<String> = both[..3].iter().map(ToString::to_string).collect();
        assert_eq!(first, ["2001:db8::1", "192.0.2.0", "192.0.2.1"]);
    }
}
