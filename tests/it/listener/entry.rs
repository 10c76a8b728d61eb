//! Who is let in, and as whom.

use std::net::SocketAddr;

use posthouse::config::{Config, ListenerTls, Trusted};
use tokio::net::TcpStream;

use crate::support::door::{House, rules, until};
use crate::support::smtp::Client;

/// The PROXY protocol v2 header of a connection from `source`.
fn proxy_header(source: [u8; 4]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &source, &[127, 0, 0, 1], &[0x9c, 0x40], &[0x09, 0xdd]].concat()
}

/// A connection that a balancer on this machine passes on from `source`.
pub(super) async fn proxied(address: SocketAddr, source: [u8; 4]) -> Client<TcpStream> {
    let mut client = Client::connect(address).await;
    client.send(proxy_header(source)).await;
    client
}

pub(super) fn behind_a_balancer(config: &mut Config) {
    config.smtp.proxy_protocol = vec!["127.0.0.0/8".parse().expect("a network")];
}

#[tokio::test]
async fn more_connections_than_there_are_places_are_turned_away() {
    let house = House::with(|config| config.smtp.limits.connections = 2).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let (mut first, _second) = (Client::greeted(address).await, Client::greeted(address).await);
    let mut third = Client::connect(address).await;
    let refusal = third.rest().await;
    assert!(refusal.starts_with("421 4.7.0 "), "{refusal}");
    first.expect("QUIT", "221 ").await;
    drop(first);
    until("the place is free", || door.limits.open() == 1).await;
    Client::greeted(address).await;
}

#[tokio::test]
async fn who_speaks_before_the_greeting_is_greeted_first() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::connect(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    client.send("EHLO client.test\r\nNOOP\r\n").await;
    for begins in ["220 ", "250-", "250 2.0.0 Ok"] {
        let reply = client.reply().await;
        assert!(reply.starts_with(begins), "{reply}");
    }
    client.expect("QUIT", "221 ").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn one_address_has_its_own_bound_and_loopback_has_none() {
    let house = House::with(|config| {
        behind_a_balancer(config);
        config.smtp.limits.connections_per_address = 1;
    })
    .await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut first = proxied(address, [192, 0, 2, 1]).await;
    assert!(first.reply().await.starts_with("220 "));
    let refusal = proxied(address, [192, 0, 2, 1]).await.rest().await;
    assert!(refusal.starts_with("421 4.7.0 "), "{refusal}");
    let mut other = proxied(address, [192, 0, 2, 2]).await;
    assert!(other.reply().await.starts_with("220 "));
    let (mut one, mut two) = (proxied(address, [127, 0, 0, 1]).await, proxied(address, [127, 0, 0, 1]).await);
    assert!(one.reply().await.starts_with("220 ") && two.reply().await.starts_with("220 "));
}

#[tokio::test]
async fn a_balancer_must_say_for_whom_it_speaks() {
    let house = House::with(behind_a_balancer).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut silent = Client::connect(address).await;
    let mut wrong = Client::connect(address).await;
    wrong.send("EHLO client.test\r\nNOOP\r\n").await;
    assert_eq!(wrong.rest().await, "");
    assert_eq!(silent.rest().await, "", "no header in time");
    let mut remote = proxied(address, [192, 0, 2, 1]).await;
    remote.reply().await;
    let offer = remote.expect("EHLO client.test", "250-").await;
    assert!(!offer.contains("AUTH"), "AUTH in the clear is for loopback: {offer}");
}

#[tokio::test]
async fn a_header_from_anyone_else_is_no_header() {
    let house = House::with(|config| config.smtp.proxy_protocol = vec!["192.0.2.0/24".parse().expect("a network")]).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut client = Client::greeted(address).await;
    client.send(proxy_header([198, 51, 100, 1])).await;
    let reply = client.reply().await;
    assert!(reply.starts_with("50"), "{reply}");
}

#[tokio::test]
async fn a_trusted_network_submits_without_auth() {
    let house = House::new().await;
    let door = house.door();
    let network = "127.0.0.0/8".parse().expect("a network");
    let mut printers = rules(ListenerTls::None);
    printers.trusted = vec![Trusted { network, key: "first".to_owned() }];
    let mut client = Client::greeted(house.listen(&door, printers).await).await;
    client.expect("HELO printer", "250 ").await;
    let reply = client.submit("from a printer").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");

    let mut strangers = rules(ListenerTls::None);
    strangers.trusted = vec![Trusted { network: "192.0.2.0/24".parse().expect("a network"), key: "first".to_owned() }];
    let mut client = Client::greeted(house.listen(&door, strangers).await).await;
    client.expect("HELO stranger", "250 ").await;
    client.expect("MAIL FROM:<sender@example.test>", "530 5.7.0").await;
}
