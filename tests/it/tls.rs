//! TLS at the SMTP door: STARTTLS, implicit, and certificates that change.

mod hellos;
mod smuggling;

use std::time::Duration;

use posthouse::config::{CleartextAuth, Config, ListenerTls};
use posthouse::door::smtp::tls::Certificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::returns::Desk;
use crate::support::IN_TIME;
use crate::support::door::{House, rules, until};
use crate::support::smtp::{Client, auth_plain};
use crate::support::tls::{secure, shown, trusting};

/// Whoever waits for a handshake waits for ten seconds.
const BEFORE_A_HANDSHAKE_ENDS: Duration = Duration::from_secs(9);

/// A client that has said STARTTLS and is under TLS.
async fn start_tls(mut client: Client<TcpStream>, connector: &TlsConnector) -> Client<TlsStream<TcpStream>> {
    client.expect("EHLO client.test", "250-").await;
    client.expect("STARTTLS", "220 2.0.0").await;
    Client::over(secure(connector, client.stream).await.expect("a handshake"))
}

async fn implicit(address: std::net::SocketAddr, connector: &TlsConnector) -> Client<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let mut client = Client::over(secure(connector, stream).await.expect("a handshake"));
    assert!(client.reply().await.starts_with("220 "));
    client
}

#[tokio::test]
async fn a_message_comes_in_by_starttls_and_by_implicit_tls() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let auto = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut client = start_tls(Client::greeted(auto).await, &connector).await;
    client.login(&house.secret).await;
    let reply = client.submit("by STARTTLS").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    let submissions = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let mut client = implicit(submissions, &connector).await;
    client.login(&house.secret).await;
    let reply = client.submit("by implicit TLS").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    client.expect("QUIT", "221 2.0.0").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(house.accepted().await, 2);
}

#[tokio::test]
async fn what_follows_starttls_in_the_clear_is_thrown_away() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    for injected in ["RSET\r\n", "EHLO evil.test\r\nMAIL FROM:<evil@example.test>\r\n", "MAIL FROM:<evil"] {
        let mut client = Client::greeted(address).await;
        client.expect("EHLO client.test", "250-").await;
        client.send(format!("STARTTLS\r\n{injected}")).await;
        let reply = client.reply().await;
        assert!(reply.starts_with("220 "), "{reply}");
        let mut client = Client::over(secure(&connector, client.stream).await.expect("a handshake"));
        client.expect("NOOP", "250 2.0.0").await;
        client.expect("EHLO client.test", "250-").await;
        client.expect("QUIT", "221 ").await;
        assert_eq!(client.rest().await, "", "one reply to each command, after {injected:?}");
    }
}

#[tokio::test]
async fn nothing_said_before_the_handshake_is_remembered() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut client = Client::greeted(address).await;
    client.login(&house.secret).await;
    client.expect("STARTTLS", "220 ").await;
    let mut client = Client::over(secure(&connector, client.stream).await.expect("a handshake"));
    client.expect("MAIL FROM:<sender@example.test>", "5").await;
    let offer = client.expect("EHLO client.test", "250-").await;
    assert!(!offer.contains("STARTTLS") && offer.contains("AUTH PLAIN LOGIN"), "{offer}");
    client.expect("MAIL FROM:<sender@example.test>", "530 5.7.0").await;
    client.expect("STARTTLS", "503 5.5.1").await;
    client.login(&house.secret).await;
    client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
}

#[tokio::test]
async fn auto_offers_starttls_only_with_a_configured_pair() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    let offer = client.expect("EHLO client.test", "250-").await;
    assert!(!offer.contains("STARTTLS"), "{offer}");
    client.expect("STARTTLS", "502 5.5.1").await;
}

