//! The resolver against a name server that answers, refuses, forges and keeps silent.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hickory_server::proto::rr::RecordType;
use posthouse::config::Config;
use posthouse::config::units::Span;
use posthouse::delivery::dns::{DnsError, Mx, Purpose, Resolver};
use posthouse::event::client::Client;
use posthouse::model::stream::Stream::{Broadcast, Transactional};
use tokio::task::JoinSet;

use super::support::IN_TIME;
use super::support::dns::{Dns, Fault, Records};

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 25);

fn resolver(dns: &Dns) -> Resolver {
    Resolver::new(&dns.config()).expect("a resolver")
}

fn mx(preference: u16, exchange: &str) -> Mx {
    Mx { preference, exchange: exchange.to_owned() }
}

#[tokio::test]
async fn records_come_in_plain_forms() {
    let records = Records::default()
        .mx("example.org", 20, "MX2.Example.org")
        .mx("example.org", 10, "mx1.example.org")
        .address("mx1.example.org", HOST)
        .address("mx1.example.org", "2001:db8::25".parse::<IpAddr>().unwrap())
        .txt("_mta-sts.example.org", &["v=STSv1; ", "id=1"])
        .null_mx("silent.example")
        .mx("xn--bcher-kva.example", 5, "mx1.example.org");
    let dns = Dns::start(records).await;
    let resolver = resolver(&dns);
    let answer = resolver.mx("Example.ORG").await.unwrap();
    assert_eq!(answer.records, [mx(10, "mx1.example.org"), mx(20, "mx2.example.org")]);
    assert!(!answer.secure && answer.ttl > Duration::from_secs(200) && answer.ttl <= Duration::from_secs(300), "{answer:?}");
    let addresses = resolver.addresses("mx1.example.org").await.unwrap().records;
    assert_eq!(addresses, ["2001:db8::25".parse::<IpAddr>().unwrap(), HOST.into()]);
    assert_eq!(resolver.txt("_mta-sts.example.org").await.unwrap().records, ["v=STSv1; id=1"]);
    assert_eq!(resolver.mx("silent.example").await.unwrap().records, [mx(0, "")]);
    assert_eq!(resolver.mx("bücher.example").await.unwrap().records, [mx(5, "mx1.example.org")]);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let records = Records::default()
        .address("host.example", HOST)
        .fault("broken.example", Fault::ServFail)
        .fault_at("half.example", RecordType::AAAA, Fault::ServFail)
        .address("half.example", HOST);
    let dns = Dns::start(records).await;
    let resolver = resolver(&dns);
    assert_eq!(resolver.mx("nowhere.example").await.unwrap_err(), DnsError::NoSuchDomain);
    assert_eq!(resolver.mx("host.example").await.unwrap_err(), DnsError::NoRecords);
    assert_eq!(resolver.addresses("nowhere.example").await.unwrap_err(), DnsError::NoSuchDomain);
    assert!(matches!(resolver.mx("broken.example").await, Err(DnsError::Temporary(_))));
    assert_eq!(resolver.addresses("half.example").await.unwrap().records, [IpAddr::from(HOST)]);
    assert_eq!(resolver.mx("[192.0.2.1]").await.unwrap_err(), DnsError::NoSuchDomain);
}

#[tokio::test]
async fn what_is_forgotten_is_asked_for_anew() {
    let (before, after) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let dns = Dns::start(Records::default().address("moves.example", before)).await;
    let resolver = resolver(&dns);
    let found = async || resolver.addresses("moves.example").await.unwrap().records;
    assert_eq!(found().await, [IpAddr::from(before)]);
    dns.replace(Records::default().address("moves.example", after));
    assert_eq!(found().await, [IpAddr::from(before)], "it is remembered");
    resolver.forget("moves.example");
    assert_eq!(found().await, [IpAddr::from(after)]);
}

