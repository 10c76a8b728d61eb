//! How long a peer may take.

use std::time::Duration;

use posthouse::door::smtp::door::Door;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::logged_in;
use crate::support::door::House;
use crate::support::smtp::Client;

/// Lets so many seconds of paused time pass. Whether the server said something meanwhile.
async fn pass(client: &mut Client<DuplexStream>, seconds: u64) -> bool {
    tokio::time::advance(Duration::from_secs(seconds)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    client.has_heard().await
}

/// Sends these octets, one every ten seconds of paused time, until the server says something. Returns how long that took.
async fn drip(client: &mut Client<DuplexStream>, octets: impl Iterator<Item = u8>) -> Duration {
    tokio::time::pause();
    let begun = Instant::now();
    for octet in octets {
        client.send([octet]).await;
        if pass(client, 10).await {
            break;
        }
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_peer_that_drips_octets_of_a_command_is_idle() {
    let house = House::new().await;
    let door = house.door();
    let mut client = house.converse(&door).patient();
    client.reply().await;
    let waited = drip(&mut client, "EHLO client.test with a name that never ends".bytes()).await;
    assert!(waited >= Duration::from_secs(60) && waited <= Duration::from_secs(70), "{waited:?}");
    let rest = client.rest().await;
    assert!(rest.starts_with("421 4.4.2 "), "{rest}");
}

#[tokio::test]
async fn a_client_that_logged_in_may_pause_for_five_minutes() {
    let house = House::new().await;
    let door = house.door();
    let mut client = logged_in(&house, &door).await.patient();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(299)).await;
    client.expect("NOOP", "250 ").await;
    let begun = Instant::now();
    let rest = client.rest().await;
    assert!(rest.starts_with("421 4.4.2 "), "{rest}");
    assert!(begun.elapsed() >= Duration::from_secs(300) && begun.elapsed() < Duration::from_secs(310), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn data_that_drips_is_given_up_and_nothing_is_accepted() {
    let house = House::new().await;
    let door = house.door();
    for begin in ["DATA", "BDAT 100000 LAST"] {
        let mut client = logged_in(&house, &door).await.patient();
        client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
        client.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
        client.send(format!("{begin}\r\n")).await;
        if begin == "DATA" {
            client.reply().await;
        }
        let waited = drip(&mut client, std::iter::repeat_n(b'x', 60)).await;
        let rest = client.rest().await;
        tokio::time::resume();
        assert!(rest.starts_with("421 4.4.2 "), "{begin}: {rest}");
        assert!(waited <= Duration::from_secs(60), "{begin}: {waited:?}");
    }
    assert_eq!(house.accepted().await, 0);
}

/// Sends chunks of so many octets, one every `pause` seconds of paused time, until one is not taken. Returns what was said then,
/// and how long that took.
async fn chunks(house: &House, door: &Door, octets: usize, pause: u64) -> (String, Duration) {
    let mut client = logged_in(house, door).await.patient();
    client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
    client.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
    tokio::time::pause();
    let begun = Instant::now();
    let chunk = format!("BDAT {octets}\r\n{}", "x".repeat(octets));
    let mut said = String::new();
    for _ in 0..200 {
        client.send(&chunk).await;
        said = client.reply().await;
        if !said.starts_with("250 ") {
            break;
        }
        if pass(&mut client, pause).await {
            said = client.reply().await;
            break;
        }
    }
    let waited = begun.elapsed();
    assert_eq!(client.rest().await, "");
    tokio::time::resume();
    (said, waited)
}

#[tokio::test]
async fn small_chunks_that_drip_are_given_up_as_data_is() {
    let house = House::new().await;
    let door = house.door();
    let all = door.budget.available_permits();
    let (said, waited) = chunks(&house, &door, 1, 10).await;
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    assert!(waited <= Duration::from_secs(60), "{waited:?}");
    assert_eq!(door.budget.available_permits(), all);
    assert_eq!(house.accepted().await, 0);
}

#[tokio::test]
async fn chunks_that_keep_their_pace_end_with_their_transaction() {
    let house = House::new().await;
    let door = house.door();
    let (said, waited) = chunks(&house, &door, 20_000, 20).await;
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    assert!(waited >= Duration::from_secs(580) && waited <= Duration::from_secs(640), "{waited:?}");
}

#[tokio::test]
async fn recipients_that_drip_end_with_their_transaction() {
    let house = House::new().await;
    let door = house.door();
    let mut client = logged_in(&house, &door).await.patient();
    client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
    tokio::time::pause();
    let begun = Instant::now();
    let mut said = String::new();
    for number in 0..10 {
        client.send(format!("RCPT TO:<r{number}@example.test>\r\n")).await;
        said = client.reply().await;
        if !said.starts_with("250 ") {
            break;
        }
        if pass(&mut client, 200).await {
            said = client.reply().await;
            break;
        }
    }
    assert!(said.starts_with("421 4.4.2 "), "{said}");
    assert!(begun.elapsed() <= Duration::from_secs(800), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_peer_that_reads_no_replies_is_given_up() {
    let house = House::new().await;
    let door = house.door();
    let mut client = logged_in(&house, &door).await.patient();
    tokio::time::pause();
    let flood = async {
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"EHLO client.test\r\n").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), flood).await.expect("the server lets go of the connection");
}
