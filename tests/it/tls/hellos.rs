//! What a client may ask for in its first words.

use std::sync::Arc;

use posthouse::config::ListenerTls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::IN_TIME;
use crate::support::door::{House, rules};
use crate::support::smtp::Client;
use crate::support::tls::shown;

/// Takes any certificate, so that it sees which one is shown to whom.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A client that takes any certificate, and asks for these protocols.
fn credulous(protocols: &[&[u8]]) -> TlsConnector {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Anything(provider.clone()));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn whatever_name_a_client_gives_it_is_shown_the_one_certificate() {
    let (house, _, certificate) = House::with_certificate(|_| {}).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    for name in ["unknown.test", "localhost", "127.0.0.1"] {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let name = ServerName::try_from(name).expect("a name");
        let stream = credulous(&[]).connect(name, stream).await.expect("a handshake");
        assert_eq!(shown(&stream), certificate);
    }
}

#[tokio::test]
async fn protocols_that_nobody_knows_are_passed_over() {
    let (house, ..) = House::with_certificate(|_| {}).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = credulous(&[b"\xff", b"h2", &[b'x'; 255]]).connect(name, stream).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    let mut client = Client::over(stream);
    assert!(client.reply().await.starts_with("220 "));
    client.login(&house.secret).await;
}

/// A ClientHello of this version and nothing newer: no extension says more.
fn hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x09]); // ECDHE_ECDSA with AES 128, by GCM (TLS 1.2) and by CBC (older)
    body.extend([1, 0]); // no compression
    let groups = [0, 10, 0, 4, 0, 2, 0, 23]; // secp256r1
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3]; // ecdsa_secp256r1_sha256
    body.extend([[0, 16].as_slice(), &groups, &signatures].concat());
    let message = [vec![1, 0, 0, length(&body)], body].concat();
    [vec![22, 3, 1, 0, length(&message)], message].concat()
}

fn length(octets: &[u8]) -> u8 {
    u8::try_from(octets.len()).expect("a short one")
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_is_spoken() {
    let (house, ..) = House::with_certificate(|_| {}).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Implicit)).await;
    // SSL 3, TLS 1.0, 1.1 and, in the very same words, 1.2.
    for minor in 0..=3 {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(&hello(minor)).await.expect("the server takes octets");
        let mut answer = [0; 7];
        let read = tokio::time::timeout(IN_TIME, stream.read_exact(&mut answer)).await;
        read.expect("an answer").expect("seven octets of it");
        // A handshake record (22), or an alert (21) that is fatal (2): protocol_version (70), RFC 8446 section 6.
        let expected: &[u8] = if minor == 3 { &[22, 3, 3] } else { &[21, 3, 3, 0, 2, 2, 70] };
        assert!(answer.starts_with(expected), "3.{minor}: {answer:?}");
    }
}
