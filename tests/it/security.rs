//! What domains ask of those who send to them, and whether it is heeded.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::proto::rr::RecordType;
use posthouse::clock::{Clock, Timestamp};
use posthouse::config::Direct;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::client::dial::{Hop, Terms};
use posthouse::delivery::client::tls::TlsClient;
use posthouse::delivery::client::{ClientError, Connection};
use posthouse::delivery::dns::Resolver;
use posthouse::delivery::mx::{Directory, MxHost, Own, Unroutable};
use posthouse::delivery::security::sts::{Mode, Policy};
use posthouse::delivery::security::{
    DomainPolicy, Fetcher, Policies, Protection, Requirement, Session, TlsResult, Totals, Verified,
};

use super::support::certificate::Identity;
use super::support::dns::{Dns, Fault, Records};
use super::support::https::{self, Https};
use super::support::sink::{Act, Script, Sink};
use sha2::{Digest as _, Sha256, Sha512};

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 86400\n";

/// `example.org`, its hosts, and the place of its policy.
fn records(id: &str) -> Records {
    Records::default()
        .mx("example.org", 10, "mx.example.org")
        .mx("example.org", 20, "mx.elsewhere.example")
        .txt("_mta-sts.example.org", &[&format!("v=STSv1; id={id};")])
        .address("mta-sts.example.org", Ipv4Addr::LOCALHOST)
}

struct Scene {
    dns: Dns,
    https: Https,
    policies: Policies,
}

impl Scene {
    async fn new(answer: String) -> Self {
        Self::showing(Identity::of(&["mta-sts.example.org"]), answer, true).await
    }

    async fn showing(identity: Identity, answer: String, allow_private_addresses: bool) -> Self {
        let dns = Dns::start(records("1").living(0)).await;
        let https = Https::start(identity.server(), answer).await;
        let policies = policies(&dns, &https, &identity, allow_private_addresses);
        Self { dns, https, policies }
    }

    async fn found(&self) -> (Option<Mode>, Option<TlsResult>) {
        let found = self.policies.of("example.org").await;
        (found.sts.as_ref().map(|policy| policy.mode), found.failure)
    }
}

fn policies(dns: &Dns, https: &Https, identity: &Identity, allow_private_addresses: bool) -> Policies {
    let tls = TlsClient::new(identity.anchor().as_bytes()).expect("TLS");
    let resolver = Resolver::new(&dns.config()).expect("a resolver");
    Policies::new(resolver, Fetcher::new(tls, https.address.port(), allow_private_addresses))
}

#[tokio::test]
async fn a_policy_is_fetched_once_and_admits_whom_it_names() {
    let scene = Scene::new(https::text(POLICY)).await;
    let found = scene.policies.of("example.org").await;
    assert!(found.is_enforced() && found.failure.is_none(), "{found:?}");
    assert!(found.admits("mx.example.org") && !found.admits("mx.elsewhere.example"));
    assert_eq!(scene.found().await, (Some(Mode::Enforce), None));
    assert_eq!(scene.https.connections(), 1);
    assert_eq!(*scene.policies.of("elsewhere.example").await, DomainPolicy::default());
}

#[tokio::test]
async fn what_is_no_policy_is_not_obeyed_and_told() {
    let long = format!("{POLICY}{}", "x: y\n".repeat(20_000));
    let html = https::text(POLICY).replace("text/plain", "text/html");
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.example.org/\r\nContent-Length: 0\r\n\r\n".to_owned();
    for (answer, failure) in [
        (https::text("version: STSv1\nmode: maybe\n"), TlsResult::StsPolicyInvalid),
        (https::text(&long), TlsResult::StsPolicyFetchError),
        (html, TlsResult::StsPolicyFetchError),
        (moved, TlsResult::StsPolicyFetchError),
        ("garbage".to_owned(), TlsResult::StsPolicyFetchError),
    ] {
        let scene = Scene::new(answer.clone()).await;
        assert_eq!(scene.found().await, (None, Some(failure)), "{answer:.60}");
        assert_eq!(scene.found().await, (None, Some(failure)));
        assert_eq!(scene.https.connections(), 1, "a failed fetch is not repeated at once");
    }
}

