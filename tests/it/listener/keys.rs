//! Keys on open connections: revoked, wrong, and wrong again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use posthouse::config::ListenerTls;
use tokio::net::TcpStream;

use super::entry::{behind_a_balancer, proxied};
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

/// How long the answers to wrong logins from one address take at each place: the shortest of three addresses, since a busy machine
/// answers some of them later than the house does.
async fn waits(at: SocketAddr) -> [Duration; 6] {
    let mut shortest = [Duration::MAX; 6];
    for host in 1..=3 {
        for least in &mut shortest {
            let mut client = greeted(at, host).await;
            client.expect("EHLO client.test", "250-").await;
            let asked = Instant::now();
            client.expect(&auth_plain("kr_live_wrong"), "535 5.7.8").await;
            *least = (*least).min(asked.elapsed());
        }
    }
    shortest
}

async fn greeted(at: SocketAddr, host: u8) -> Client<TcpStream> {
    let mut client = proxied(at, [127, 0, 1, host]).await;
    assert!(client.reply().await.starts_with("220 "));
    client
}

#[tokio::test]
async fn a_wrong_key_is_answered_later_and_later_and_a_right_one_at_once() {
    let house = House::with(behind_a_balancer).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let (took, ms) = (waits(address).await, Duration::from_millis);
    assert!(took[..4].iter().all(|&took| took < ms(250)), "the first are free: {took:?}");
    assert!(took[4] >= ms(250) && took[5] >= ms(500), "{took:?}");

    // A success that waited for another's failure would take longer than that each time; on a busy machine it may so the first times.
    let mut delays = [1, 2, 4, 8, 8].map(Duration::from_secs).into_iter();
    loop {
        let delay = delays.next().expect("a success that does not wait for another's failure");
        let mut wrong = greeted(address, 1).await;
        wrong.expect("EHLO client.test", "250-").await;
        let asked = Instant::now();
        wrong.send(format!("{}\r\n", auth_plain("kr_live_wrong"))).await;
        greeted(address, 1).await.login(&house.secret).await;
        if asked.elapsed() < delay {
            break assert!(!wrong.has_heard().await, "the failure was answered too soon");
        }
        assert!(wrong.reply().await.starts_with("535 5.7.8"));
    }
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
