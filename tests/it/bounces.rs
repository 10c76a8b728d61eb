//! What mail systems really say, against the rules that sort it (`corpus/replies.tsv` knows nothing of them), and what it does to the next
//! submission.

use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Route;
use posthouse::delivery::Engine;
use posthouse::delivery::bounce::classify;
use posthouse::delivery::client::reply::ServerReply;
use posthouse::id::Id;
use posthouse::mime::report::delivery::{Action, DeliveryReport};
use posthouse::model::bounce::BounceClass;
use posthouse::model::outcome::{RecipientState, Reply};
use posthouse::store::suppressions;

use crate::support::door::House;
use crate::support::sink::{Act, Script, Sink, Turn};
use crate::support::{IN_TIME, nouns};

const REPLIES: &str = include_str!("../corpus/replies.tsv");

/// `550-5.1.1 one\n550 5.1.1 two`, as it comes over the wire.
fn spoken(lines: &str) -> Reply {
    let text: Vec<&str> = lines.split('\n').map(|line| line.get(4..).expect("a code and a text")).collect();
    ServerReply { code: lines[..3].parse().expect("a code"), text: text.join("\n") }.to_model()
}

/// What a DSN with these fields of its one recipient tells.
fn reported(fields: &str) -> Reply {
    let report = DeliveryReport::read(fields.replace('\n', "\r\n").as_bytes()).expect("a report");
    let [recipient] = &report.recipients[..] else { panic!("not one recipient: {fields}") };
    assert_eq!((recipient.final_recipient.as_str(), recipient.action), ("someone@example.com", Action::Failed), "{fields}");
    recipient.reply.clone()
}

#[test]
fn replies_of_the_world_mean_what_they_say() {
    let (mut wrong, mut judged, mut suppressing) = (Vec::new(), 0, 0);
    for line in REPLIES.lines().filter(|line| !line.starts_with('#')) {
        let [who, kind, class, words] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("not four columns: {line}") };
        let words = words.replace("\\n", "\n");
        let reply = match kind {
            "reply" => spoken(&words),
            "dsn" => reported(&words),
            other => panic!("{other}: {line}"),
        };
        let expected = BounceClass::ALL.into_iter().find(|known| known.as_str() == class).expect(line);
        let told = classify(&reply);
        if told != expected || told.suppresses() != ["bad_mailbox", "bad_domain"].contains(&class) {
            wrong.push(format!("{who}: {told:?}, not {class}: {}", reply.line()));
        }
        judged += 1;
        suppressing += usize::from(told.suppresses());
    }
    assert!(wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(judged >= 60 && suppressing >= 20 && judged - suppressing >= 40, "{judged}, {suppressing} of them suppressing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounce_in_the_dialogue_is_the_next_submissions_verdict_at_the_dot() {
    let replies = |turn: &Turn| match turn.line.to_ascii_lowercase() {
        line if line.starts_with("rcpt to:<gone@") => {
            Some(Act::say("550 5.1.1 <gone@example.test>: Recipient address rejected: User unknown"))
        }
        line if line.starts_with("rcpt to:<blocked@") => {
            Some(Act::say("550 5.7.1 Service unavailable; client [192.0.2.1] blocked using bl.test"))
        }
        line if line.starts_with("rcpt to:<odd@") => Some(Act::say("550 5.1.1 odd house rule")),
        _ => None,
    };
    let sink = Sink::start(Script::on(replies)).await;
    let house = House::with(|config| {
        config.delivery.route = Route::Relay;
        config.delivery.relay.host = sink.address.ip().to_string();
        config.delivery.relay.port = sink.address.port();
        config.require_verified_domain = posthouse::config::AutoBool::Set(false);
        config.delivery.bounce = vec![posthouse::config::BounceRule {
            class: BounceClass::Policy,
            code: vec![],
            status: vec!["5.1.1".to_owned()],
            text: vec!["odd house rule".to_owned()],
        }];
    })
    .await;
    let engine = Engine::new(house.store.clone(), &house.config, &[], Clock::System).unwrap();
    house.shutdown.spawn(engine.run(house.shutdown.clone()));
    let door = house.door();
    let mut client = house.converse(&door);
    client.reply().await;
    client.login(&house.secret).await;
    let mut submit = async |to: &str| {
        client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
        client.expect(&format!("RCPT TO:<{to}>"), "250 ").await;
        client.expect("DATA", "354 ").await;
        client.say(&format!("From: sender@example.test\r\nTo: {to}\r\nSubject: hello\r\n\r\nText.\r\n.")).await
    };
    for (to, verdict) in
        [("gone@example.test", "550 5.7.1 recipient_suppressed"), ("blocked@example.test", "250 "), ("odd@example.test", "250 ")]
    {
        let first = submit(to).await;
        let id: Id = first.rsplit(' ').next().unwrap().parse().expect(&first);
        let bounced = async || {
            let listed = house.store.message(None, id).await.unwrap().unwrap();
            listed.recipients[0].state == RecipientState::Bounced
        };
        let deadline = std::time::Instant::now() + IN_TIME;
        while !bounced().await {
            assert!(std::time::Instant::now() < deadline, "{to} does not bounce");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let again = submit(to).await;
        assert!(again.starts_with(verdict), "{to}: {again}");
    }
    let suppressed = house.store.suppressions(house.team, &suppressions::Filter::default(), "", 0, 10).await.unwrap();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(
        suppressed[0].evidence.as_deref(),
        Some("550 5.1.1 <gone@example.test>: Recipient address rejected: User unknown")
    );
    house.shutdown.begin();
    house.shutdown.finished(IN_TIME).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_acted_out_suppresses_nobody() {
    let house = House::new().await;
    let engine = Engine::new(house.store.clone(), &house.config, &[], Clock::System).unwrap();
    house.shutdown.spawn(engine.run(house.shutdown.clone()));
    let acceptance = nouns::acceptance(house.team, &["bounced@sandbox.test"]);
    let id = acceptance.message.id;
    house.store.accept(acceptance).await.unwrap();
    let deadline = std::time::Instant::now() + IN_TIME;
    while house.store.message(None, id).await.unwrap().unwrap().recipients[0].state != RecipientState::Bounced {
        assert!(std::time::Instant::now() < deadline, "it does not bounce");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let detail = &house.store.events(id).await.unwrap()[0].detail;
    assert_eq!((&detail["class"], &detail["bounce_type"]), (&"bad_mailbox".into(), &"hard".into()));
    assert_eq!(house.store.suppressions(house.team, &suppressions::Filter::default(), "", 0, 10).await.unwrap(), []);
    house.shutdown.begin();
    house.shutdown.finished(IN_TIME).await;
}