#[tokio::test]
async fn the_web_server_proves_its_name() {
    let other = Scene::showing(Identity::of(&["www.example.org"]), https::text(POLICY), true).await;
    assert_eq!(other.found().await, (None, Some(TlsResult::StsWebpkiInvalid)));
    let over = Scene::showing(Identity::expired(&["mta-sts.example.org"]), https::text(POLICY), true).await;
    assert_eq!(over.found().await, (None, Some(TlsResult::StsWebpkiInvalid)));
}

#[tokio::test]
async fn no_policy_is_fetched_from_a_private_network() {
    let scene = Scene::showing(Identity::of(&["mta-sts.example.org"]), https::text(POLICY), false).await;
    assert_eq!(scene.found().await, (None, Some(TlsResult::StsPolicyFetchError)));
    assert_eq!(scene.https.connections(), 0);
}

#[tokio::test]
async fn a_policy_outlives_what_hides_it() {
    let scene = Scene::new(https::text(POLICY)).await;
    assert_eq!(scene.found().await.0, Some(Mode::Enforce));
    // The record is gone, by the owner's or by a forger's hand: what was promised for a day holds for a day.
    scene.dns.replace(Records::default());
    assert_eq!(scene.found().await.0, Some(Mode::Enforce));
}

#[tokio::test]
async fn another_id_means_another_policy() {
    let scene = Scene::new(https::text(POLICY)).await;
    assert_eq!(scene.found().await, (Some(Mode::Enforce), None));
    scene.https.answer("HTTP/1.1 500 Oh\r\n\r\n".to_owned());
    scene.dns.replace(records("2").living(0));
    assert_eq!(scene.found().await, (Some(Mode::Enforce), Some(TlsResult::StsPolicyFetchError)), "the old one still binds");
    scene.https.answer(https::text(&POLICY.replace("enforce", "none")));
    scene.dns.replace(records("3").living(0));
    assert_eq!(scene.found().await, (Some(Mode::None), None));
    assert_eq!(scene.https.connections(), 3);
}

#[tokio::test]
async fn hosts_that_the_policy_does_not_name_are_passed_over() {
    let scene = Scene::new(https::text(POLICY)).await;
    let resolver = Resolver::new(&scene.dns.config()).unwrap();
    let direct = Direct { port: 25, allow_private_addresses: true };
    let directory = Directory::new(resolver.clone(), scene.policies, direct.clone(), Own::default());
    let targets = directory.targets("example.org").await.unwrap();
    let names: Vec<&str> = targets.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["mx.example.org"]);
    assert_eq!(targets.policy.sts.as_ref().map(|p| p.max_age), Some(Duration::from_secs(86_400)));

    let strict = Scene::new(https::text(&POLICY.replace("*.example.org", "nobody.example"))).await;
    let directory = Directory::new(resolver.clone(), strict.policies, direct.clone(), Own::default());
    let Err(Unroutable::Later(reply)) = directory.targets("example.org").await else { panic!("sent past the policy") };
    assert!(reply.line().starts_with("451 4.7.0 "), "{reply:?}");

    let testing = Scene::new(https::text(&POLICY.replace("enforce", "testing").replace("*.example.org", "nobody.example"))).await;
    let directory = Directory::new(resolver, testing.policies, direct, Own::default());
    assert_eq!(directory.targets("example.org").await.unwrap().hosts.len(), 2);
    assert_eq!(Policy::parse(POLICY).unwrap().mode, Mode::Enforce);
}

/// A sink that shows `identity`.
async fn secured(identity: &Identity) -> Sink {
    Sink::start(Script::default().with_tls(identity.server())).await
}