#[tokio::test]
async fn a_listener_that_insists_on_tls_has_a_pair_of_its_own() {
    let with_starttls = |config: &mut Config| config.smtp.listener[0].tls = ListenerTls::Starttls;
    let house = House::with(with_starttls).await;
    let door = house.door();
    let certificate = posthouse::pem::certificates(&house.dir.path().join("self-signed.crt")).expect("the pair it made");
    let mut strict = rules(ListenerTls::Starttls);
    strict.cleartext_auth = CleartextAuth::Never;
    let mut client = Client::greeted(house.listen(&door, strict).await).await;
    let offer = client.expect("EHLO client.test", "250-").await;
    assert!(offer.contains("STARTTLS") && !offer.contains("AUTH"), "{offer}");
    client.expect("MAIL FROM:<sender@example.test>", "530 5.7.0").await;
    client.expect(&auth_plain(house.secret.reveal()), "538 5.7.11").await;
    client.expect(&auth_plain("a wrong key"), "538 5.7.11").await;
    client.expect("STARTTLS", "220 ").await;
    let mut client = Client::over(secure(&trusting(&certificate), client.stream).await.expect("a handshake"));
    client.login(&house.secret).await;
}

#[tokio::test]
async fn a_configured_pair_that_cannot_be_loaded_is_a_passing_fault() {
    let (house, pair, _) = House::with_certificate(|config| {
        std::fs::write(&config.tls.cert, "no certificate").expect("the file");
    })
    .await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    let offer = client.expect("EHLO client.test", "250-").await;
    assert!(offer.contains("STARTTLS"), "{offer}");
    client.expect("STARTTLS", "454 4.7.0").await;
    pair.renew();
    door.certificates.reload();
    assert!(door.certificates.acceptor().is_some());
}

#[tokio::test]
async fn plain_text_at_the_implicit_port_is_closed_at_once() {
    let (house, ..) = House::with_certificate(|_| {}).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let mut client = Client::connect(address).await;
    client.send("EHLO client.test\r\n").await;
    let rest = tokio::time::timeout(BEFORE_A_HANDSHAKE_ENDS, client.rest()).await.expect("closed at once");
    assert!(!rest.contains("250"), "{rest}");
}

#[tokio::test]
async fn who_is_turned_away_under_tls_hears_why() {
    let (house, _, certificate) = House::with_certificate(|config| config.smtp.limits.connections = 1).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let mut first = implicit(address, &connector).await;
    let refused = async || {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Client::over(secure(&connector, stream).await.expect("a handshake")).rest().await
    };
    let refusal = refused().await;
    assert!(refusal.starts_with("421 4.7.0 ") && refusal.ends_with("\r\n"), "{refusal}");
    first.login(&house.secret).await;
    first.begin_data().await;
    house.shutdown.begin();
    let refusal = refused().await;
    assert!(refusal.starts_with("421 4.3.2 "), "{refusal}");
    assert!(first.say("From: sender@example.test\r\n\r\nText.\r\n.").await.starts_with("250 "));
}

#[tokio::test]
async fn who_is_turned_away_under_tls_and_does_not_shake_hands_is_closed_soon() {
    let (house, _, certificate) = House::with_certificate(|config| config.smtp.limits.connections = 1).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let _first = implicit(address, &connector).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(Client::connect(address).await);
    }
    let all = async {
        for client in &mut crowd {
            assert_eq!(client.rest().await, "");
        }
    };
    tokio::time::timeout(BEFORE_A_HANDSHAKE_ENDS, all).await.expect("closed soon");
    assert!(door.limits.farewell().is_some(), "turns are given back");
}

