//! Keys on open connections: revoked, wrong, and wrong again.

use std::time::{Duration, Instant};

use posthouse::config::ListenerTls;

use crate::support::door::{House, rules};
use crate::support::smtp::{Client, auth_plain};

#[tokio::test]
async fn a_revoked_key_ends_on_an_open_session() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    client.login(&house.secret).await;
    client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
    client.expect("RSET", "250 ").await;
    assert!(house.store.revoke_key(house.team, house.key.id).await.expect("the store answers"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    let refusal = client.say("MAIL FROM:<sender@example.test>").await;
    assert!(refusal.starts_with('5'), "{refusal}");
}

#[tokio::test]
async fn a_key_that_is_revoked_while_its_message_comes_sends_nothing() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    client.login(&house.secret).await;
    client.begin_data().await;
    assert!(house.store.revoke_key(house.team, house.key.id).await.expect("the store answers"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    client.expect("From: sender@example.test\r\n\r\nText.\r\n.", "550 5.7.1 insufficient_scope: ").await;
    assert_eq!(house.accepted().await, 0);
}

#[tokio::test]
async fn a_wrong_key_is_answered_later_and_later_and_a_right_one_at_once() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut client = Client::greeted(address).await;
        client.expect("EHLO client.test", "250-").await;
        for _ in 0..2 {
            let asked = Instant::now();
            client.expect(&auth_plain("kr_live_wrong"), "535 5.7.8").await;
            took.push(asked.elapsed());
        }
    }
    // One of them may have met with a busy machine.
    let free = took[..4].iter().filter(|took| **took < Duration::from_millis(250)).count();
    assert!(free >= 3, "the first are free: {took:?}");
    assert!(took[4] >= Duration::from_millis(250) && took[5] >= Duration::from_millis(500), "{took:?}");

    let mut wrong = Client::greeted(address).await;
    wrong.expect("EHLO client.test", "250-").await;
    wrong.send(format!("{}\r\n", auth_plain("kr_live_wrong"))).await;
    Client::greeted(address).await.login(&house.secret).await;
    assert!(!wrong.has_heard().await, "a success waited for another's failure");
}

#[tokio::test]
async fn too_many_wrong_keys_end_the_connection() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    client.expect("EHLO client.test", "250-").await;
    for attempt in 0..5 {
        client.send(format!("{}\r\n", auth_plain(&format!("kr_live_{attempt}")))).await;
    }
    let rest = client.rest().await;
    assert!(rest.contains("535 5.7.8") && rest.contains("421 4.7.0"), "{rest}");
}
