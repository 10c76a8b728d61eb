//! The fake ends of data, under TLS: as in the clear, none of them ends a message.

use posthouse::config::ListenerTls;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{implicit, start_tls};
use crate::support::door::{House, rules};
use crate::support::smtp::Client;
use crate::support::tls::trusting;

/// Every form that some server once took for CRLF "." CRLF.
const FAKES: [&str; 12] = [
    "\n.\n",
    "\n.\r",
    "\r.\n",
    "\r.\r",
    "\n.\r\n",
    "\r.\r\n",
    "\r\n\0.\r\n",
    "\r\n.\r\r\n",
    "\r\r\n.\r\r\n",
    "\r\n.\n",
    "\r\n.\r",
    "\r\n.\0\r\n",
];

/// Sends a message that holds this fake and a transaction behind it, in one record or an octet each; there may be one reply.
async fn smuggle<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, fake: &str, whole: bool) {
    let from = "From: sender@example.test\r\n\r\nbody";
    let smuggled = "MAIL FROM:<s@example.test>\r\nRCPT TO:<v@example.test>\r\nDATA\r\nsmuggled";
    let message = format!("{from}{fake}{smuggled}\r\n.\r\n");
    client.begin_data().await;
    let size = if whole { message.len() } else { 1 };
    for piece in message.as_bytes().chunks(size) {
        client.send(piece).await;
    }
    let reply = client.reply().await;
    let expected = if fake.contains('\0') { "550 5.6.0" } else { "250 2.0.0 Ok: queued as " };
    assert!(reply.starts_with(expected), "{}: {reply}", fake.escape_debug());
    let reply = client.say("NOOP").await;
    assert_eq!(reply, "250 2.0.0 Ok", "after {}", fake.escape_debug());
}

#[tokio::test]
async fn no_fake_end_lets_a_second_message_in_under_tls() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let (door, connector) = (house.door(), trusting(&[certificate]));
    let plain = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut started = start_tls(Client::greeted(plain).await, &connector).await;
    let mut secured = implicit(house.listen(&door, rules(ListenerTls::Implicit)).await, &connector).await;
    for client in [&mut started, &mut secured] {
        client.login(&house.secret).await;
        for fake in FAKES {
            smuggle(client, fake, true).await;
            smuggle(client, fake, false).await;
        }
        client.expect("QUIT", "221 2.0.0").await;
        assert_eq!(client.rest().await, "");
    }
    let taken = FAKES.iter().filter(|fake| !fake.contains('\0')).count();
    assert_eq!(house.accepted().await, 4 * taken);
}
