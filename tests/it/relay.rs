//! The relay route against a next hop that behaves, and one that does not.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::{Config, RelayTls};
use posthouse::delivery::boottime::Boottime;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::fate::Fate;
use posthouse::delivery::gate::Gate;
use posthouse::delivery::pace::Pace;
use posthouse::delivery::route::Carried;
use posthouse::delivery::route::relay::{Relay, RelayCourier};
use posthouse::id::Ids;
use posthouse::model::envelope::{DsnNotify, DsnRet};
use posthouse::model::message::{Body, Recipient};
use posthouse::model::outcome::{RecipientState, Reply};
use posthouse::store::handover::Claim;

use super::support::nouns;
use super::support::sink::{Act, Script, Sink};

const PATIENCE: Duration = Duration::from_millis(300);

fn config(sink: &Sink) -> Config {
    let mut config = Config::defaults();
    config.delivery.relay.host = sink.address.ip().to_string();
    config.delivery.relay.port = sink.address.port();
    config.delivery.hostname = "client.example".to_owned();
    config
}

fn hasty() -> Deadlines {
    Deadlines {
        connect: PATIENCE,
        command: PATIENCE,
        handshake: PATIENCE,
        data: PATIENCE,
        block: Duration::from_secs(5),
        dot: PATIENCE,
        quit: PATIENCE,
    }
}

fn courier_with(config: &Config) -> RelayCourier {
    RelayCourier::new(Arc::new(Relay::new(config, hasty(), &Pace::default()).expect("a relay")))
}

fn courier(sink: &Sink) -> RelayCourier {
    courier_with(&config(sink))
}

fn claim(content: &[u8], recipients: &[&str]) -> Claim {
    let acceptance = nouns::acceptance(Ids::random(Clock::System).next(), recipients);
    let mut message = (*acceptance.message).clone();
    message.size = content.len() as u64;
    message.eight_bit = !content.is_ascii();
    let recipient = |(index, path): (i64, posthouse::store::accept::NewRecipient)| Recipient {
        index,
        path: path.path,
        state: RecipientState::Queued,
        attempts: 0,
        next_attempt_at: Timestamp(0),
        last_reply: String::new(),
        updated_at: Timestamp(0),
    };
    let recipients = (0..).zip(acceptance.recipients).map(recipient).collect();
    Claim { epoch: 1, message: Arc::new(message), body: Body::free(content.to_vec()), recipients }
}

fn small(recipients: &[&str]) -> Claim {
    claim(b"Subject: hi\r\n\r\nbody\r\n", recipients)
}

fn open_gate() -> Gate {
    let gate = Gate::new(Boottime::manual());
    gate.begin(1, gate.now());
    gate
}

async fn carry(courier: &mut RelayCourier, claim: &Claim) -> Vec<Fate> {
    carry_by(courier, claim, &open_gate()).await
}

async fn carry_by(courier: &mut RelayCourier, claim: &Claim, gate: &Gate) -> Vec<Fate> {
    match courier.carry(claim, gate).await {
        Carried::Fates(fates) => fates,
        Carried::TurnedAway(reply) => vec![Fate::Later(reply); claim.recipients.len()],
    }
}

fn reply(fate: &Fate) -> &Reply {
    match fate {
        Fate::Sent(r) | Fate::Delivered(r) | Fate::Later(r) | Fate::Refused(r) | Fate::Failed(r) => r,
        Fate::Released => panic!("not attempted"),
    }
}

/// `sent`, `later`, `refused`: and the line that says why.
fn told(fates: &[Fate]) -> Vec<String> {
    let word = |fate: &Fate| match fate {
        Fate::Sent(_) => "sent",
        Fate::Delivered(_) => "delivered",
        Fate::Later(_) => "later",
        Fate::Refused(_) => "refused",
        Fate::Failed(_) => "failed",
        Fate::Released => "released",
    };
    fates.iter().map(|fate| format!("{}: {}", word(fate), reply(fate).line())).collect()
}

