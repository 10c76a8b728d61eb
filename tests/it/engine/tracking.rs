//! What leaves with links of ours in it: whose copy each is, and that all else stays.

use std::sync::Arc;

use posthouse::clock::Timestamp;
use posthouse::domains::gateway::Gateway;
use posthouse::domains::keys;
use posthouse::domains::records::records;
use posthouse::model::domain::{DomainStatus, Look};
use posthouse::model::message::{Message, Tracking};
use posthouse::model::stream::Stream;
use posthouse::store::secrets::LINKS;
use posthouse::tracking::token::{Purpose, Seal, Token};

use super::*;
use crate::support::dkim::verify;
use crate::support::sink::{Received, Script};
use crate::support::stores::on_every_engine;

const MAIL: &str = "From: a@example.test\r\nTo: list@example.test\r\nSubject: hi\r\nContent-Type: text/html; charset=utf-8\r\n\
                    Content-Transfer-Encoding: 8bit\r\n\r\n<body><p>gr\u{fc}\u{df}e</p><a href=\"https://a.test/?b=1&amp;c=2\">x</a></body>\r\n";

/// Everything that arrives of a message that is changed in this.
async fn sent(store: &Store, sink: &Sink, team: Id, to: &[&str], change: impl FnOnce(&mut Message)) -> (Id, Vec<Received>) {
    let before = sink.received().len();
    let mut acceptance = nouns::acceptance(team, to);
    acceptance.body = Body::free(MAIL.as_bytes().to_vec());
    let message = Arc::make_mut(&mut acceptance.message);
    message.size = MAIL.len() as u64;
    change(message);
    let id = accept(store, acceptance).await;
    until_all(store, &[id], RecipientState::Sent).await;
    (id, sink.received().split_off(before))
}

fn broadcast(message: &mut Message) {
    message.stream = Stream::Broadcast;
}

/// What the links below this page say.
fn tokens(seal: &Seal, content: &str, page: &str) -> Vec<Token> {
    let below = format!("https://mail.house.test{page}/");
    let texts = content.split(&below).skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    texts.map(|text| seal.read(text).expect("a token of ours")).collect()
}

#[test]
fn each_recipient_of_broadcast_has_a_copy_of_its_own() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let team = team(store).await;
        let domain = keys::trust(store, team, "example.test", book.clock.now()).await.unwrap();
        let seal = Seal::new(&store.secret(LINKS).await.unwrap()).at("mail.house.test");
        let engine = Running::start(store, &config(&sink), &book.clock);
        let (id, received) = sent(store, &sink, team, &["one@dest.test", "two@dest.test", "three@dest.test"], broadcast).await;
        assert_eq!(received.len(), 3, "a transaction each");
        let published = records(&domain, &store.dkim_keys(domain.id).await.unwrap(), &Gateway::default());
        for (place, to) in ["one", "two", "three"].into_iter().enumerate() {
            let got = received.iter().find(|got| got.rcpt == [format!("RCPT TO:<{to}@dest.test>")]).expect("a copy of its own");
            let txt = |name: &str| published.iter().find(|record| record.name == name).map(|record| record.value.clone());
            assert!(verify(&got.content, txt).into_iter().all(|verdict| verdict.is_ok()), "signed as it leaves");
            let content = String::from_utf8(got.content.clone()).unwrap();
            let place = i64::try_from(place).unwrap();
            let click = Token::new(Purpose::Click("https://a.test/?b=1&c=2".to_owned()), id, place);
            assert_eq!(tokens(&seal, &content, "/t/c"), [click]);
            assert_eq!(tokens(&seal, &content, "/t/o"), [Token::new(Purpose::Open, id, place)]);
            assert!(
                content.contains("<p>gr\u{fc}\u{df}e</p>") && content.contains("\r\nTo: list@example.test\r\nSubject: hi\r\n")
            );
        }
        assert_eq!(&*store.body(None, id).await.unwrap().unwrap(), MAIL.as_bytes(), "what was accepted stays as it was");
        engine.stop().await;
    });
}