/// Dials the sink as `mx.signed`, trusting the public roots and `anchor`.
async fn dial(sink: &Sink, requirement: Requirement, anchor: &str) -> Result<Connection, ClientError> {
    let hop = Hop {
        host: "mx.signed".to_owned(),
        port: sink.address.port(),
        addresses: vec![sink.address],
        sources: Vec::new(),
        terms: Terms::Direct(requirement),
        login: None,
        hello: "client.example".to_owned(),
        tls_client: TlsClient::new(anchor.as_bytes()).expect("TLS"),
        deadlines: Arc::new(Deadlines { handshake: Duration::from_secs(5), ..Deadlines::default() }),
    };
    hop.dial().await
}

fn verified(connection: &Connection) -> Verified {
    match connection.protection() {
        Protection::Tls { verified, .. } => verified.clone(),
        clear @ Protection::Clear { .. } => panic!("{clear}"),
    }
}

#[tokio::test]
async fn opportunistic_takes_what_there_is_and_tells_what_it_was() {
    let identity = Identity::of(&["mx.signed"]);
    let sink = secured(&identity).await;
    let stranger = dial(&sink, Requirement::Opportunistic, "").await.unwrap();
    assert!(matches!(verified(&stranger), Verified::Not(..)));
    let Protection::Tls { protocol, cipher, .. } = stranger.protection() else { panic!("in the clear") };
    assert!(protocol == "TLSv1.3" && cipher.starts_with("TLS13_"), "{protocol} {cipher}");
    let known = dial(&sink, Requirement::Opportunistic, &identity.anchor()).await.unwrap();
    assert_eq!(verified(&known), Verified::WebPki);
    let plain = dial(&Sink::willing().await, Requirement::Opportunistic, "").await.unwrap();
    assert_eq!(*plain.protection(), Protection::Clear { because: None });
}

#[tokio::test]
async fn opportunistic_falls_back_on_a_second_connection() {
    let script = Script::at("STARTTLS", Act::say("220 go ahead\r\nno TLS at all")).offering(&["PIPELINING", "STARTTLS"]);
    let broken = Sink::start(script).await;
    let out_of_turn = dial(&broken, Requirement::Opportunistic, "").await;
    assert!(matches!(out_of_turn, Err(ClientError::OutOfTurn(_))), "{out_of_turn:?}");

    let script = Script::default().offering(&["PIPELINING", "STARTTLS"]);
    let deaf = Sink::start(script).await;
    let connection = dial(&deaf, Requirement::Opportunistic, "").await.unwrap();
    assert!(matches!(connection.protection(), Protection::Clear { because: Some(_) }), "{}", connection.protection());
    assert_eq!(deaf.connections(), 2);

    let refusing = Sink::start(Script::at("STARTTLS", Act::say("454 4.7.0 not now")).offering(&["STARTTLS"])).await;
    let connection = dial(&refusing, Requirement::Opportunistic, "").await.unwrap();
    assert!(connection.protection().to_string().contains("454"), "{}", connection.protection());
    assert_eq!(refusing.connections(), 1);
}

#[tokio::test]
async fn what_is_required_is_never_given_up() {
    let deaf = Sink::start(Script::default().offering(&["STARTTLS"])).await;
    let refusing = Sink::start(Script::at("STARTTLS", Act::say("454 4.7.0 not now")).offering(&["STARTTLS"])).await;
    let plain = Sink::willing().await;
    for requirement in [Requirement::Encrypted, Requirement::Certified] {
        assert!(matches!(dial(&plain, requirement.clone(), "").await, Err(ClientError::Insecure(_))));
        assert!(matches!(dial(&refusing, requirement.clone(), "").await, Err(ClientError::Refused(..))));
        assert!(matches!(dial(&deaf, requirement, "").await, Err(ClientError::Tls(_))));
    }
    for sink in [&plain, &refusing, &deaf] {
        assert_eq!((sink.connections(), sink.said("MAIL")), (2, 0));
    }
    let stranger = secured(&Identity::of(&["whoever"])).await;
    assert!(matches!(verified(&dial(&stranger, Requirement::Encrypted, "").await.unwrap()), Verified::Not(..)));
}