#[tokio::test]
async fn content_arrives_octet_for_octet() {
    let long = format!("{}\r\n", "x".repeat(997));
    // The writer works in pieces of 64 KiB: a dot at the beginning of a line at, before and after each edge.
    let edge = |before: usize| {
        let mut content = b"Subject: edge\r\n\r\n".to_vec();
        while content.len() + long.len() < before {
            content.extend_from_slice(long.as_bytes());
        }
        content.resize(before.saturating_sub(2), b'y');
        content.extend_from_slice(b"\r\n.dot\r\n..\r\n.\r\nend\r\n");
        content
    };
    let mut contents: Vec<Vec<u8>> =
        vec![b"a: b\r\n\r\n.\r\n".to_vec(), b".\r\n".to_vec(), b"a: b\r\n\r\n..x\r\n\r\n.\r\n\r\n".to_vec(), Vec::new()];
    contents.extend([8191, 8192, 16384].into_iter().chain(65530..65540).chain(131070..131076).map(edge));
    contents.push(b"a: b\r\n\r\n\r\n.\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<v@y.example>\r\nDATA\r\n.\r\nQUIT\r\n".to_vec());
    for pipelining in [true, false] {
        let offers: &[&str] = if pipelining { &["PIPELINING"] } else { &[] };
        let sink = Sink::start(Script::default().offering(offers)).await;
        let mut courier = courier(&sink);
        for content in &contents {
            let fates = carry(&mut courier, &claim(content, &["you@example.com"])).await;
            assert_eq!(told(&fates), ["sent: 250 2.0.0 taken"]);
        }
        let received = sink.received();
        assert_eq!(received.len(), contents.len());
        for (got, sent) in received.iter().zip(&contents) {
            assert!(got.content == *sent, "{} octets became {}", sent.len(), got.content.len());
        }
        assert_eq!(sink.connections(), 1, "one connection carries them all");
        assert_eq!(sink.said("RSET"), 0, "nothing had to be reset");
    }
}

#[tokio::test]
async fn a_bare_line_end_leaves_whole() {
    let sink = Sink::willing().await;
    carry(&mut courier(&sink), &claim(b"a: b\r\n\r\nx\n.\ny\r.\rz", &["you@example.com"])).await;
    let received = sink.received();
    assert_eq!(received[0].raw, b"a: b\r\n\r\nx\r\n..\r\ny\r\n..\r\nz\r\n.\r\n");
}

#[tokio::test]
async fn the_envelope_says_what_the_next_hop_knows() {
    let mut asked = claim("a: b\r\n\r\n\u{fc}\r\n".as_bytes(), &["you@example.com", "b\u{fc}ro@b\u{fc}cher.example"]);
    let message = Arc::get_mut(&mut asked.message).expect("ours alone");
    (message.ret, message.envid) = (Some(DsnRet::Full), Some("a b".to_owned()));
    asked.recipients[0].path.notify = Some(DsnNotify { success: true, failure: true, delay: false });
    let sink = Sink::willing().await;
    assert_eq!(told(&carry(&mut courier(&sink), &asked).await), ["sent: 250 2.0.0 taken"; 2]);
    let got = &sink.received()[0];
    assert_eq!(got.mail, "MAIL FROM:<a@example.test> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+20b");
    assert_eq!(got.rcpt, ["RCPT TO:<you@example.com> NOTIFY=SUCCESS,FAILURE", "RCPT TO:<b\u{fc}ro@b\u{fc}cher.example>"]);

    let plain = Sink::start(Script::default().offering(&["PIPELINING", "8BITMIME"])).await;
    let fates = told(&carry(&mut courier(&plain), &asked).await);
    assert_eq!(fates[0], "sent: 250 2.0.0 taken");
    assert!(fates[1].starts_with("refused: 5.6.7"), "{fates:?}");
    assert_eq!(plain.received()[0].mail, "MAIL FROM:<a@example.test> BODY=8BITMIME");
}

