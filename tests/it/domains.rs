//! Domains are verified by what a name server says, and watched from then on.

use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::Config;
use posthouse::config::units::Span;
use posthouse::delivery::dns::Resolver;
use posthouse::domains::gateway::Gateway;
use posthouse::domains::keys;
use posthouse::domains::records::records;
use posthouse::domains::watch::Watch;
use posthouse::model::dkim::{Algorithm, KeyState};
use posthouse::model::domain::{Domain, DomainStanding, DomainStatus, ReturnLabel};
use posthouse::shutdown::Shutdown;
use posthouse::store::Store;

use crate::support::IN_TIME;
use crate::support::dns::{Dns, Fault, Records};
use crate::support::program::Program;
use crate::support::stores::on_every_engine;

fn gateway() -> Gateway {
    Gateway { mail: Some("mx.gate.test".to_owned()), web: None }
}

/// A watch that asks `dns`, for a store under a clock of its own.
fn watch(store: &Store, dns: &Dns, clock: &Clock) -> Watch {
    let resolver = Resolver::new(&dns.config()).expect("a resolver");
    let watch = Watch::new(store.clone(), resolver, &Config::defaults(), clock.clone()).expect("a watch");
    Watch { gateway: gateway(), every: Duration::from_millis(10), ..watch }
}

/// All that the domain is to publish, but for what `left_out` names. Answers are not to be remembered.
async fn published(store: &Store, domain: &Domain, left_out: &[&str]) -> Records {
    let keys = store.dkim_keys(domain.id).await.unwrap();
    let records = records(domain, &keys, &gateway()).into_iter().filter(|r| !left_out.iter().any(|part| r.name.contains(part)));
    records.fold(Records::default().living(1), |zone, record| match record.purpose.priority() {
        Some(priority) => zone.mx(&record.name, priority, &record.value),
        None => {
            let strings: Vec<&str> = record.value.as_bytes().chunks(255).map(|part| std::str::from_utf8(part).unwrap()).collect();
            zone.txt(&record.name, &strings)
        }
    })
}

async fn now(store: &Store, domain: &Domain) -> Domain {
    store.domain(domain.team, &domain.name).await.unwrap().unwrap()
}

async fn states(store: &Store, domain: &Domain) -> Vec<(Algorithm, KeyState)> {
    store.dkim_keys(domain.id).await.unwrap().into_iter().map(|key| (key.algorithm, key.state)).collect()
}

#[test]
fn a_domain_that_is_added_twice_at_once_has_one_key_of_each_kind() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("us").await.unwrap().id;
        let label = ReturnLabel::default();
        let add = || keys::add(store, team, "ours.test", &label, book.clock.now());
        let (one, other) = tokio::join!(add(), add());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.domain.id, one.is_new), (other.domain.id, !other.is_new));
        assert_eq!(
            states(store, &one.domain).await,
            [(Algorithm::Rsa, KeyState::Pending), (Algorithm::Ed25519, KeyState::Pending)]
        );
        let rotate = || keys::rotate(store, &one.domain, book.clock.now());
        assert_eq!(rotate().await, Ok(false), "keys are waiting already");
        store.vouch_for_keys(one.domain.id).await.unwrap();
        let (first, second) = tokio::join!(rotate(), rotate());
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(states(store, &one.domain).await.len(), 4);
    });
}

