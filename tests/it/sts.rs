//! MTA-STS: what a domain's policy asks of those who send to it, for as long as it promised.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Direct;
use posthouse::config::warmup::Day;
use posthouse::delivery::client::tls::TlsClient;
use posthouse::delivery::dns::Resolver;
use posthouse::delivery::mx::{Directory, Own, Unroutable};
use posthouse::delivery::security::sts::{Mode, Policy};
use posthouse::delivery::security::{DomainPolicy, Fetcher, Policies, TlsResult, Totals};
use posthouse::store::Store;

use super::support::certificate::Identity;
use super::support::dns::{Dns, Records};
use super::support::https::{self, Https};
use super::support::stores::on_every_engine;

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
        found(&self.policies).await
    }
}

async fn found(policies: &Policies) -> (Option<Mode>, Option<TlsResult>) {
    let found = policies.of("example.org").await.expect("it can be read");
    (found.sts.as_ref().map(|policy| policy.mode), found.failure)
}

fn policies(dns: &Dns, https: &Https, identity: &Identity, allow_private_addresses: bool) -> Policies {
    let tls = TlsClient::new(identity.anchor().as_bytes()).expect("TLS");
    let resolver = Resolver::new(&dns.config()).expect("a resolver");
    Policies::new(resolver, Fetcher::new(tls, https.address.port(), allow_private_addresses))
}

#[tokio::test]
async fn a_policy_is_fetched_once_and_admits_whom_it_names() {
    let scene = Scene::new(https::text(POLICY)).await;
    let found = scene.policies.of("example.org").await.unwrap();
    assert!(found.is_enforced() && found.failure.is_none(), "{found:?}");
    assert!(found.admits("mx.example.org") && !found.admits("mx.elsewhere.example"));
    assert_eq!(scene.found().await, (Some(Mode::Enforce), None));
    assert_eq!(scene.https.connections(), 1);
    assert_eq!(*scene.policies.of("elsewhere.example").await.unwrap(), DomainPolicy::default());
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

/// A process that knows no policy but those in `store`.
fn reborn(scene: &Scene, store: &Store) -> Policies {
    policies(&scene.dns, &scene.https, &Identity::of(&["mta-sts.example.org"]), true).kept_in(store.clone())
}

#[test]
fn a_policy_outlives_the_process_that_fetched_it() {
    on_every_engine(async |book| {
        let scene = Scene::new(https::text(POLICY)).await;
        let scene = Scene { policies: scene.policies.kept_in(book.store.clone()), ..scene };
        assert_eq!(scene.found().await, (Some(Mode::Enforce), None));
        // Nobody serves it any more, whatever the DNS says; the web server shows another certificate than the one that is trusted.
        assert_eq!(found(&reborn(&scene, &book.store)).await, (Some(Mode::Enforce), None), "it is fresh enough");
        scene.dns.replace(records("2").living(0));
        let failure = Some(TlsResult::StsWebpkiInvalid);
        assert_eq!(found(&reborn(&scene, &book.store)).await, (Some(Mode::Enforce), failure));
        scene.dns.replace(Records::default());
        assert_eq!(found(&reborn(&scene, &book.store)).await, (Some(Mode::Enforce), None));
        // Taken back by its owner it is taken back for good.
        scene.dns.replace(records("3").living(0));
        scene.https.answer(https::text(&POLICY.replace("enforce", "none")));
        assert_eq!(scene.found().await, (Some(Mode::None), None));
        assert_eq!(found(&reborn(&scene, &book.store)).await.0, Some(Mode::None));
    });
}

#[test]
fn a_policy_that_is_over_binds_nobody_and_is_forgotten() {
    on_every_engine(async |book| {
        let clock = Clock::manual(book.clock.now());
        let store = Store::open(&book.location, clock.clone()).await.unwrap();
        store.keep_sts_policy("example.org", "1", POLICY, Duration::from_secs(86_400)).await.unwrap();
        clock.advance(Duration::from_secs(86_399));
        let kept = store.sts_policy("example.org").await.unwrap().expect("a policy");
        assert_eq!((kept.id.as_str(), kept.text.as_str(), kept.age), ("1", POLICY, Duration::from_secs(86_399)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(store.sts_policy("example.org").await, Ok(None));
        assert_eq!(store.forget_expired().await, Ok(false));
        // What is forgotten does not come back with a clock that does.
        assert_eq!(book.store.sts_policy("example.org").await, Ok(None));
        store.close().await;
    });
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

#[test]
fn a_domain_whose_policy_names_none_of_its_hosts_is_told() {
    on_every_engine(async |book| {
        let scene = Scene::new(https::text(&POLICY.replace("*.example.org", "nobody.example"))).await;
        let (resolver, totals) = (Resolver::new(&scene.dns.config()).unwrap(), Arc::new(Totals::new(book.clock.clone())));
        let direct = Direct { port: 25, allow_private_addresses: true };
        let directory = Directory::new(resolver, scene.policies, direct, Own::default()).counted_by(totals.clone());
        assert!(directory.targets("example.org").await.is_err());
        totals.write(&book.store).await;
        let counted = book.store.tls_sessions(Day::of(book.clock.now()), None).await.unwrap();
        let [(kind, 1)] = &counted[..] else { panic!("{counted:?}") };
        assert_eq!((kind.domain.as_str(), kind.policy.kind.as_str()), ("example.org", "sts"));
        let failure = kind.failure.as_ref().expect("a failure");
        assert_eq!((failure.result.as_str(), failure.host.as_str()), ("validation-failure", "mx.example.org"));
    });
}
