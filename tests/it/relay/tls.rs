//! TLS and logging in on the way out.

use std::path::PathBuf;
use std::sync::Arc;

use posthouse::config::{Config, RelayTls};

use crate::support::sink::{Act, Script, Sink};

use super::{carry, config, courier_with, small, told};

/// A certificate for `name`, and the PEM file by which it is trusted.
fn certificate(name: &str, folder: &std::path::Path) -> (Arc<rustls::ServerConfig>, PathBuf) {
    let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, pair.cert.pem()).expect("a file");
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .expect("a pair");
    (Arc::new(config), file)
}

struct Case {
    mode: RelayTls,
    script: Script,
    trusted: bool,
    wanted: &'static str,
    encrypted: bool,
}

#[tokio::test]
async fn each_mode_keeps_its_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, ca) = certificate("127.0.0.1", folder.path());
    let (other, _) = certificate("other.example", folder.path());
    let offered = || Script::default().with_tls(good.clone());
    let implicit = || offered().implicit();
    let refused = |reply: &'static str| Script::at("STARTTLS", Act::say(reply)).with_tls(good.clone());
    let breaks = Script::on(|turn| (turn.verb() == "STARTTLS").then(|| Act::SayAndClose("220 go".into())));
    let injected = || refused("220 go\r\n250-AUTH PLAIN\r\n250 x");
    let case = |mode, script, trusted, wanted, encrypted| Case { mode, script, trusted, wanted, encrypted };
    let (sent, clear) = ("sent: 250 2.0.0 taken", Script::default);
    let cases = [
        case(RelayTls::None, offered(), true, sent, false),
        case(RelayTls::Opportunistic, offered(), false, sent, true),
        case(RelayTls::Opportunistic, Script::default().with_tls(other.clone()), false, sent, true),
        case(RelayTls::Opportunistic, clear(), false, sent, false),
        case(RelayTls::Opportunistic, refused("454 4.7.0 not now"), false, sent, false),
        case(RelayTls::Opportunistic, breaks.clone().with_tls(good.clone()), false, sent, false),
        case(RelayTls::Opportunistic, injected(), false, "later: the peer spoke out of turn at STARTTLS", false),
        case(RelayTls::Required, offered(), true, sent, true),
        case(RelayTls::Required, offered(), false, "later: the TLS handshake failed", true),
        case(RelayTls::Required, Script::default().with_tls(other.clone()), true, "later: the TLS handshake failed", true),
        case(RelayTls::Required, clear(), true, "later: TLS is required", false),
        case(RelayTls::Required, refused("454 4.7.0 not now"), true, "later: 454 4.7.0 not now", false),
        case(RelayTls::Required, breaks.with_tls(good.clone()), true, "later: the TLS handshake failed", false),
        case(RelayTls::Required, injected(), true, "later: the peer spoke out of turn at STARTTLS", false),
        case(RelayTls::Implicit, implicit(), true, sent, true),
        case(RelayTls::Implicit, implicit(), false, "later: the TLS handshake failed", true),
        case(RelayTls::Implicit, clear(), true, "later: the TLS handshake failed", false),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let sink = Sink::start(case.script).await;
        let mut config = config(&sink);
        config.delivery.relay.tls = case.mode;
        config.delivery.relay.ca = if case.trusted { ca.display().to_string() } else { String::new() };
        let fates = told(&carry(&mut courier_with(&config), &small(&["you@example.com"])).await);
        assert!(fates[0].starts_with(case.wanted), "case {number}: {fates:?}");
        let received = sink.received();
        assert!(received.iter().all(|r| r.encrypted == case.encrypted), "case {number}");
        assert_eq!(received.is_empty(), case.wanted != sent, "case {number}");
    }
}

fn with_login(sink: &Sink, mode: RelayTls) -> Config {
    let mut config = config(sink);
    config.delivery.relay.tls = mode;
    config.delivery.relay.username = "me".to_owned();
    config.delivery.relay.password.0 = "secret".to_owned();
    config
}

#[tokio::test]
async fn a_login_is_said_by_the_best_mechanism_there_is() {
    let login = |turn: &crate::support::sink::Turn| match turn.line.as_str() {
        "AUTH PLAIN AG1lAHNlY3JldA==" => Some(Act::say("235 2.7.0 welcome")),
        "AUTH LOGIN" => Some(Act::say("334 VXNlcm5hbWU6")),
        "bWU=" => Some(Act::say("334 UGFzc3dvcmQ6")),
        "c2VjcmV0" => Some(Act::say("235 2.7.0 welcome")),
        line if line.starts_with("AUTH") => Some(Act::say("535 5.7.8 no")),
        _ => None,
    };
    for (offer, wanted) in [("AUTH LOGIN PLAIN", "sent"), ("AUTH LOGIN", "sent"), ("AUTH CRAM-MD5", "later: the next hop offers")]
    {
        let sink = Sink::start(Script::on(login).offering(&[offer])).await;
        let fates = told(&carry(&mut courier_with(&with_login(&sink, RelayTls::None)), &small(&["you@example.com"])).await);
        assert!(fates[0].starts_with(wanted), "{offer}: {fates:?}");
    }
    let sink = Sink::start(Script::at("AUTH", Act::say("535 5.7.8 no")).offering(&["AUTH PLAIN"])).await;
    let fates = told(&carry(&mut courier_with(&with_login(&sink, RelayTls::None)), &small(&["you@example.com"])).await);
    assert_eq!(fates, ["later: 535 5.7.8 no"], "a login that is refused is a fault of ours");
}