#[test]
fn a_domain_is_verified_by_its_records_and_signs_with_the_keys_that_were_seen() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("us").await.unwrap().id;
        let domain = keys::add(store, team, "ours.test", &ReturnLabel::default(), book.clock.now()).await.unwrap().domain;
        let nothing = Dns::start(Records::default()).await;
        let findings = watch(store, &nothing, &book.clock).look(&domain).await.unwrap();
        assert!(findings.len() == 6 && findings.iter().all(|finding| finding.seen.as_str() == "missing"), "{findings:?}");
        assert_eq!(now(store, &domain).await.status, DomainStatus::Pending);
        assert!(store.signing_domain(team, "ours.test").await.unwrap().is_none());

        let ed25519 = store.dkim_keys(domain.id).await.unwrap().into_iter().find(|k| k.algorithm == Algorithm::Ed25519).unwrap();
        let most = Dns::start(published(store, &domain, &[&ed25519.selector, "_dmarc"]).await).await;
        watch(store, &most, &book.clock).look(&now(store, &domain).await).await.unwrap();
        let seen = now(store, &domain).await;
        assert!(seen.status == DomainStatus::Verified && seen.return_path && seen.verified_at.is_some(), "{seen:?}");
        assert_eq!(states(store, &domain).await, [(Algorithm::Rsa, KeyState::Active), (Algorithm::Ed25519, KeyState::Pending)]);
        let (name, signing) = store.signing_domain(team, "news.ours.test").await.unwrap().unwrap();
        assert_eq!((name.as_str(), signing.len()), ("ours.test", 1));

        let all = Dns::start(published(store, &domain, &[]).await).await;
        watch(store, &all, &book.clock).look(&seen).await.unwrap();
        assert_eq!(store.signing_keys(team, "ours.test").await.unwrap().len(), 2);

        // New keys take over once they are published, each from its own kind.
        assert!(keys::rotate(store, &domain, book.clock.now()).await.unwrap());
        watch(store, &all, &book.clock).look(&now(store, &domain).await).await.unwrap();
        assert_eq!(states(store, &domain).await.iter().filter(|(_, state)| *state == KeyState::Pending).count(), 2);
        let rotated = Dns::start(published(store, &domain, &[]).await).await;
        watch(store, &rotated, &book.clock).look(&now(store, &domain).await).await.unwrap();
        let after: Vec<KeyState> = states(store, &domain).await.into_iter().map(|(_, state)| state).collect();
        assert_eq!(after, [KeyState::Retiring, KeyState::Retiring, KeyState::Active, KeyState::Active]);
    });
}

#[test]
fn one_team_at_a_time_has_a_domain_verified() {
    on_every_engine(async |book| {
        let store = &book.store;
        let (us, them) = (store.create_team("us").await.unwrap().id, store.create_team("them").await.unwrap().id);
        let theirs = keys::add(store, them, "x.test", &ReturnLabel::default(), book.clock.now()).await.unwrap().domain;
        keys::trust(store, us, "x.test", book.clock.now()).await.unwrap();
        let dns = Dns::start(published(store, &theirs, &[]).await).await;
        let refused = watch(store, &dns, &book.clock).look(&theirs).await.expect_err("it is verified already");
        assert!(refused.to_string().contains("another team has x.test verified"), "{refused}");
        assert_eq!(now(store, &theirs).await.status, DomainStatus::Pending);
    });
}

#[test]
fn a_domain_that_is_switched_off_refuses_its_mail_until_it_is_switched_on() {
    on_every_engine(async |book| {
        let store = &book.store;
        let (us, them) = (store.create_team("us").await.unwrap().id, store.create_team("them").await.unwrap().id);
        let domain = keys::trust(store, us, "ours.test", book.clock.now()).await.unwrap();
        assert_eq!(store.disable_domain(them, "ours.test").await, Ok(false));
        assert_eq!(store.disable_domain(us, "ours.test").await, Ok(true));
        assert_eq!(store.domain_standing(us, "shop.ours.test").await, Ok(DomainStanding::Disabled));
        assert!(store.signing_domain(us, "ours.test").await.unwrap().is_none());
        store.add_domain(them, "ours.test", &ReturnLabel::default()).await.unwrap();
        assert!(store.trust_domain(them, "ours.test").await.is_err(), "it is still ours");
        assert_eq!(store.enable_domain(us, "ours.test").await, Ok(true));
        assert_eq!(store.enable_domain(us, "ours.test").await, Ok(false));
        assert_eq!(now(store, &domain).await.status, DomainStatus::Verified);
        assert!(store.disable_domain(them, "ours.test").await.is_err(), "another team has it verified");
        // One that nobody vouched for is looked at again.
        let pending = keys::add(store, us, "new.test", &ReturnLabel::default(), book.clock.now()).await.unwrap().domain;
        assert_eq!(store.disable_domain(us, "new.test").await, Ok(true));
        assert!(store.take_due_domains(9, Duration::ZERO).await.unwrap().iter().all(|due| due.name != "new.test"));
        assert_eq!(store.enable_domain(us, "new.test").await, Ok(true));
        assert_eq!(now(store, &pending).await.status, DomainStatus::Pending);
        assert!(store.take_due_domains(9, Duration::ZERO).await.unwrap().iter().any(|due| due.name == "new.test"));
    });
}