#[tokio::test]
async fn a_new_pair_is_taken_under_handshakes_and_a_broken_one_is_not() {
    let (house, pair, first) = House::with_certificate(|_| {}).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let mut standing = implicit(address, &trusting(std::slice::from_ref(&first))).await;

    let second = pair.renew();
    let both = [first.clone(), second.clone()];
    let (mut seen, mut handshakes) = (first.clone(), 0);
    let end = std::time::Instant::now() + IN_TIME;
    while seen != second {
        assert!(std::time::Instant::now() < end, "the new pair is not in use after {handshakes} handshakes");
        // A client of its own each time: one that resumes its session is not shown the certificate again.
        seen = shown(&implicit(address, &trusting(&both)).await.stream);
        handshakes += 1;
    }

    let own_key = std::fs::read(&pair.key).expect("the key's file");
    let (_, stranger) = (pair.renew(), std::fs::read(&pair.key).expect("the key's file"));
    std::fs::write(&pair.key, &own_key).expect("the key's file");
    door.certificates.reload();
    implicit(address, &trusting(std::slice::from_ref(&second))).await;
    std::fs::write(&pair.key, &stranger[..stranger.len() / 2]).expect("the key's file");
    door.certificates.reload();
    implicit(address, &trusting(std::slice::from_ref(&second))).await;
    std::fs::remove_file(&pair.cert).expect("the file was there");
    door.certificates.reload();
    implicit(address, &trusting(std::slice::from_ref(&second))).await;
    standing.expect("NOOP", "250 ").await;
}

#[tokio::test]
async fn data_cut_off_under_tls_is_not_accepted() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    for say_goodbye in [false, true] {
        for begin in ["DATA", "BDAT 1000 LAST"] {
            let mut client = implicit(address, &connector).await;
            client.login(&house.secret).await;
            client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
            client.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
            client.send(format!("{begin}\r\nFrom: sender@example.test\r\n\r\nText.\r\n.\r")).await;
            if begin == "DATA" {
                assert!(client.reply().await.starts_with("354 "));
            }
            if say_goodbye {
                client.stream.get_mut().1.send_close_notify();
                client.stream.flush().await.expect("close_notify leaves");
            }
            let (mut socket, _) = client.stream.into_inner();
            // What comes in the clear after that must not be taken for the end of the message.
            socket.write_all(b"\n.\r\n").await.expect("octets in the clear");
            let _ = socket.shutdown().await;
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
            until("the connection ends", || door.limits.open() == 0).await;
        }
    }
    assert_eq!(house.accepted().await, 0);
}

#[tokio::test]
async fn a_handshake_that_drips_is_given_up() {
    let (house, ..) = House::with_certificate(|_| {}).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let begun = std::time::Instant::now();
    // The beginning of a handshake record that never ends.
    for octet in [0x16, 0x03, 0x01, 0x02, 0x00, 0x01].into_iter().chain(std::iter::repeat(0)) {
        if stream.write_all(&[octet]).await.is_err() {
            break;
        }
        assert!(begun.elapsed() < IN_TIME, "still open");
        let mut end = [0; 1];
        let closed = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut end)).await;
        if closed.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn reports_come_in_under_the_houses_certificate() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let certificates = Certificates::open(&house.config).expect("TLS");
    let desk = Desk::with(&house.store, |inbound| inbound.certified_by(certificates)).await;
    let connector = trusting(&[certificate]);
    let mut client = Client::greeted(desk.address).await;
    assert!(client.say("EHLO mx.far.test").await.ends_with("-STARTTLS\n250 ENHANCEDSTATUSCODES"));
    client.expect("MAIL FROM:<>", "250 ").await;
    client.expect("STARTTLS", "503 5.5.1").await;
    client.expect("RSET", "250 ").await;
    client.send("STARTTLS\r\nMAIL FROM:<evil@far.test>\r\n").await;
    assert!(client.reply().await.starts_with("220 2.0.0"));
    let mut client = Client::over(secure(&connector, client.stream).await.expect("a handshake"));
    client.expect("MAIL FROM:<>", "503 5.5.1").await;
    assert!(!client.say("EHLO mx.far.test").await.contains("STARTTLS"));
    client.expect("STARTTLS", "502 5.5.1").await;
    client.expect("MAIL FROM:<>", "250 ").await;
    client.expect("QUIT", "221 ").await;

    let house = House::new().await;
    let plain = Desk::open(&house.store).await;
    let mut client = Client::greeted(plain.address).await;
    assert!(!client.say("EHLO mx.far.test").await.contains("STARTTLS"));
    client.expect("STARTTLS", "502 5.5.1").await;
    desk.shutdown.begin();
    plain.shutdown.begin();
}