#[tokio::test]
async fn eight_bit_mail_is_re_encoded_for_a_hop_that_can_not_take_it() {
    let content = "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\u{fc}\r\n".as_bytes();
    let sink = Sink::start(Script::default().offering(&["PIPELINING", "SIZE"])).await;
    let fates = told(&carry(&mut courier(&sink), &claim(content, &["you@example.com"])).await);
    assert_eq!(fates, ["sent: 250 2.0.0 taken"]);
    let got = &sink.received()[0];
    assert!(got.content.is_ascii() && got.content != content, "{}", got.content.escape_ascii());
    assert_eq!(got.mail, format!("MAIL FROM:<a@example.test> SIZE={}", got.content.len()));
    // What is signed can't be changed: it bounces.
    let signed = [b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n".as_slice(), content, b"--b--\r\n"].concat();
    let fates = told(&carry(&mut courier(&sink), &claim(&signed, &["you@example.com"])).await);
    assert!(fates[0].starts_with("refused: 5.6.3"), "{fates:?}");
}

#[tokio::test]
async fn what_is_too_large_is_not_even_offered() {
    let sink = Sink::start(Script::default().offering(&["SIZE 10"])).await;
    let fates = told(&carry(&mut courier(&sink), &small(&["you@example.com"])).await);
    assert!(fates[0].starts_with("refused: 5.3.4"), "{fates:?}");
    assert_eq!(sink.said("MAIL"), 0);
}

/// Refusals and misbehaviour at each step, pipelined and not: what becomes of the recipient, and how many messages the sink took.
#[tokio::test]
async fn each_step_fails_as_it_should() {
    let cases: Vec<(&'static str, Act, &str)> = vec![
        ("MAIL", Act::say("451 4.3.0 not now"), "later: 451 4.3.0 not now"),
        ("MAIL", Act::say("550 5.7.1 no"), "refused: 550 5.7.1 no"),
        ("MAIL", Act::say("530 5.7.0 log in"), "later: 530 5.7.0 log in"),
        ("MAIL", Act::SayAndClose("421 4.3.2 bye".into()), "later: 421 4.3.2 bye"),
        ("MAIL", Act::Close, "later: the connection ended at MAIL"),
        ("RCPT", Act::say("450 4.2.1 busy"), "later: 450 4.2.1 busy"),
        ("RCPT", Act::say("550-5.1.1 no\r\n550 5.1.1 such user"), "refused: 550 5.1.1 no such user"),
        ("RCPT", Act::say("552 too many"), "later: 552 too many"),
        ("RCPT", Act::SayAndClose("421 4.3.2 bye".into()), "later: 421 4.3.2 bye"),
        ("RCPT", Act::Close, "later: the connection ended at RCPT"),
        ("RCPT", Act::say("354 what"), "later: 354 what"),
        ("DATA", Act::say("451 4.3.0 not now"), "later: 451 4.3.0 not now"),
        ("DATA", Act::say("554 5.7.1 no"), "refused: 554 5.7.1 no"),
        ("DATA", Act::say("250 what"), "later: 250 what"),
        ("DATA", Act::SayAndClose("354 go".into()), "later: the connection ended at"),
        ("DATA", Act::say("354 go\r\n250 2.0.0 taken already"), "later: the peer spoke out of turn"),
        ("DATA", Act::SayAndClose("354 go\r\n552 5.3.4 too large".into()), "refused: 552 5.3.4 too large"),
        (".", Act::say("451 4.3.0 not now"), "later: 451 4.3.0 not now"),
        (".", Act::say("554 5.6.0 no"), "refused: 554 5.6.0 no"),
        (".", Act::SayAndClose("421 4.3.2 bye".into()), "later: 421 4.3.2 bye"),
        (".", Act::Close, "later: the connection ended at the final dot"),
        (".", Act::Silence, "later: no answer in time at the final dot"),
        (".", Act::say("354 what"), "later: 354 what"),
        ("EHLO", Act::say("421 4.3.2 bye"), "later: 421 4.3.2 bye"),
        ("EHLO", Act::Close, "later: the connection ended at EHLO"),
        ("greeting", Act::say("554 5.7.1 your address is blocked"), "later: 554 5.7.1 your address is blocked"),
        ("greeting", Act::say("421 4.3.2 busy"), "later: 421 4.3.2 busy"),
        ("greeting", Act::Close, "later: the connection ended at the greeting"),
        ("greeting", Act::Silence, "later: no answer in time at the greeting"),
        ("greeting", Act::Drip("220-slow\r\n".into()), "later: no answer in time at the greeting"),
        ("greeting", Act::Endless("220-more\r\n".into()), "later: no proper reply at the greeting: it is too long"),
        ("greeting", Act::Endless("x".into()), "later: no proper reply at the greeting"),
        ("MAIL", Act::Endless("250-more and more of it\r\n".into()), "later: no proper reply at MAIL: it is too long"),
        ("RCPT", Act::Drip("2".into()), "later: no answer in time at RCPT"),
        (".", Act::Endless("250".into()), "later: no proper reply at the final dot: it is too long"),
        (".", Act::say("hello"), "later: no proper reply at the final dot"),
        ("MAIL", Act::say("250-a\r\n550 b"), "later: no proper reply at MAIL: its lines have different codes"),
    ];
    for offers in [&["PIPELINING"][..], &[]] {
        for (step, act, wanted) in &cases {
            let sink = Sink::start(Script::at(step, act.clone()).offering(offers)).await;
            let fates = told(&carry(&mut courier(&sink), &small(&["you@example.com"])).await);
            let what = format!("{step} {act:?} {offers:?}: {fates:?}");
            // A peer that hangs up may be found out while writing or while reading.
            let closed = wanted.contains("ended") && fates[0].starts_with("later: the connection ended");
            assert!(fates[0].starts_with(wanted) || closed, "{what}");
            assert_eq!(sink.received().len(), 0, "{what}");
        }
    }
}

#[tokio::test]
async fn recipients_have_answers_of_their_own() {
    let script = |offers: &[&str]| {
        Script::on(|turn| match turn.line.as_str() {
            line if line.contains("bad@") => Some(Act::say("550 5.1.1 unknown")),
            line if line.contains("busy@") => Some(Act::say("450 4.2.1 busy")),
            _ => None,
        })
        .offering(offers)
    };
    for offers in [&["PIPELINING"][..], &[]] {
        let sink = Sink::start(script(offers)).await;
        let mut courier = courier(&sink);
        let recipients = ["bad@x.example", "one@x.example", "busy@x.example", "two@x.example"];
        let fates = told(&carry(&mut courier, &small(&recipients)).await);
        let wanted = ["refused: 550 5.1.1 unknown", "sent: 250 2.0.0 taken", "later: 450 4.2.1 busy", "sent: 250 2.0.0 taken"];
        assert_eq!(fates, wanted);
        // With nobody to receive, no content goes, and the connection is good for more.
        let fates = told(&carry(&mut courier, &small(&["bad@x.example", "bad@y.example"])).await);
        assert_eq!(fates, ["refused: 550 5.1.1 unknown"; 2]);
        let fates = told(&carry(&mut courier, &small(&["one@x.example"])).await);
        assert_eq!(fates, ["sent: 250 2.0.0 taken"]);
        assert_eq!((sink.received().len(), sink.connections(), sink.said("RSET")), (2, 1, 1));
    }
}

#[tokio::test]
async fn content_asked_for_by_nobody_is_a_lone_dot() {
    let script = Script::on(|turn| match turn.verb().as_str() {
        "RCPT" if turn.line.contains("bad@") => Some(Act::say("550 5.1.1 unknown")),
        "DATA" if turn.nth == 0 => Some(Act::say("354 go on")),
        _ => None,
    });
    let sink = Sink::start(script).await;
    let mut courier = courier(&sink);
    assert_eq!(told(&carry(&mut courier, &small(&["bad@x.example"])).await), ["refused: 550 5.1.1 unknown"]);
    assert_eq!(told(&carry(&mut courier, &small(&["one@x.example"])).await), ["sent: 250 2.0.0 taken"]);
    let received = sink.received();
    assert_eq!(received[0].raw, b".\r\n", "{received:?}");
    assert_eq!((received.len(), sink.connections()), (2, 1));
}

#[tokio::test]
async fn recipients_beyond_a_hundred_or_beyond_the_peers_limit_go_in_another_transaction() {
    let many: Vec<String> = (0..230).map(|n| format!("u{n}@x.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let sink = Sink::willing().await;
    let fates = carry(&mut courier(&sink), &small(&many)).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Sent(_))));
    assert_eq!(sink.received().iter().map(|r| r.rcpt.len()).collect::<Vec<_>>(), [100, 100, 30]);

    // The first three of each transaction are taken.
    let taken = std::sync::atomic::AtomicUsize::new(0);
    let script = Script::on(move |turn| match turn.verb().as_str() {
        "MAIL" => {
            taken.store(0, std::sync::atomic::Ordering::SeqCst);
            None
        }
        "RCPT" if taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= 3 => Some(Act::say("452 4.5.3 too many")),
        _ => None,
    });
    let sink = Sink::start(script).await;
    let fates = carry(&mut courier(&sink), &small(&many[..8])).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Sent(_))), "{fates:?}");
    assert_eq!(sink.received().iter().map(|r| r.rcpt.len()).collect::<Vec<_>>(), [3, 3, 2]);
}

