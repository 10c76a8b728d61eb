//! Where mail goes: the directory against a name server that knows well- and ill-meaning domains.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_server::proto::rr::RecordType;
use posthouse::config::units::Span;
use posthouse::config::{Config, Direct};
use posthouse::delivery::client::tls::TlsClient;
use posthouse::delivery::dns::Resolver;
use posthouse::delivery::mx::{Directory, MxHost, Own, Targets, Unroutable};
use posthouse::delivery::security::{Fetcher, Policies};

use super::support::dns::{Dns, Fault, Records};

const HOST: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 25);

fn directory_with(dns: &Dns, own: Own, allow_private_addresses: bool) -> Directory {
    let resolver = Resolver::new(&dns.config()).expect("a resolver");
    let fetcher = Fetcher::new(TlsClient::new(b"").expect("TLS"), 1, allow_private_addresses);
    let policies = Policies::new(resolver.clone(), fetcher);
    Directory::new(resolver, policies, Direct { port: 25, allow_private_addresses }, own)
}

fn directory(dns: &Dns) -> Directory {
    directory_with(dns, Own::default(), false)
}

fn names(targets: &Targets) -> Vec<&str> {
    targets.hosts.iter().map(|host| host.name.as_str()).collect()
}

/// `never 550 5.1.2 ...` or `later 451 4.4.3 ...`.
fn told<T: std::fmt::Debug>(result: Result<T, Unroutable>) -> String {
    match result.unwrap_err() {
        Unroutable::Never(reply) => format!("never {}", reply.line()),
        Unroutable::Later(reply) => format!("later {}", reply.line()),
        Unroutable::Hindered(why) => format!("hindered {why}"),
    }
}

fn host(name: &str) -> MxHost {
    MxHost { preference: 0, name: name.to_owned(), address: None, secure: false }
}

#[tokio::test]
async fn a_domain_has_its_hosts_in_order() {
    let records = Records::default()
        .mx("example.org", 20, "backup.example.net")
        .mx("example.org", 10, "mx1.mail.example.org")
        .mx("example.org", 10, "mx2.mail.example.org")
        .address("example.com", HOST)
        .cname("alias.example", "example.org");
    let dns = Dns::start(records).await;
    let directory = directory(&dns);
    let targets = directory.targets("Example.ORG").await.unwrap();
    assert_eq!(names(&targets), ["mx1.mail.example.org", "mx2.mail.example.org", "backup.example.net"]);
    assert_eq!((targets.group.as_str(), targets.domain.as_str()), ("mx:example.org", "example.org"));
    // Without MX, the domain is its own host.
    let own = directory.targets("example.com").await.unwrap();
    assert_eq!((names(&own), own.hosts[0].preference), (vec!["example.com"], 0));
    // A domain that is an alias has the hosts of the one it stands for.
    assert_eq!(names(&directory.targets("alias.example").await.unwrap()), names(&targets));
}

#[tokio::test]
async fn what_takes_no_mail_is_told_at_once_and_what_is_not_known_later() {
    let records = Records::default()
        .null_mx("null.example")
        .txt("text.example", &["no mail"])
        .mx("address.example", 1, "192.0.2.1")
        .mx("address.example", 2, "10.0.0.1")
        .fault("broken.example", Fault::ServFail)
        .fault_at("half.example", RecordType::MX, Fault::ServFail)
        .address("half.example", HOST);
    let dns = Dns::start(records).await;
    let directory = directory(&dns);
    for (domain, answer) in [
        ("null.example", "never 556 5.1.10 "),
        ("nowhere.example", "never 550 5.1.2 "),
        ("text.example", "never 550 5.1.2 "),
        ("address.example", "never 550 5.4.4 "),
        ("broken.example", "later 451 4.4.3 "),
        // Not to its address: who can't see the MX does not know that there is none.
        ("half.example", "later 451 4.4.3 "),
        ("[192.0.2.300]", "never 550 5.1.2 "),
    ] {
        let told = told(directory.targets(domain).await);
        assert!(told.starts_with(answer), "{domain}: {told}");
    }
}

#[tokio::test]
async fn a_silent_name_server_postpones() {
    let dns = Dns::start(Records::default().fault("slow.example", Fault::Silence)).await;
    let mut config = dns.config();
    config.timeout = Span(Duration::from_millis(300));
    let resolver = Resolver::new(&config).unwrap();
    let policies = Policies::new(resolver.clone(), Fetcher::new(TlsClient::new(b"").unwrap(), 1, false));
    let direct = Direct { port: 25, allow_private_addresses: false };
    let directory = Directory::new(resolver, policies, direct, Own::default());
    let told = told(directory.targets("slow.example").await);
    assert!(told.starts_with("later 451 4.4.3 "), "{told}");
}

