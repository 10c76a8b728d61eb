//! How the door closes.

use std::time::Duration;

use posthouse::config::ListenerTls;

use crate::support::IN_TIME;
use crate::support::door::{House, rules, until};
use crate::support::smtp::Client;

#[tokio::test]
async fn closing_lets_a_message_finish_and_tells_the_others() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut idle = Client::greeted(address).await;
    idle.login(&house.secret).await;
    let mut busy = Client::greeted(address).await;
    busy.login(&house.secret).await;
    busy.begin_data().await;
    house.shutdown.begin();
    let farewell = idle.rest().await;
    assert!(farewell.starts_with("421 4.3.2 "), "{farewell}");
    let refusal = Client::connect(address).await.rest().await;
    assert!(refusal.starts_with("421 4.3.2 "), "{refusal}");
    busy.send("From: sender@example.test\r\n\r\nText.\r\n.\r\n").await;
    let reply = busy.reply().await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    let rest = busy.rest().await;
    assert!(rest.starts_with("421 4.3.2 "), "{rest}");
    drop((idle, busy));
    tokio::time::timeout(IN_TIME, house.shutdown.finished(IN_TIME)).await.expect("all is over");
    assert_eq!(door.limits.open(), 0);
    until("the port is closed", || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err()).await;
    assert_eq!(house.accepted().await, 1);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_message_that_never_ends() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut busy = Client::greeted(address).await;
    busy.login(&house.secret).await;
    busy.begin_data().await;
    house.shutdown.begin();
    house.shutdown.finished(Duration::from_millis(100)).await;
    assert_eq!(door.limits.open(), 0);
    assert_eq!(busy.rest().await, "");
    assert_eq!(house.accepted().await, 0);
}