#[tokio::test]
async fn a_connection_gone_stale_is_replaced_and_nobody_notices() {
    let stale: Vec<Script> = vec![
        // Closed while idle; refused with 421 at the next MAIL; closed at the next MAIL.
        Script::on(|turn| (turn.verb() == "." && turn.connection == 0).then(|| Act::SayAndClose("250 2.0.0 taken".into()))),
        Script::on(|turn| (turn.verb() == "MAIL" && turn.nth == 1).then(|| Act::SayAndClose("421 4.7.0 enough".into()))),
        Script::on(|turn| (turn.verb() == "MAIL" && turn.nth == 1).then_some(Act::Close)),
        // A second reply to the same dot: out of step, and not to be used again.
        Script::on(|turn| (turn.verb() == "." && turn.connection == 0).then(|| Act::say("250 2.0.0 taken\r\n250 2.0.0 taken"))),
    ];
    for (case, script) in stale.into_iter().enumerate() {
        let sink = Sink::start(script).await;
        let mut courier = courier(&sink);
        for _ in 0..2 {
            let fates = told(&carry(&mut courier, &small(&["you@example.com"])).await);
            assert_eq!(fates, ["sent: 250 2.0.0 taken"], "case {case}");
        }
        assert_eq!((sink.received().len(), sink.connections()), (2, 2), "case {case}");
    }
}

