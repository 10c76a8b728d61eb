//! A name server on port 0 (UDP and TCP) that answers from a table, counts what it was asked, and misbehaves by script.
//!
//! It answers as a recursive resolver does, aliases followed. What was added by [`Records`] alone is not signed; `Dns::signing` puts
//! the names of a second table into a root zone that is, with a delegation to nowhere for each top-level name of the first.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::proto::dnssec::crypto::EcdsaSigningKey;
use hickory_server::proto::dnssec::rdata::DNSKEY;
use hickory_server::proto::dnssec::{Algorithm, DnssecSigner, SigningKey};
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_server::proto::rr::rdata::{CNAME, MX, NS, SOA, TLSA, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, MessageResponseBuilder, ZoneType};
use posthouse::config::units::Span;
use posthouse::config::{self, Config};
use tokio::net::{TcpListener, UdpSocket};

/// What a name does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    ServFail,
    /// No answer at all.
    Silence,
}

/// Names and what stands under them.
#[derive(Clone, Default)]
pub struct Records {
    under: BTreeMap<Name, Vec<RData>>,
    /// Of all types, or of one.
    faults: HashMap<(Name, Option<RecordType>), Fault>,
    /// Seconds; none: 300.
    ttl: Option<u32>,
}

fn name(text: &str) -> Name {
    Name::from_str(&format!("{}.", text.trim_end_matches('.'))).expect("a name")
}

impl Records {
    fn with(mut self, owner: &str, data: RData) -> Self {
        self.under.entry(name(owner)).or_default().push(data);
        self
    }

    pub fn mx(self, domain: &str, preference: u16, host: &str) -> Self {
        self.with(domain, RData::MX(MX::new(preference, name(host))))
    }

    /// RFC 7505.
    pub fn null_mx(self, domain: &str) -> Self {
        self.with(domain, RData::MX(MX::new(0, Name::root())))
    }

    /// A or AAAA.
    pub fn address(self, host: &str, address: impl Into<IpAddr>) -> Self {
        self.with(host, RData::from(address.into()))
    }

    pub fn cname(self, alias: &str, target: &str) -> Self {
        self.with(alias, RData::CNAME(CNAME(name(target))))
    }

    /// One record of these strings.
    pub fn txt(self, owner: &str, strings: &[&str]) -> Self {
        self.with(owner, RData::TXT(TXT::new(strings.iter().map(|&s| s.to_owned()).collect())))
    }

    pub fn tlsa(self, owner: &str, fields: (u8, u8, u8), data: &[u8]) -> Self {
        let (usage, selector, matching) = (CertUsage::from(fields.0), Selector::from(fields.1), Matching::from(fields.2));
        self.with(owner, RData::TLSA(TLSA::new(usage, selector, matching, data.to_vec())))
    }

    pub fn fault(mut self, owner: &str, fault: Fault) -> Self {
        self.faults.insert((name(owner), None), fault);
        self
    }

    pub fn fault_at(mut self, owner: &str, kind: RecordType, fault: Fault) -> Self {
        self.faults.insert((name(owner), Some(kind)), fault);
        self
    }

    /// What every answer may be kept for.
    pub fn living(mut self, ttl: u32) -> Self {
        self.ttl = Some(ttl);
        self
    }

    fn records(&self, owner: &Name, kind: RecordType) -> impl Iterator<Item = Record> {
        let ttl = self.ttl.unwrap_or(300);
        let data = self.under.get(owner).into_iter().flatten();
        data.filter(move |d| d.record_type() == kind).map(move |d| Record::from_rdata(owner.clone(), ttl, d.clone()))
    }

    /// What a recursive resolver would say: the aliases on the way, and the records at their end.
    fn answer(&self, owner: &Name, kind: RecordType) -> (ResponseCode, Vec<Record>) {
        let (mut owner, mut answers) = (owner.clone(), Vec::new());
        for _ in 0..20 {
            answers.extend(self.records(&owner, kind));
            let Some(alias) = self.records(&owner, RecordType::CNAME).next().filter(|_| kind != RecordType::CNAME) else { break };
            let RData::CNAME(CNAME(target)) = alias.data.clone() else { break };
            answers.push(alias);
            owner = target;
        }
        let exists = self.under.keys().any(|known| owner.zone_of(known));
        (if exists { ResponseCode::NoError } else { ResponseCode::NXDomain }, answers)
    }

    fn fault_of(&self, owner: &Name, kind: RecordType) -> Option<Fault> {
        let fault = |kind| self.faults.get(&(owner.clone(), kind)).copied();
        fault(None).or_else(|| fault(Some(kind)))
    }
}

struct State {
    records: Mutex<Records>,
    asked: Mutex<Vec<(String, RecordType)>>,
    /// The signed root zone; it goes second.
    signed: Option<RootZone>,
}

/// The running server; it ends when this is dropped.
pub struct Dns {
    state: Arc<State>,
    _server: Server<Handler>,
    _anchor: Option<tempfile::TempDir>,
    config: config::Dns,
}

impl Dns {
    /// Answers from the table, unsigned.
    pub async fn start(records: Records) -> Self {
        Self::run(records, None).await
    }

    /// Answers from `signed` with signatures up to a root of its own; `records` goes first, and is not signed: under a top-level
    /// name that `signed` has no part in, lawfully; else as a forger would.
    pub async fn signing(records: Records, signed: Records) -> Self {
        Self::run(records, Some(signed)).await
    }