#[tokio::test]
async fn a_certificate_is_of_the_host_and_by_somebody_trusted() {
    for (identity, trusted, refused) in [
        (Identity::of(&["mx.signed"]), true, None),
        (Identity::under_authority(&["mx.signed"]), true, None),
        (Identity::of(&["mx.signed"]), false, Some(TlsResult::CertificateNotTrusted)),
        (Identity::of(&["other.signed"]), true, Some(TlsResult::CertificateHostMismatch)),
        (Identity::expired(&["mx.signed"]), true, Some(TlsResult::CertificateExpired)),
    ] {
        let sink = secured(&identity).await;
        let anchor = if trusted { identity.anchor() } else { String::new() };
        match (dial(&sink, Requirement::Certified, &anchor).await, refused) {
            (Ok(connection), None) => assert_eq!(verified(&connection), Verified::WebPki),
            (Err(ClientError::Untrusted(result, _)), Some(expected)) => assert_eq!(result, expected),
            (result, expected) => panic!("{result:?} {expected:?}"),
        }
        assert_eq!(sink.connections(), 1, "no second try in the clear");
    }
}

/// Usage, selector, matching type; data.
type Record = ((u8, u8, u8), Vec<u8>);

/// A directory of signed domains, whose `mx.signed` has these TLSA records at port 25.
async fn signed(tlsa: &[Record], faults: Records) -> (Dns, Directory) {
    let unsigned =
        faults.mx("example.plain", 1, "mx.signed").mx("other.plain", 1, "mx.plain").address("mx.plain", Ipv4Addr::LOCALHOST);
    let zone = Records::default()
        .mx("signed", 1, "mx.signed")
        .mx("example.signed", 1, "alias.signed")
        .address("mx.signed", Ipv4Addr::LOCALHOST)
        .cname("alias.signed", "mx.signed");
    let zone = tlsa.iter().fold(zone, |zone, (fields, data)| zone.tlsa("_25._tcp.mx.signed", *fields, data));
    let dns = Dns::signing(unsigned, zone).await;
    let resolver = Resolver::new(&dns.config()).expect("a resolver");
    let policies = Policies::new(resolver.clone(), Fetcher::new(TlsClient::new(b"").expect("TLS"), 1, true));
    let direct = Direct { port: 25, allow_private_addresses: true };
    (dns, Directory::new(resolver, policies, direct, Own::default()))
}

async fn requirement(directory: &Directory, domain: &str) -> Result<Requirement, Unroutable> {
    let targets = directory.targets(domain).await?;
    let found = directory.addresses(&targets.hosts[0]).await?;
    directory.requirement(&targets, &targets.hosts[0], &found).await
}

#[tokio::test]
async fn dane_is_obeyed_where_all_of_it_is_signed() {
    let (dns, directory) = signed(&[((3, 1, 1), vec![7; 32])], Records::default()).await;
    for domain in ["signed", "example.signed"] {
        let Requirement::Dane(dane) = requirement(&directory, domain).await.unwrap() else { panic!("{domain}: no DANE") };
        assert_eq!(dane.records[0].to_string(), format!("3 1 1 {}", "07".repeat(32)));
    }
    let asked = dns.asked("_25._tcp.mx.signed", RecordType::TLSA);
    assert_eq!(requirement(&directory, "example.plain").await.unwrap(), Requirement::Opportunistic);
    assert_eq!(dns.asked("_25._tcp.mx.signed", RecordType::TLSA), asked, "an MX that anyone may forge binds nobody");
    assert_eq!(requirement(&directory, "other.plain").await.unwrap(), Requirement::Opportunistic);
    assert_eq!(dns.asked("_25._tcp.mx.plain", RecordType::TLSA), 0);
}