#[tokio::test]
async fn only_the_name_itself_is_asked_for() {
    let dns = Dns::start(Records::default().address("other.example", HOST)).await;
    assert!(resolver(&dns).mx("localname").await.is_err());
    assert!(dns.names().iter().all(|name| name == "localname."), "{:?}", dns.names());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_deadline() {
    let dns = Dns::start(Records::default().fault("slow.example", Fault::Silence)).await;
    let mut config = dns.config();
    config.timeout = Span(Duration::from_millis(500));
    let begun = tokio::time::Instant::now();
    let answer = Resolver::new(&config).unwrap().mx("slow.example").await;
    assert!(matches!(answer, Err(DnsError::Temporary(_))), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// More names of silent servers than are asked for at once.
fn silence(names: usize) -> (Records, Vec<String>) {
    let names: Vec<String> = (0..names).map(|n| format!("n{n}.silent.example")).collect();
    (names.iter().fold(Records::default(), |records, name| records.fault(name, Fault::Silence)), names)
}

/// Waits until so many names were asked for.
async fn asked(dns: &Dns, names: usize) {
    while dns.names().len() < names {
        tokio::task::yield_now().await;
    }
}

/// While names whose servers are silent have all of the `turns` that are for `crowd`, another is found for `other`.
async fn is_found_beside_silence(crowd: Purpose, turns: usize, other: Purpose) {
    let (records, names) = silence(600);
    let dns = Dns::start(records.address("mx.example", HOST)).await;
    let mut config = dns.config();
    config.timeout = Span(IN_TIME * 2);
    let resolver = Resolver::new(&config).unwrap();
    let mut asking = JoinSet::new();
    for name in names {
        let resolver = resolver.asking_for(crowd);
        asking.spawn(async move { resolver.addresses(&name).await });
    }
    tokio::time::timeout(IN_TIME, async {
        asked(&dns, turns).await;
        let found = resolver.asking_for(other).addresses("mx.example").await;
        assert_eq!(found.unwrap().records, [IpAddr::from(HOST)], "{other:?} beside {crowd:?}");
    })
    .await
    .expect("an answer while others are waited for");
}

#[tokio::test]
async fn silence_keeps_only_those_waiting_who_ask_for_the_same() {
    for (crowd, turns, other) in [
        (Purpose::Route(Broadcast), 288, Purpose::Route(Transactional)),
        (Purpose::Dial(Broadcast), 96, Purpose::Dial(Transactional)),
        (Purpose::Route(Transactional), 384, Purpose::Dial(Broadcast)),
        (Purpose::Call { proven: false }, 192, Purpose::Call { proven: true }),
        (Purpose::Call { proven: true }, 256, Purpose::Route(Broadcast)),
        (Purpose::Look, 128, Purpose::Route(Broadcast)),
    ] {
        is_found_beside_silence(crowd, turns, other).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_was_not_asked_for_has_not_failed() {
    let (records, names) = silence(150);
    let dns = Dns::start(records).await;
    let mut config = dns.config();
    config.timeout = Span(IN_TIME * 2);
    let resolver = Resolver::new(&config).unwrap();
    let client = Client::new(&Config::defaults(), resolver.clone()).unwrap();
    let mut asking = JoinSet::new();
    for name in names {
        let resolver = resolver.asking_for(Purpose::Call { proven: false });
        asking.spawn(async move { resolver.addresses(&name).await });
    }
    asked(&dns, 192).await;
    assert_eq!(client.post("https://endpoint.example/", Vec::new(), "{}", None).await, None);
}

#[tokio::test]
async fn the_wait_for_a_turn_is_not_the_servers_fault() {
    let (records, names) = silence(500);
    let dns = Dns::start(records.mx("example.org", 1, "mx.example.org")).await;
    let mut config = dns.config();
    config.timeout = Span(Duration::from_secs(5));
    let resolver = Resolver::new(&config).unwrap().asking_for(Purpose::Route(Transactional));
    let mut asking = JoinSet::new();
    for name in names {
        let resolver = resolver.clone();
        asking.spawn(async move { resolver.mx(&name).await.map(|answer| answer.records) });
    }
    tokio::time::timeout(IN_TIME, asked(&dns, 200)).await.expect("so many are asked for at once");
    assert_eq!(resolver.mx("example.org").await.unwrap().records, [mx(1, "mx.example.org")]);
}

#[tokio::test]
async fn aliases_are_followed_but_not_in_circles() {
    let records = Records::default()
        .cname("alias.example", "middle.example")
        .cname("middle.example", "host.example")
        .address("host.example", HOST)
        .cname("circle.example", "round.example")
        .cname("round.example", "circle.example");
    let dns = Dns::start(records).await;
    let resolver = resolver(&dns);
    let answer = resolver.addresses("alias.example").await.unwrap();
    assert_eq!((answer.records, answer.owner.as_str()), (vec![IpAddr::from(HOST)], "host.example"));
    assert_eq!(resolver.cname("alias.example").await.unwrap().records, ["middle.example"]);
    assert!(resolver.addresses("circle.example").await.is_err());
    assert!(dns.names().len() < 60, "{}", dns.names().len());
}

#[tokio::test]
async fn no_more_records_are_used_than_make_sense() {
    let mut records = Records::default();
    for n in 0..400u16 {
        records = records.mx("many.example", 1000 - n, &format!("mx{n}.many.example"));
        records = records.address("wide.example", Ipv4Addr::from(0xC000_0200 + u32::from(n)));
        records = records.txt("long.example", &[&format!("{n}-{}", "x".repeat(100))]);
    }
    let dns = Dns::start(records).await;
    let resolver = resolver(&dns);
    let many = resolver.mx("many.example").await.unwrap().records;
    assert_eq!((many.len(), many[0].exchange.as_str()), (100, "mx399.many.example"));
    assert_eq!(resolver.addresses("wide.example").await.unwrap().records.len(), 20);
    let text: usize = resolver.txt("long.example").await.unwrap().records.iter().map(String::len).sum();
    assert!(text <= 16 * 1024, "{text}");
}

#[tokio::test]
async fn answers_are_kept_for_their_time() {
    let dns = Dns::start(Records::default().mx("example.org", 1, "mx.example.org")).await;
    let resolver = resolver(&dns);
    for _ in 0..3 {
        resolver.mx("example.org").await.unwrap();
    }
    assert_eq!(dns.asked("example.org", RecordType::MX), 1);
}

#[tokio::test]
async fn signatures_are_validated() {
    let unsigned = Records::default().mx("example.plain", 1, "mx.example.plain").address("mx.example.plain", HOST).mx(
        "forged.signed",
        1,
        "evil.example.plain",
    );
    let signed = Records::default()
        .mx("signed", 1, "mx.signed")
        .address("mx.signed", HOST)
        .mx("forged.signed", 1, "mx.signed")
        .cname("alias.signed", "mx.signed")
        .tlsa("_25._tcp.mx.signed", (3, 1, 1), &[7; 32]);
    let dns = Dns::signing(unsigned, signed).await;
    let resolver = resolver(&dns);
    assert!(resolver.validates());
    let answer = resolver.mx("signed").await.unwrap();
    assert!(answer.secure, "{answer:?}");
    assert!(resolver.addresses("mx.signed").await.unwrap().secure);
    let alias = resolver.addresses("alias.signed").await.unwrap();
    assert!(alias.secure && alias.owner == "mx.signed", "{alias:?}");
    let tlsa = resolver.tlsa("_25._tcp.mx.signed").await.unwrap();
    assert!(tlsa.secure && tlsa.records[0].cert_data == [7; 32], "{tlsa:?}");
    assert!(!resolver.mx("example.plain").await.unwrap().secure);
    assert_eq!(resolver.tlsa("_25._tcp.mx.example.plain").await.unwrap_err(), DnsError::NoSuchDomain);
    assert!(matches!(resolver.mx("forged.signed").await, Err(DnsError::Bogus(_))));
    assert_eq!(resolver.mx("nobody.signed").await.unwrap_err(), DnsError::NoSuchDomain);
    assert_eq!(resolver.mx("mx.signed").await.unwrap_err(), DnsError::NoRecords);
}

#[tokio::test]
async fn an_anchor_that_is_none_is_refused() {
    let dns = Dns::start(Records::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = dns.config();
    config.dnssec = true;
    for (text, complaint) in [("; nothing\n", "no key of the root"), ("example. IN A 192.0.2.1\n", "delivery.dns.trust_anchor")] {
        let file = folder.path().join("anchor");
        std::fs::write(&file, text).unwrap();
        config.trust_anchor = file.to_str().unwrap().to_owned();
        let refusal = Resolver::new(&config).unwrap_err();
        assert!(refusal.contains(complaint), "{refusal}");
    }
}