#[tokio::test]
async fn helo_serves_where_ehlo_is_unknown() {
    let sink = Sink::start(Script::at("EHLO", Act::say("502 5.5.1 what"))).await;
    assert_eq!(told(&carry(&mut courier(&sink), &small(&["you@example.com"])).await), ["sent: 250 2.0.0 taken"]);
    assert_eq!(sink.received()[0].mail, "MAIL FROM:<a@example.test>");
    assert_eq!(sink.said("HELO CLIENT.EXAMPLE"), 1);
}

#[tokio::test]
async fn quit_is_said_at_the_end() {
    let sink = Sink::willing().await;
    let mut courier = courier(&sink);
    carry(&mut courier, &small(&["you@example.com"])).await;
    courier.retire().await;
    assert_eq!(sink.said("QUIT"), 1);
}

#[tokio::test]
async fn a_dead_host_is_not_tried_for_each_message() {
    let sink = Sink::willing().await;
    let config = config(&sink);
    drop(sink);
    let mut courier = courier_with(&config);
    for _ in 0..3 {
        let fates = told(&carry(&mut courier, &small(&["you@example.com"])).await);
        assert!(fates[0].starts_with("later: no connection to 127.0.0.1:"), "{fates:?}");
    }
}

mod tls {
    use super::*;
    use std::path::PathBuf;

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
        for (offer, wanted) in
            [("AUTH LOGIN PLAIN", "sent"), ("AUTH LOGIN", "sent"), ("AUTH CRAM-MD5", "later: the next hop offers")]
        {
            let sink = Sink::start(Script::on(login).offering(&[offer])).await;
            let fates = told(&carry(&mut courier_with(&with_login(&sink, RelayTls::None)), &small(&["you@example.com"])).await);
            assert!(fates[0].starts_with(wanted), "{offer}: {fates:?}");
        }
        let sink = Sink::start(Script::at("AUTH", Act::say("535 5.7.8 no")).offering(&["AUTH PLAIN"])).await;
        let fates = told(&carry(&mut courier_with(&with_login(&sink, RelayTls::None)), &small(&["you@example.com"])).await);
        assert_eq!(fates, ["later: 535 5.7.8 no"], "a login that is refused is a fault of ours");
    }
}

/// A sink that shuts the gate when it hears `verb` for the first time.
async fn shutting(verb: &'static str) -> (Sink, Arc<Gate>) {
    let gate = Arc::new(open_gate());
    let shut = gate.clone();
    let script = Script::on(move |turn| {
        if turn.verb() == verb {
            shut.end();
        }
        None
    });
    (Sink::start(script).await, gate)
}

#[tokio::test]
async fn nothing_is_sent_over_a_connection_that_came_too_late() {
    let (sink, gate) = shutting("EHLO").await;
    let fates = carry_by(&mut courier(&sink), &small(&["a@x.example", "b@x.example"]), &gate).await;
    assert_eq!(fates, [Fate::Released, Fate::Released]);
    assert_eq!((sink.connections(), sink.said("MAIL")), (1, 0));
}

#[tokio::test]
async fn each_transaction_asks_whether_it_may_begin() {
    let (sink, gate) = shutting("DATA").await;
    let addresses: Vec<String> = (0..250).map(|n| format!("r{n}@x.example")).collect();
    let recipients: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let fates = carry_by(&mut courier(&sink), &small(&recipients), &gate).await;
    assert!(fates[..100].iter().all(|fate| matches!(fate, Fate::Sent(_))));
    assert!(fates[100..].iter().all(|fate| *fate == Fate::Released));
    assert_eq!(sink.received().len(), 1);
}