#[tokio::test]
async fn tlsa_that_is_missing_unusable_or_withheld() {
    let (_dns, directory) = signed(&[], Records::default()).await;
    assert_eq!(requirement(&directory, "signed").await.unwrap(), Requirement::Opportunistic);
    let (_dns, directory) = signed(&[((1, 1, 1), vec![7; 32]), ((3, 1, 1), vec![7; 5])], Records::default()).await;
    assert_eq!(requirement(&directory, "signed").await.unwrap(), Requirement::Encrypted);
    let withheld = Records::default().fault("_25._tcp.mx.signed", Fault::ServFail);
    let (_dns, directory) = signed(&[], withheld).await;
    let Err(Unroutable::Later(reply)) = requirement(&directory, "signed").await else { panic!("sent without its TLSA") };
    assert!(reply.line().starts_with("451 4.4.3 "), "{reply:?}");
    let forged = Records::default().mx("signed", 1, "evil.plain");
    let (_dns, directory) = signed(&[], forged).await;
    let Err(Unroutable::Later(reply)) = requirement(&directory, "signed").await else { panic!("a forged MX was believed") };
    assert!(reply.line().starts_with("451 4.7.5 "), "{reply:?}");
}

#[tokio::test]
async fn dane_decides_about_the_certificate() {
    let of = |identity: &Identity, place: usize| Sha256::digest(&identity.chain[place]).to_vec();
    let single = Identity::expired(&["whoever"]);
    let chained = Identity::under_authority(&["mx.signed"]);
    let misnamed = Identity::under_authority(&["whoever"]);
    let whole = chained.chain[1].to_vec();
    for (identity, fields, data, accepted) in [
        // RFC 7672 section 3.1.1: neither name nor dates count.
        (&single, (3, 0, 1), of(&single, 0), true),
        (&single, (3, 1, 1), Sha256::digest(single.public_key()).to_vec(), true),
        (&single, (3, 1, 2), Sha512::digest(single.public_key()).to_vec(), true),
        (&single, (3, 1, 0), single.public_key(), true),
        (&single, (3, 0, 0), single.certificate().to_vec(), true),
        (&single, (3, 0, 1), vec![7; 32], false),
        (&chained, (2, 0, 1), of(&chained, 1), true),
        (&chained, (2, 0, 0), whole, true),
        (&chained, (2, 0, 1), of(&single, 0), false),
        (&misnamed, (2, 0, 1), of(&misnamed, 1), false),
        (&chained, (3, 0, 1), of(&chained, 1), false),
    ] {
        let (_dns, directory) = signed(&[(fields, data)], Records::default()).await;
        let requirement = requirement(&directory, "signed").await.unwrap();
        let sink = secured(identity).await;
        match dial(&sink, requirement, &identity.anchor()).await {
            Ok(connection) if accepted => assert_eq!(verified(&connection), Verified::Dane),
            Err(ClientError::Untrusted(..)) if !accepted => assert_eq!(sink.connections(), 1, "no second try in the clear"),
            other => panic!("{fields:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn sessions_are_counted_for_the_domain_to_read() {
    let (_dns, directory) = signed(&[((3, 1, 1), vec![7; 32])], Records::default()).await;
    let targets = directory.targets("signed").await.unwrap();
    let found = directory.addresses(&targets.hosts[0]).await.unwrap();
    let requirement = directory.requirement(&targets, &targets.hosts[0], &found).await.unwrap();
    let sink = secured(&Identity::of(&["mx.signed"])).await;
    let dialled = dial(&sink, requirement.clone(), "").await;
    let host: &MxHost = &targets.hosts[0];
    let totals = Totals::new(Clock::manual(Timestamp(0)));
    let session = Session { targets: &targets, host, requirement: &requirement, address: Some(sink.address.ip()) };
    totals.count(&session, dialled.as_ref().map(Connection::protection));
    let told = totals.export(Timestamp(0));
    let policy = &told[0]["policies"][0];
    assert_eq!((told[0]["domain"].as_str(), policy["policy"]["policy-type"].as_str()), (Some("signed"), Some("tlsa")));
    assert_eq!(policy["failure-details"][0]["result-type"], "validation-failure");
    assert_eq!(policy["failure-details"][0]["receiving-ip"], "127.0.0.1");
}