#[tokio::test]
async fn literals_are_hosts() {
    let dns = Dns::start(Records::default()).await;
    let directory = directory(&dns);
    for (literal, address) in
        [("[9.9.9.9]", "9.9.9.9:25"), ("[IPv6:2620:fe::9]", "[2620:fe::9]:25"), ("[ipv6:::ffff:9.9.9.9]", "9.9.9.9:25")]
    {
        let targets = directory.targets(literal).await.unwrap();
        let addresses = directory.addresses(&targets.hosts[0]).await.unwrap().records;
        assert_eq!(addresses, [address.parse::<SocketAddr>().unwrap()], "{literal}");
    }
    let targets = directory.targets("[127.0.0.1]").await.unwrap();
    assert!(told(directory.addresses(&targets.hosts[0]).await).starts_with("never 550 5.4.4 "));
}

#[tokio::test]
async fn private_networks_are_out_of_bounds() {
    let six = |text: &str| text.parse::<IpAddr>().unwrap();
    let records = Records::default()
        .address("metadata.example", Ipv4Addr::new(169, 254, 169, 254))
        .address("mapped.example", six("::ffff:10.0.0.1"))
        .address("nat64.example", six("64:ff9b::127.0.0.1"))
        .address("unique.example", six("fd00::25"))
        .address("both.example", Ipv4Addr::LOCALHOST)
        .address("both.example", HOST)
        .address("many.example", Ipv4Addr::BROADCAST)
        .cname("alias.example", "metadata.example");
    let dns = Dns::start(records).await;
    let guarded = directory(&dns);
    for name in
        ["metadata.example", "mapped.example", "nat64.example", "unique.example", "alias.example", "localhost", "many.example"]
    {
        let told = told(guarded.addresses(&host(name)).await);
        assert!(told.starts_with("never 550 5.4.4 "), "{name}: {told}");
    }
    let public = guarded.addresses(&host("both.example")).await.unwrap().records;
    assert_eq!(public, [SocketAddr::from((HOST, 25))]);
    let free = directory_with(&dns, Own::default(), true);
    assert_eq!(free.addresses(&host("both.example")).await.unwrap().records.len(), 2);
    assert!(free.addresses(&host("many.example")).await.is_err(), "nobody is at the broadcast address");
}

#[tokio::test]
async fn a_host_without_an_address_is_told_apart_from_one_that_is_not_known() {
    let dns = Dns::start(Records::default().fault("broken.example", Fault::ServFail).txt("text.example", &["x"])).await;
    let directory = directory(&dns);
    for (name, answer) in
        [("nowhere.example", "never 550 5.4.4 "), ("text.example", "never 550 5.4.4 "), ("broken.example", "later 451 4.4.3 ")]
    {
        let told = told(directory.addresses(&host(name)).await);
        assert!(told.starts_with(answer), "{name}: {told}");
    }
}

#[tokio::test]
async fn mail_does_not_come_back_to_us() {
    let records = Records::default()
        .mx("loop.example", 10, "gate.example.org")
        .mx("loop.example", 20, "worse.example")
        .mx("backup.example", 10, "primary.example")
        .mx("backup.example", 20, "gate.example.org")
        .mx("backup.example", 30, "worse.example")
        .mx("hidden.example", 10, "other-name.example")
        .address("other-name.example", Ipv4Addr::LOCALHOST);
    let dns = Dns::start(records).await;
    let mut config = Config::defaults();
    config.smtp.hostname = "gate.example.org".to_owned();
    config.inbound.address = "0.0.0.0:25".to_owned();
    let directory = directory_with(&dns, Own::new(&config), true);
    assert!(told(directory.targets("loop.example").await).starts_with("never 554 5.4.6 "));
    // RFC 5321 section 5.1: who is a backup itself delivers only to those that are better.
    assert_eq!(names(&directory.targets("backup.example").await.unwrap()), ["primary.example"]);
    let hidden = directory.targets("hidden.example").await.unwrap();
    assert!(told(directory.addresses(&hidden.hosts[0]).await).starts_with("never 554 5.4.6 "));
}

#[tokio::test]
async fn a_thousand_records_are_a_hundred_hosts() {
    let records = (0..1000u16).fold(Records::default(), |records, n| records.mx("many.example", n, &format!("mx{n}.example")));
    let dns = Dns::start(records).await;
    let targets = directory(&dns).targets("many.example").await.unwrap();
    assert_eq!((targets.hosts.len(), targets.hosts[99].preference), (100, 99));
}

#[tokio::test]
async fn a_domain_is_looked_up_once_for_all() {
    let dns = Dns::start(Records::default().mx("example.org", 1, "mx.example.org").living(1)).await;
    let directory = directory(&dns);
    let all = futures(&directory).await;
    assert!(all.iter().all(|targets| std::sync::Arc::ptr_eq(targets, &all[0])));
    assert_eq!(dns.asked("example.org", RecordType::MX), 1);
}

async fn futures(directory: &Directory) -> Vec<std::sync::Arc<Targets>> {
    let ask = async || directory.targets("example.org").await.unwrap();
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    vec![a, b, c, ask().await]
}