    async fn run(records: Records, signed: Option<Records>) -> Self {
        let mut config = Config::defaults().delivery.dns;
        let mut anchor = None;
        let signed = signed.map(|signed| {
            let (root, key) = root_zone(&records, &signed);
            let folder = tempfile::tempdir().expect("a directory");
            let file = folder.path().join("anchor.key");
            std::fs::write(&file, format!(". IN DNSKEY {key}\n")).expect("the anchor's file");
            (config.dnssec, config.trust_anchor) = (true, file.to_str().expect("UTF-8").to_owned());
            anchor = Some(folder);
            root
        });
        let state = Arc::new(State { records: Mutex::new(records), asked: Mutex::default(), signed });
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().expect("an address");
        let mut server = Server::new(Handler(state.clone()));
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 16);
        config.nameservers = vec![address];
        config.timeout = Span(Duration::from_secs(10));
        Self { state, _server: server, _anchor: anchor, config }
    }

    /// The configuration of a resolver that asks this server.
    pub fn config(&self) -> config::Dns {
        self.config.clone()
    }

    /// Puts another table in the place of the unsigned one.
    pub fn replace(&self, records: Records) {
        *self.state.records.lock().unwrap() = records;
    }

    /// How often it was asked for this.
    pub fn asked(&self, owner: &str, kind: RecordType) -> usize {
        let owner = name(owner).to_ascii();
        self.state.asked.lock().unwrap().iter().filter(|(n, k)| *n == owner && *k == kind).count()
    }

    /// Every name it was asked for.
    pub fn names(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }
}

/// UDP and TCP on one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// A signed root zone.
struct RootZone {
    catalog: Catalog,
    /// The top-level names that are not delegated.
    tops: Vec<Name>,
}

impl RootZone {
    /// Whether it, and not a zone that it delegates, can tell.
    fn knows(&self, owner: &Name, kind: RecordType) -> bool {
        let is_delegation = owner.num_labels() <= 1 && matches!(kind, RecordType::DS | RecordType::NS);
        owner.is_root() || is_delegation || self.tops.contains(&owner.trim_to(1))
    }
}

/// A signed root zone that holds `signed`, and delegates the top-level names of `unsigned` to zones without a DS.
fn root_zone(unsigned: &Records, signed: &Records) -> (RootZone, DNSKEY) {
    let root = Name::root();
    let mut zone = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(
        root.clone(),
        ZoneType::Primary,
        AxfrPolicy::Deny,
        Some(NxProofKind::Nsec),
    );
    let soa = SOA::new(name("ns.root"), name("mail.root"), 1, 3600, 600, 86_400, 300);
    zone.upsert_mut(Record::from_rdata(root.clone(), 300, RData::SOA(soa)), 1);
    zone.upsert_mut(Record::from_rdata(root.clone(), 300, RData::NS(NS(name("ns.root")))), 1);
    for (owner, data) in &signed.under {
        for data in data {
            zone.upsert_mut(Record::from_rdata(owner.clone(), 300, data.clone()), 1);
        }
    }
    let tops: Vec<Name> = signed.under.keys().map(|owner| owner.trim_to(1)).collect();
    for owner in unsigned.under.keys() {
        let top = owner.trim_to(1);
        if !tops.contains(&top) {
            zone.upsert_mut(Record::from_rdata(top, 300, RData::NS(NS(name("ns.root")))), 1);
        }
    }
    let pkcs8 = EcdsaSigningKey::generate_pkcs8(Algorithm::ECDSAP256SHA256).expect("a key");
    let key = EcdsaSigningKey::from_pkcs8(&pkcs8, Algorithm::ECDSAP256SHA256).expect("a key");
    let public = DNSKEY::from_key(&key.to_public_key().expect("its public half"));
    let signer = DnssecSigner::new(public.clone(), Box::new(key), root.clone(), Duration::from_secs(86_400));
    zone.add_zone_signing_key_mut(signer).expect("a zone with a key");
    zone.secure_zone_mut().expect("a signed zone");
    let mut catalog = Catalog::new();
    catalog.upsert(root.into(), vec![Arc::new(zone)]);
    (RootZone { catalog, tops }, public)
}

struct Handler(Arc<State>);

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let Ok(info) = request.request_info() else { return unanswered(request) };
        let (owner, kind) = (Name::from(info.query.name()), info.query.query_type());
        self.0.asked.lock().unwrap().push((owner.to_ascii(), kind));
        let records = self.0.records.lock().unwrap().clone();
        let builder = MessageResponseBuilder::new(&request.queries, request.edns.as_ref());
        match records.fault_of(&owner, kind) {
            Some(Fault::Silence) => return unanswered(request),
            Some(Fault::ServFail) => {
                let reply = builder.error_msg(&request.metadata, ResponseCode::ServFail);
                return response.send_response(reply).await.unwrap_or_else(|_| unanswered(request));
            }
            None => {}
        }
        let (code, answers) = records.answer(&owner, kind);
        if let Some(root) = self.0.signed.as_ref().filter(|root| answers.is_empty() && root.knows(&owner, kind)) {
            return root.catalog.handle_request::<R, T>(request, response).await;
        }
        let mut metadata = Metadata::response_from_request(&request.metadata);
        (metadata.response_code, metadata.recursion_available) = (code, true);
        let reply = builder.build(metadata, &answers, [], [], []);
        response.send_response(reply).await.unwrap_or_else(|_| unanswered(request))
    }
}

fn unanswered(request: &Request) -> ResponseInfo {
    Header { metadata: Metadata::response_from_request(&request.metadata), counts: HeaderCounts::default() }.into()
}