#[test]
fn a_domain_whose_name_leads_here_has_links_of_its_own() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let team = team(store).await;
        store.trust_domain(team, "example.test").await.unwrap();
        let known = store.domain(team, "example.test").await.unwrap().unwrap();
        let (next_look_at, seen) = (Timestamp(i64::MAX), Vec::new());
        let status = DomainStatus::Verified;
        let look = Look { status, misses: 0, missing_since: None, return_path: false, tracking: true, next_look_at, seen };
        assert!(store.write_look(&known, &look).await.unwrap());
        let engine = Running::start(store, &config(&sink), &book.clock);
        for (from, host) in [("a@news.example.test", "track.example.test"), ("a@elsewhere.test", "mail.house.test")] {
            let from = |message: &mut Message| message.from = from.to_owned();
            let (_, received) = sent(store, &sink, team, &["one@dest.test"], |message| {
                broadcast(message);
                from(message);
            })
            .await;
            let content = String::from_utf8(received[0].content.clone()).unwrap();
            for page in ["/t/c/", "/t/o/"] {
                assert_eq!(content.matches(&format!("https://{host}{page}")).count(), 1, "{content}");
            }
        }
        engine.stop().await;
    });
}

#[test]
fn where_nobody_said_where_links_lead_mail_has_none() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let team = team(store).await;
        let default = Config::defaults().public_url;
        for (public_url, has_links) in [(format!("{default}/"), true), (default, false)] {
            let config = Config { public_url, ..config(&sink) };
            let engine = Running::start(store, &config, &book.clock);
            let (_, received) = sent(store, &sink, team, &["one@dest.test"], broadcast).await;
            let content = String::from_utf8(received[0].content.clone()).unwrap();
            for part in
                ["\"http://127.0.0.1:8025/t/c/", "\"http://127.0.0.1:8025/t/o/", "List-Unsubscribe: <http://127.0.0.1:8025/u/"]
            {
                assert_eq!(content.contains(part), has_links, "{part}: {content}");
            }
            assert_eq!(content.contains("127.0.0.1:8025"), has_links, "{content}");
            engine.stop().await;
        }
    });
}

#[test]
fn what_nobody_tracks_leaves_as_it_came_and_together() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::start(Script::default()).await);
        let (team, to) = (team(store).await, ["one@dest.test", "two@dest.test"]);
        let engine = Running::start(store, &config(&sink), &book.clock);
        let (_, received) = sent(store, &sink, team, &to, |_| {}).await;
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].content, MAIL.as_bytes());
        let off = |message: &mut Message| message.tracking = Tracking { opens: Some(false), clicks: Some(false) };
        let (_, received) = sent(store, &sink, team, &to, |message| {
            broadcast(message);
            off(message);
        })
        .await;
        assert!(received.iter().all(|got| !String::from_utf8_lossy(&got.content).contains("/t/")));
        let on = |message: &mut Message| message.tracking = Tracking { opens: None, clicks: Some(true) };
        let (_, received) = sent(store, &sink, team, &to, on).await;
        assert_eq!(received.len(), 2);
        for got in received {
            let content = String::from_utf8(got.content).unwrap();
            assert_eq!((content.matches("/t/c/").count(), content.matches("/t/o/").count()), (1, 0));
        }
        engine.stop().await;
    });
}

#[test]
fn what_fits_only_without_links_of_ours_goes_without_them() {
    on_every_engine(async |book| {
        let limit = format!("SIZE {}", MAIL.len() + 100);
        let (store, sink) = (&book.store, Sink::start(Script::default().offering(&["8BITMIME", "SMTPUTF8", &limit])).await);
        let team = team(store).await;
        let engine = Running::start(store, &config(&sink), &book.clock);
        let on = |message: &mut Message| message.tracking = Tracking { opens: Some(true), clicks: Some(true) };
        let (_, received) = sent(store, &sink, team, &["one@dest.test"], on).await;
        assert_eq!(received[0].content, MAIL.as_bytes());
        engine.stop().await;
    });
}
