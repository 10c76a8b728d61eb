//! What domains ask of those who send to them, and whether it is heeded.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::proto::rr::RecordType;
use posthouse::config::Direct;
use posthouse::config::warmup::Day;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::client::dial::{Hop, Terms};
use posthouse::delivery::client::tls::TlsClient;
use posthouse::delivery::client::{ClientError, Connection};
use posthouse::delivery::dns::Resolver;
use posthouse::delivery::mx::{Directory, MxHost, Own, Unroutable};
use posthouse::delivery::security::{Fetcher, Policies, Protection, Requirement, Session, TlsResult, Totals, Verified};

use super::support::certificate::Identity;
use super::support::dns::{Dns, Fault, Records};
use super::support::sink::{Act, Script, Sink, Turn};
use super::support::stores::on_every_engine;
use sha2::{Digest as _, Sha256, Sha512};

/// A sink that shows `identity`.
async fn secured(identity: &Identity) -> Sink {
    Sink::start(Script::default().with_tls(identity.server())).await
}

/// Dials the sink as `mx.signed`, trusting the public roots and `anchor`.
async fn dial(sink: &Sink, requirement: Requirement, anchor: &str) -> Result<Connection, ClientError> {
    dial_as("mx.signed", sink, requirement, anchor).await
}

async fn dial_as(host: &str, sink: &Sink, requirement: Requirement, anchor: &str) -> Result<Connection, ClientError> {
    let hop = Hop {
        host: host.to_owned(),
        port: sink.address.port(),
        addresses: vec![sink.address],
        sources: Vec::new(),
        terms: Terms::Direct(requirement),
        login: None,
        transactions_max: 100,
        hello: "client.example".to_owned(),
        tls_client: TlsClient::new(anchor.as_bytes()).expect("TLS"),
        deadlines: Arc::new(Deadlines {
            handshake: Duration::from_secs(5),
            command: Duration::from_secs(5),
            ..Deadlines::default()
        }),
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

    // Who hangs up, or hangs, at STARTTLS itself; and who does so at what is said first under TLS.
    let identity = Identity::of(&["mx.signed"]);
    let under_tls = |turn: &Turn| (turn.verb() == "EHLO" && turn.nth == 1).then_some(Act::Close);
    for script in [
        Script::at("STARTTLS", Act::Close).offering(&["STARTTLS"]),
        Script::at("STARTTLS", Act::Silence).offering(&["STARTTLS"]),
        Script::on(under_tls).with_tls(identity.server()),
    ] {
        let sink = Sink::start(script).await;
        let connection = dial(&sink, Requirement::Opportunistic, "").await.unwrap();
        assert!(matches!(connection.protection(), Protection::Clear { because: Some(_) }), "{}", connection.protection());
        assert_eq!((sink.connections(), sink.said("STARTTLS")), (2, 1));
    }

    let refusing = Sink::start(Script::at("STARTTLS", Act::say("454 4.7.0 not now")).offering(&["STARTTLS"])).await;
    let connection = dial(&refusing, Requirement::Opportunistic, "").await.unwrap();
    assert!(connection.protection().to_string().contains("454"), "{}", connection.protection());
    assert_eq!(refusing.connections(), 1);
}

#[tokio::test]
async fn what_is_required_is_never_given_up() {
    let deaf = Sink::start(Script::default().offering(&["STARTTLS"])).await;
    let refusing = Sink::start(Script::at("STARTTLS", Act::say("454 4.7.0 not now")).offering(&["STARTTLS"])).await;
    let closing = Sink::start(Script::at("STARTTLS", Act::Close).offering(&["STARTTLS"])).await;
    let plain = Sink::willing().await;
    for requirement in [Requirement::Encrypted, Requirement::Certified] {
        assert!(matches!(dial(&plain, requirement.clone(), "").await, Err(ClientError::Insecure(_))));
        assert!(matches!(dial(&refusing, requirement.clone(), "").await, Err(ClientError::Refused(..))));
        assert!(matches!(dial(&closing, requirement.clone(), "").await, Err(ClientError::Tls(_))));
        assert!(matches!(dial(&deaf, requirement, "").await, Err(ClientError::Tls(_))));
    }
    for sink in [&plain, &refusing, &closing, &deaf] {
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
async fn a_host_that_is_an_alias_is_asked_for_by_the_name_its_records_stand_under() {
    let identity = Identity::of(&["mx.signed"]);
    let (_dns, directory) = signed(&[((3, 1, 1), Sha256::digest(identity.public_key()).to_vec())], Records::default()).await;
    let requirement = requirement(&directory, "example.signed").await.unwrap();
    let sink = Sink::start(Script::default().with_tls(identity.server_named("mx.signed"))).await;
    let connection = dial_as("alias.signed", &sink, requirement, "").await.unwrap();
    assert_eq!(verified(&connection), Verified::Dane);
}

#[test]
fn sessions_are_counted_for_the_domain_to_read() {
    on_every_engine(async |book| {
        let (_dns, directory) = signed(&[((3, 1, 1), vec![7; 32])], Records::default()).await;
        let targets = directory.targets("signed").await.unwrap();
        let found = directory.addresses(&targets.hosts[0]).await.unwrap();
        let requirement = directory.requirement(&targets, &targets.hosts[0], &found).await.unwrap();
        let sink = secured(&Identity::of(&["mx.signed"])).await;
        let dialled = dial(&sink, requirement.clone(), "").await;
        let (host, address): (&MxHost, _) = (&targets.hosts[0], Some(sink.address.ip()));
        let session = Session { targets: &targets, host, requirement: &requirement, address };
        // Two engines add to the same totals, the second one once more.
        let engines = [Totals::new(book.clock.clone()), Totals::new(book.clock.clone())];
        for totals in [&engines[0], &engines[1], &engines[1]] {
            totals.count(&session, dialled.as_ref().map(Connection::protection));
            totals.write(&book.store).await;
        }
        engines[0].write(&book.store).await;
        let today = Day::of(book.clock.now());
        let counted = book.store.tls_sessions(today, None).await.unwrap();
        let [(kind, 3)] = &counted[..] else { panic!("{counted:?}") };
        assert_eq!((kind.domain.as_str(), kind.policy.kind.as_str()), ("signed", "tlsa"));
        let failure = kind.failure.as_ref().expect("a failure");
        assert_eq!((failure.result.as_str(), failure.address), ("validation-failure", address));
        assert_eq!(book.store.tls_sessions(today, Some(kind)).await, Ok(vec![]), "there is nothing behind it");
        assert_eq!(book.store.tls_sessions(Day(today.0 - 1), None).await, Ok(vec![]));
    });
}
