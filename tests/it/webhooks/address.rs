//! Where endpoints may lie: looked at when they are given, and again at each call.

use std::net::Ipv4Addr;

use posthouse::config::Config;
use posthouse::delivery::dns::Resolver;
use posthouse::event::client::Client;

use crate::support::certificate::Identity;
use crate::support::dns::{Dns, Records};
use crate::support::receiver::Receiver;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

fn client(dns: &Dns, change: impl FnOnce(&mut Config)) -> Client {
    let mut config = Config::defaults();
    change(&mut config);
    Client::new(&config, Resolver::new(&dns.config()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_name_is_refused_when_any_of_its_addresses_is() {
    let dns = Dns::start(
        Records::default()
            .address("loopback.example", Ipv4Addr::LOCALHOST)
            .address("both.example", PUBLIC)
            .address("both.example", Ipv4Addr::new(10, 0, 0, 1))
            .address("public.example", PUBLIC)
            .cname("alias.example", "loopback.example"),
    )
    .await;
    let client = client(&dns, |_| {});
    for name in ["loopback.example", "both.example", "alias.example", "loopback.example."] {
        let fault = client.check(&format!("https://{name}/")).await.unwrap_err();
        assert!(fault.contains("not on the Internet"), "{name}: {fault}");
        let called = client.post(&format!("https://{name}/"), Vec::new(), "{}", None).await.expect("it is called");
        assert!(called.status.is_none() && called.error.unwrap().contains("not on the Internet"), "{name}");
    }
    assert_eq!(client.check("https://public.example/").await, Ok(()));
    assert_eq!(client.check("https://nowhere.example/").await, Ok(()), "it may be found another time");
    let lost = client.post("https://nowhere.example/", Vec::new(), "{}", None).await.expect("it is called");
    assert!(lost.error.unwrap().contains("not found"));
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_later_is_looked_at_again() {
    let receiver = Receiver::start().await;
    let dns = Dns::start(Records::default().address("turns.example", PUBLIC).living(0)).await;
    let client = client(&dns, |_| {});
    let url = format!("https://turns.example:{}/x", receiver.address.port());
    assert_eq!(client.check(&url).await, Ok(()));
    dns.replace(Records::default().address("turns.example", Ipv4Addr::LOCALHOST).living(0));
    let called = client.post(&url, Vec::new(), "{}", None).await.expect("it is called");
    assert!(called.error.unwrap().contains("127.0.0.1"));
    assert!(receiver.of("x").is_empty());
}

#[tokio::test]
async fn an_endpoint_proves_its_name_by_a_certificate_that_is_trusted() {
    let identity = Identity::of(&["hooks.example"]);
    let server = crate::support::https::Https::start(identity.server(), crate::support::https::text("x")).await;
    let dns = Dns::start(
        Records::default().address("hooks.example", Ipv4Addr::LOCALHOST).address("other.example", Ipv4Addr::LOCALHOST),
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, identity.anchor()).unwrap();
    let trusting = client(&dns, |config| {
        config.webhooks.allow_insecure = true;
        config.webhooks.ca = ca.display().to_string();
    });
    let suspicious = client(&dns, |config| config.webhooks.allow_insecure = true);
    let url = |name: &str| format!("https://{name}:{}/hook", server.address.port());
    // It answers 404 to whatever is no GET of a policy, and takes a request to end as one without a body does.
    assert_eq!(trusting.post(&url("hooks.example"), Vec::new(), "\r\n\r\n", None).await.expect("it is called").status, Some(404));
    for (client, name) in [(&trusting, "other.example"), (&suspicious, "hooks.example")] {
        let called = client.post(&url(name), Vec::new(), "\r\n\r\n", None).await.expect("it is called");
        assert!(called.status.is_none() && called.error.unwrap().contains("certificate"), "{name}");
    }
}