#[test]
fn a_domain_of_which_nothing_is_heard_holds_up_no_other() {
    on_every_engine(async |book| {
        let clock = Clock::manual(Timestamp(1_795_222_861_000));
        let store = &Store::open(&book.location, clock.clone()).await.unwrap();
        let team = store.create_team("us").await.unwrap().id;
        let silent = keys::add(store, team, "silent.test", &ReturnLabel::default(), clock.now()).await.unwrap().domain;
        clock.advance(Duration::from_secs(1));
        let domain = keys::add(store, team, "ours.test", &ReturnLabel::default(), clock.now()).await.unwrap().domain;
        let unheard = records(&silent, &store.dkim_keys(silent.id).await.unwrap(), &gateway());
        let zone = unheard.iter().fold(published(store, &domain, &[]).await, |zone, r| zone.fault(&r.name, Fault::Silence));
        let dns = Dns::start(zone).await;
        let mut config = dns.config();
        config.timeout = Span(IN_TIME * 2);
        let (patient, shutdown) = (Resolver::new(&config).expect("a resolver"), Shutdown::default());
        let watch = Watch { resolver: patient, ..watch(store, &dns, &clock) };
        let task = shutdown.spawn(watch.run(shutdown.clone()));
        let deadline = tokio::time::Instant::now() + IN_TIME;
        while now(store, &domain).await.status != DomainStatus::Verified {
            assert!(tokio::time::Instant::now() < deadline, "it waits behind the silent one");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.begin();
        task.await.expect("the watch ends in order");
        store.close().await;
    });
}

#[test]
fn the_watch_finds_what_is_due_and_gives_a_domain_up_only_after_days() {
    on_every_engine(async |book| {
        let clock = Clock::manual(Timestamp(1_795_222_861_000));
        let store = &Store::open(&book.location, clock.clone()).await.unwrap();
        let team = store.create_team("us").await.unwrap().id;
        let domain = keys::add(store, team, "ours.test", &ReturnLabel::default(), clock.now()).await.unwrap().domain;
        let zone = published(store, &domain, &[]).await;
        let dns = Dns::start(zone.clone()).await;
        let (watch, shutdown) = (watch(store, &dns, &clock), Shutdown::default());
        let task = shutdown.spawn(watch.clone().run(shutdown.clone()));
        let deadline = tokio::time::Instant::now() + IN_TIME;
        while now(store, &domain).await.status != DomainStatus::Verified {
            assert!(tokio::time::Instant::now() < deadline, "waited in vain for the watch");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.begin();
        task.await.expect("the watch ends in order");

        // Not due: nobody asks. No answer: nothing is counted.
        let silent = Dns::start(zone.fault("_posthouse.ours.test", Fault::ServFail)).await;
        let silent = Watch { resolver: Resolver::new(&silent.config()).unwrap(), ..watch.clone() };
        silent.round().await.unwrap();
        assert!(store.take_due_domains(9, Duration::ZERO).await.unwrap().is_empty());
        clock.advance(Duration::from_secs(7 * 3600));
        silent.round().await.unwrap();
        assert_eq!(now(store, &domain).await.misses, 0);

        let gone = Dns::start(Records::default()).await;
        let gone = Watch { resolver: Resolver::new(&gone.config()).unwrap(), ..watch.clone() };
        let began = clock.now();
        while now(store, &domain).await.status == DomainStatus::Verified {
            clock.advance(Duration::from_secs(3600));
            gone.round().await.unwrap();
            assert!(clock.now().since(began) < Duration::from_secs(5 * 86_400), "never given up");
        }
        assert!(clock.now().since(began) >= Duration::from_secs(3 * 86_400), "given up too soon");
        assert_eq!(now(store, &domain).await.status, DomainStatus::Failed);
        assert!(store.signing_domain(team, "ours.test").await.unwrap().is_none());

        clock.advance(Duration::from_secs(86_400));
        watch.round().await.unwrap();
        assert_eq!(now(store, &domain).await.status, DomainStatus::Verified);
        store.close().await;
    });
}

#[test]
fn the_name_for_links_of_a_trusted_domain_is_watched_too() {
    on_every_engine(async |book| {
        let clock = Clock::manual(Timestamp(1_795_222_861_000));
        let store = &Store::open(&book.location, clock.clone()).await.unwrap();
        let team = store.create_team("us").await.unwrap().id;
        let domain = keys::trust(store, team, "ours.test", clock.now()).await.unwrap();
        let seen = async |zone: Records| {
            let dns = Dns::start(zone).await;
            let gateway = Gateway { web: Some("gate.test".to_owned()), ..gateway() };
            Watch { gateway, ..watch(store, &dns, &clock) }.round().await.unwrap();
            assert_eq!(now(store, &domain).await.status, DomainStatus::Verified, "whatever its records say");
            store.tracking_host(team, "ours.test").await.unwrap()
        };
        let named = || Records::default().cname("track.ours.test", "gate.test");
        assert_eq!(seen(named()).await.as_deref(), Some("track.ours.test"));
        for (zone, used) in [(Records::default(), None), (named(), Some("track.ours.test"))] {
            clock.advance(Duration::from_secs(7 * 3600));
            assert_eq!(seen(zone).await.as_deref(), used);
        }
        store.close().await;
    });
}

#[test]
fn the_command_says_of_each_record_what_is_wrong() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (program, dns) = (Program::new(), runtime.block_on(Dns::start(Records::default())));
    let server = format!("delivery.dns.nameservers=[\"{}\"]", dns.config().nameservers[0]);
    let added = program.run(&["domains", "add", "ours.test", "--json"]);
    let record: serde_json::Value = serde_json::from_str(added.answer()).expect("JSON");
    let published = record["dns_records"].as_array().expect("records");
    let text = |record: &serde_json::Value, what: &str| record[what].as_str().expect("a text").to_owned();

    let missing = program.run(&["domains", "verify", "ours.test", "--set", &server]);
    assert!(missing.status == 1 && missing.stderr.contains("not as they should be: 2"), "{missing:?}");
    assert_eq!(missing.stdout.matches("missing  TXT").count(), 4, "{missing:?}");

    let zone = published.iter().fold(Records::default(), |zone, record| {
        let value = text(record, "value");
        let strings: Vec<&str> = value.as_bytes().chunks(255).map(|part| std::str::from_utf8(part).unwrap()).collect();
        let wrong = ["v=DMARC2"];
        zone.txt(&text(record, "name"), if value.starts_with("v=DMARC1") { &wrong } else { &strings })
    });
    dns.replace(zone);
    let verified = program.run(&["domains", "verify", "ours.test", "--set", &server, "--json"]);
    let record: serde_json::Value = serde_json::from_str(verified.answer()).expect("JSON");
    assert_eq!(record["status"], "verified");
    let states: Vec<&str> = record["dns_records"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["found", "found", "found", "differs"]);
    assert_eq!(record["dns_records"][3]["found"][0], "v=DMARC2");
}

#[test]
fn the_command_chooses_and_moves_the_return_path() {
    let program = Program::new();
    let added = |more: &[&str]| {
        let usual = ["domains", "add", "ours.test", "--json", "--set", "delivery.hostname=mx.gate.test"];
        let ran = program.run(&[&usual, more].concat());
        let record: serde_json::Value = serde_json::from_str(ran.answer()).expect("JSON");
        let mx = record["dns_records"].as_array().expect("records").iter().find(|record| record["type"] == "MX");
        mx.expect("the record of a return path")["name"].as_str().expect("a name").to_owned()
    };
    assert_eq!(added(&["--return-path", "Bounce"]), "bounce.ours.test");
    assert_eq!(added(&[]), "bounce.ours.test", "a domain that is there stands as it was");
    assert_eq!(added(&["--return-path", "mail"]), "mail.ours.test");
    let refused = program.run(&["domains", "add", "ours.test", "--return-path", "a.b"]);
    assert!(refused.status == 2 && refused.stderr.contains("must be one label"), "{refused:?}");
}
