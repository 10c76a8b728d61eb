//! Keys: who is let in, and how soon a change shows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::door::keyring::{Denied, Keyring};
use posthouse::model::key::{KeyRights, Secret};
use posthouse::store::keys::NewKey;

use crate::support::door::{House, transactional};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

/// As if so much time had passed, for the door: the store's own work goes on in real time.
async fn pass(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_key_is_known_by_its_text_alone() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    let key = keyring.authenticate(&house.secret, PEER).await.expect("the right key");
    assert_eq!(key.id, house.key.id);
    let wrong = Secret::from_text(format!("{}x", house.secret.reveal()));
    assert_eq!(keyring.authenticate(&wrong, PEER).await, Err(Denied::Unknown));
    assert_eq!(keyring.authenticate(&Secret::from_text(house.key.display.clone()), PEER).await, Err(Denied::Unknown));
}

#[tokio::test]
async fn a_key_made_a_moment_ago_is_known_though_it_was_missed_before() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    let secret = Secret::generate();
    assert_eq!(keyring.authenticate(&secret, PEER).await, Err(Denied::Unknown));
    let new = NewKey { team: house.team, name: "late".into(), secret: secret.clone(), rights: transactional(), expires_at: None };
    house.store.create_key(new).await.expect("a key");
    assert_eq!(keyring.authenticate(&secret, PEER).await.expect("the new key").name, "late");
}

#[tokio::test]
async fn a_revoked_key_is_shut_out_within_five_seconds() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    let key = keyring.authenticate(&house.secret, PEER).await.expect("the right key");
    keyring.recheck(&key, PEER).await.expect("still the right key");
    assert!(house.store.revoke_key(house.team, key.id).await.expect("the store answers"));
    pass(Duration::from_secs(5)).await;
    assert_eq!(keyring.recheck(&key, PEER).await, Err(Denied::Unknown));
    assert_eq!(keyring.authenticate(&house.secret, PEER).await, Err(Denied::Unknown));
}

#[tokio::test]
async fn an_expired_key_is_told_so_though_it_is_remembered() {
    let house = House::new().await;
    let clock = Clock::manual(Timestamp(1_795_222_861_000));
    let keyring = Keyring::new(house.store.clone(), clock.clone());
    let secret = Secret::generate();
    let expires_at = Some(clock.now().plus(Duration::from_secs(2)));
    let new = NewKey { team: house.team, name: "short".into(), secret: secret.clone(), rights: transactional(), expires_at };
    house.store.create_key(new).await.expect("a key");
    let key = keyring.authenticate(&secret, PEER).await.expect("in time");
    clock.advance(Duration::from_secs(2));
    assert_eq!(keyring.authenticate(&secret, PEER).await, Err(Denied::Expired));
    assert_eq!(keyring.recheck(&key, PEER).await, Err(Denied::Expired));
}

#[tokio::test]
async fn a_key_with_networks_works_from_these_alone() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    let networks = vec!["192.0.2.0/24".parse().expect("a network")];
    let (_, secret) = house.key("office", KeyRights { networks, ..transactional() }).await;
    assert!(keyring.authenticate(&secret, PEER).await.is_ok());
    assert!(keyring.authenticate(&secret, "::ffff:192.0.2.1".parse().expect("an address")).await.is_ok());
    assert_eq!(keyring.authenticate(&secret, "198.51.100.1".parse().expect("an address")).await, Err(Denied::Network));
}

#[tokio::test]
async fn a_trusted_network_names_its_key_by_name_or_id() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    assert_eq!(keyring.by_name("first", PEER).await.map(|k| k.id), Ok(house.key.id));
    assert_eq!(keyring.by_name(&house.key.id.crockford(), PEER).await.map(|k| k.id), Ok(house.key.id));
    assert_eq!(keyring.by_name("nobody", PEER).await, Err(Denied::Unknown));
}

#[tokio::test]
async fn the_last_use_is_written_when_it_is_flushed() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    let stamp = async || house.store.keys(house.team).await.expect("the store answers")[0].last_used_at;
    keyring.authenticate(&house.secret, PEER).await.expect("the right key");
    assert_eq!(stamp().await, None);
    keyring.flush_last_used().await;
    assert!(stamp().await.is_some());
}

#[tokio::test]
async fn a_store_that_is_away_is_no_verdict_on_the_key() {
    let house = House::new().await;
    let keyring = Keyring::new(house.store.clone(), house.clock.clone());
    let key = Arc::new(house.key.clone());
    house.store.close().await;
    assert_eq!(keyring.authenticate(&house.secret, PEER).await, Err(Denied::Unavailable));
    assert_eq!(keyring.recheck(&key, PEER).await, Err(Denied::Unavailable));
}
