//! What comes back: reports at the inbound listener, and what they do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use posthouse::config::Config;
use posthouse::config::units::ByteSize;
use posthouse::delivery::bounce::classify;
use posthouse::door::inbound::connection::Patience;
use posthouse::door::inbound::{Inbound, listener};
use posthouse::id::Id;
use posthouse::model::event::{Event, EventKind};
use posthouse::model::outcome::{Outcome, RecipientState, Reply};
use posthouse::model::suppression::Suppression;
use posthouse::shutdown::Shutdown;
use posthouse::store::Store;
use posthouse::store::claim::Lane;
use posthouse::store::secrets::RETURN_ADDRESSES;
use posthouse::store::settle::{Settled, Settlement};
use posthouse::store::suppressions;
use posthouse::wire::token::Seal;
use tokio::net::{TcpListener, TcpStream};

use crate::support::IN_TIME;
use crate::support::door::House;
use crate::support::nouns;
use crate::support::smtp::Client;
use crate::support::stores::on_every_engine;

/// Where loops send complaints.
pub const ABUSE: &str = "abuse@example.test";

fn config() -> Config {
    let mut config = Config::defaults();
    config.smtp.hostname = "mx.example.test".to_owned();
    config.inbound.abuse = vec![ABUSE.to_owned()];
    config
}

/// An inbound listener over a store.
pub struct Desk {
    store: Store,
    team: Id,
    seal: Seal,
    pub address: SocketAddr,
    pub shutdown: Shutdown,
}

impl Desk {
    pub async fn open(store: &Store) -> Self {
        Self::with(store, |inbound| inbound).await
    }

    /// One whose listener is changed in this.
    pub async fn with(store: &Store, change: impl FnOnce(Inbound) -> Inbound) -> Self {
        Self::by(&config(), store, change).await
    }

    async fn by(config: &Config, store: &Store, change: impl FnOnce(Inbound) -> Inbound) -> Self {
        let team = store.create_team("returns").await.unwrap().id;
        let inbound = change(Inbound::open(config, store.clone(), Arc::new(classify)).await.unwrap());
        let seal = Seal::new(&store.secret(RETURN_ADDRESSES).await.unwrap());
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, shutdown) = (socket.local_addr().unwrap(), Shutdown::default());
        tokio::spawn(listener::run(socket, inbound, shutdown.clone()));
        Self { store: store.clone(), team, seal, address, shutdown }
    }

    /// A message to these recipients that is on its way: claimed, with no outcome yet.
    async fn claimed(&self, recipients: &[&str]) -> Settlement {
        let acceptance = nouns::acceptance(self.team, recipients);
        let message = acceptance.message.id;
        self.store.accept(acceptance).await.unwrap();
        let epoch = self.store.open_epoch("returns").await.unwrap();
        let claims = self.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        let claim = claims.into_iter().find(|claim| claim.message.id == message).expect("the claim");
        let outcome = Outcome::Sent(Reply::new(250, None, "taken"));
        let sent =
            |r: &posthouse::model::message::Recipient| Settled { index: r.index, attempt: r.attempts, outcome: outcome.clone() };
        let outcomes = claim.recipients.iter().map(sent).collect();
        Settlement { epoch, team: self.team, message, lone: None, hop: None, outcomes, notices: vec![] }
    }

    /// A message that a relay has taken.
    async fn sent(&self, recipients: &[&str]) -> Id {
        let settlement = self.claimed(recipients).await;
        let message = settlement.message;
        assert_eq!(self.store.settle(settlement).await, Ok(0));
        message
    }

    /// Of the recipient at this place, or of all in `example.test`.
    fn address_of(&self, message: Id, recipient: Option<i64>) -> String {
        let token = match recipient {
            Some(place) => self.seal.of_recipient(message, place).expect("a place"),
            None => self.seal.of_domain(message, "example.test"),
        };
        format!("{}@return.example.test", self.seal.local_part(token))
    }

    async fn client(&self) -> Client<TcpStream> {
        let mut client = Client::greeted(self.address).await;
        client.expect("EHLO mx.far.test", "250-").await;
        client
    }

    /// Hands in a report that encloses nothing; the reply to its dot.
    async fn report(&self, to: &str, machine: &str, kind: &str) -> String {
        self.enclosing(to, machine, kind, "").await
    }

    /// Hands in a report that encloses a message; the reply to its dot.
    async fn enclosing(&self, to: &str, machine: &str, kind: &str, message: &str) -> String {
        let mut client = self.client().await;
        client.expect("MAIL FROM:<>", "250 ").await;
        client.expect(&format!("RCPT TO:<{to}>"), "250 ").await;
        client.expect("DATA", "354 ").await;
        let text = format!(
            "From: MAILER-DAEMON@far.test\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n--b\n\nSorry.\n\n--b\n\
             Content-Type: {kind}\n\n{machine}\n--b\nContent-Type: message/rfc822\n\n{message}\n--b--\n."
        );
        client.say(&text.replace('\n', "\r\n")).await
    }

    pub async fn delivery(&self, to: &str, fields: &str) -> String {
        self.report(to, &format!("Reporting-MTA: dns; mx.far.test\n\n{fields}\n"), "message/delivery-status").await
    }

    /// A reader's complaint, with fields besides those that all have, about a message that is enclosed.
    pub async fn complaint(&self, to: &str, fields: &str, message: &str) -> String {
        let machine = format!("Feedback-Type: abuse\nUser-Agent: Loop/1\nVersion: 1\n{fields}");
        self.enclosing(to, &machine, "message/feedback-report", message).await
    }

    async fn states(&self, id: Id) -> Vec<RecipientState> {
        self.store.message(None, id).await.unwrap().unwrap().recipients.into_iter().map(|r| r.state).collect()
    }

    /// Events but the one of being sent.
    async fn news(&self, id: Id) -> Vec<Event> {
        let events = self.store.events(id).await.unwrap();
        events.into_iter().filter(|event| event.kind != EventKind::Sent).collect()
    }

    /// The addresses that are suppressed after a complaint.
    pub async fn complained(&self) -> Vec<String> {
        self.suppressions().await.into_iter().filter(|s| s.reason == "complaint").map(|s| s.address).collect()
    }

    async fn suppressions(&self) -> Vec<Suppression> {
        self.store.suppressions(self.team, &suppressions::Filter::default(), "", 0, 100).await.unwrap()
    }
}

pub const GONE: &str =
    "Final-Recipient: rfc822; B@Example.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user";

#[test]
fn a_bounce_that_comes_later_ends_the_recipient_and_suppresses_its_address_once() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test"]).await;
        let to = desk.address_of(id, None).to_uppercase();
        for _ in 0..2 {
            assert!(
                desk.delivery(&to, GONE).await.starts_with("250 2.0.0 "),
                "a report that is repeated is taken, and changes nothing"
            );
        }
        assert_eq!(desk.states(id).await, [RecipientState::Sent, RecipientState::Bounced]);
        let [event] = &desk.news(id).await[..] else { panic!("not one event") };
        assert_eq!((event.kind, event.recipient), (EventKind::Bounced, Some(1)));
        assert_eq!((&event.detail["class"], &event.detail["bounce_type"]), (&"bad_mailbox".into(), &"hard".into()));
        assert_eq!(event.detail["reply"], "550 5.1.1 no such user");
        assert_eq!(event.detail["reported_by"], "mx.far.test");
        let [suppression] = &desk.suppressions().await[..] else { panic!("not one suppression") };
        assert_eq!((suppression.address.as_str(), suppression.reason.as_str()), ("b@example.test", "bounce"));
        assert_eq!((suppression.message, suppression.evidence.as_deref()), (Some(id), Some("550 5.1.1 no such user")));
        desk.shutdown.begin();
    });
}

#[test]
fn what_is_said_of_us_suppresses_nobody_and_delivery_is_believed() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test"]).await;
        let to = desk.address_of(id, None);
        let both = "Final-Recipient: rfc822;a@example.test\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 blocked using bl.test\n\n\
                    Final-Recipient: rfc822;forwarded@far.test\nOriginal-Recipient: rfc822;b@example.test\nAction: delivered\nStatus: 2.1.5";
        assert!(desk.delivery(&to, both).await.starts_with("250 "));
        assert_eq!(desk.states(id).await, [RecipientState::Bounced, RecipientState::Delivered]);
        assert_eq!(desk.suppressions().await, []);
        // A bounce may follow a delivery, but not the other way round.
        let late = "Final-Recipient: rfc822;b@example.test\nAction: failed\nStatus: 5.2.2\n\nFinal-Recipient: rfc822;a@example.test\nAction: delivered";
        assert!(desk.delivery(&to, late).await.starts_with("250 "));
        assert_eq!(desk.states(id).await, [RecipientState::Bounced, RecipientState::Bounced]);
        let mut told: Vec<_> = desk.news(id).await.into_iter().map(|event| (event.recipient, event.kind.as_str())).collect();
        told.sort_unstable();
        assert_eq!(told, [(Some(0), "bounced"), (Some(1), "bounced"), (Some(1), "delivered")]);
        desk.shutdown.begin();
    });
}

#[test]
fn a_report_that_overtakes_the_settle_is_asked_to_come_again() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let settlement = desk.claimed(&["b@example.test"]).await;
        let id = settlement.message;
        let to = desk.address_of(id, Some(0));
        assert!(desk.delivery(&to, GONE).await.starts_with("451 4.3.0 "));
        assert_eq!(desk.states(id).await, [RecipientState::Queued]);
        assert_eq!(desk.store.settle(settlement).await, Ok(0));
        assert!(desk.delivery(&to, GONE).await.starts_with("250 "));
        assert_eq!(desk.states(id).await, [RecipientState::Bounced]);
        desk.shutdown.begin();
    });
}

#[test]
fn what_the_sender_is_told_is_accepted_with_the_outcome_or_not_at_all() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let mut settlement = desk.claimed(&["a@example.test", "b@example.test"]).await;
        let notice = nouns::acceptance(desk.team, &["sender@example.test"]);
        let told = notice.message.id;
        settlement.notices.push((1, notice));
        let fenced = Settlement { epoch: settlement.epoch + 1, ..settlement.clone() };
        assert_eq!(desk.store.settle(fenced).await, Ok(2));
        assert!(desk.store.message(None, told).await.unwrap().is_none());
        assert_eq!(desk.store.settle(settlement.clone()).await, Ok(0));
        assert_eq!(desk.states(told).await, [RecipientState::Queued]);
        assert_eq!(desk.store.queued(desk.team).await, Ok(1));
        assert_eq!(desk.store.settle(settlement).await, Ok(2), "a second time it is fenced, and nothing is told twice");
        let claims = desk.store.claim(desk.store.open_epoch("next").await.unwrap(), Lane::FreshTransactional, 10).await.unwrap();
        assert_eq!(claims.iter().map(|claim| claim.message.id).collect::<Vec<_>>(), [told]);
        desk.shutdown.begin();
    });
}

#[test]
fn a_complaint_suppresses_who_complained() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test"]).await;
        // Nobody is named, and several could be meant.
        let all = desk.address_of(id, None);
        assert!(desk.complaint(&all, "", "").await.starts_with("250 "));
        assert_eq!(desk.news(id).await, []);
        let one = desk.address_of(id, Some(0));
        for _ in 0..2 {
            assert!(desk.complaint(&one, "", "").await.starts_with("250 "));
        }
        assert!(desk.complaint(&all, "Original-Rcpt-To: <b@example.test>\n", "").await.starts_with("250 "));
        let told: Vec<_> = desk.news(id).await.into_iter().map(|event| (event.kind, event.recipient)).collect();
        assert_eq!(told, [(EventKind::Complained, Some(0)), (EventKind::Complained, Some(1))]);
        assert_eq!(desk.complained().await, ["a@example.test", "b@example.test"]);
        desk.shutdown.begin();
    });
}

#[test]
fn a_complaint_at_the_abuse_address_is_about_the_message_whose_reverse_path_it_quotes() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test", "c@example.test"]).await;
        let [one, two] = [Some(0), Some(1)].map(|place| desk.address_of(id, place));
        let forged = two.replacen("+0", "+1", 1);
        let told_by = |path: &str| format!("Original-Mail-From: <{path}>\n");
        let returned = |path: &str| format!("Return-Path: <{path}>\nFrom: <us@example.test>\n\nHello.");
        for (fields, message) in [
            (String::new(), String::new()),
            (told_by(&forged), returned("us@example.test")),
            ("Original-Rcpt-To: <a@example.test>\n".to_owned(), returned(&forged)),
            (String::new(), format!("Subject: x\n\nReturn-Path: <{one}>\n")),
        ] {
            assert!(desk.complaint(ABUSE, &fields, &message).await.starts_with("250 "));
        }
        assert!(desk.delivery(ABUSE, &format!("{}{GONE}", told_by(&two))).await.starts_with("250 "));
        assert_eq!((desk.news(id).await, desk.complained().await), (vec![], vec![]), "what quotes nothing of ours");
        assert_eq!(desk.states(id).await, [RecipientState::Sent; 3]);

        assert!(desk.complaint("Abuse@EXAMPLE.test", &told_by(&one), "").await.starts_with("250 "));
        assert_eq!(desk.complained().await, ["a@example.test"]);
        assert!(desk.complaint(ABUSE, &told_by("us@example.test"), &returned(&two)).await.starts_with("250 "));
        let told: Vec<_> = desk.news(id).await.into_iter().map(|event| (event.kind, event.recipient)).collect();
        assert_eq!(told, [(EventKind::Complained, Some(0)), (EventKind::Complained, Some(1))]);
        desk.shutdown.begin();
    });
}

#[test]
fn who_shares_a_transaction_speaks_for_nobody_elsewhere() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["x@evil.test", "y@evil.test", "boss@bank.test"]).await;
        let theirs = format!("{}@return.example.test", desk.seal.local_part(desk.seal.of_domain(id, "evil.test")));
        let gone = GONE.replace("B@Example.test", "boss@bank.test");
        assert!(desk.delivery(&theirs, &gone).await.starts_with("250 "));
        assert!(desk.complaint(&theirs, "Original-Rcpt-To: <boss@bank.test>\n", "").await.starts_with("250 "));
        assert_eq!((desk.news(id).await, desk.suppressions().await), (vec![], vec![]));
        assert!(desk.delivery(&theirs, &GONE.replace("B@Example.test", "Y@evil.test")).await.starts_with("250 "));
        assert_eq!(desk.states(id).await, [RecipientState::Sent, RecipientState::Bounced, RecipientState::Sent]);
        desk.shutdown.begin();
    });
}

#[test]
fn a_bounce_that_returns_a_large_message_whole_is_read() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test"]).await;
        let line = format!("{}\n", "x".repeat(99));
        let message = format!("Subject: large\n\n{}", line.repeat(5 * (1 << 20) / line.len()));
        let machine = format!("Reporting-MTA: dns; mx.far.test\n\n{GONE}\n");
        let reply = desk.enclosing(&desk.address_of(id, None), &machine, "message/delivery-status", &message).await;
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        assert_eq!(desk.states(id).await, [RecipientState::Sent, RecipientState::Bounced]);
        desk.shutdown.begin();
    });
}

#[test]
fn what_reports_nothing_of_ours_changes_nothing() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test"]).await;
        let (all, first) = (desk.address_of(id, None), desk.address_of(id, Some(0)));
        let stranger = GONE.replace("B@Example.test", "stranger@example.test");
        assert!(desk.delivery(&all, &stranger).await.starts_with("250 "), "not one of its recipients");
        assert!(desk.delivery(&first, GONE).await.starts_with("250 "), "the token is another recipient's");
        for silent in ["delayed", "relayed", "expanded"] {
            assert!(desk.delivery(&all, &GONE.replace("failed", silent)).await.starts_with("250 "));
        }
        assert!(desk.report(&all, "I am on holiday.\n", "text/plain").await.starts_with("250 "));
        let unknown = desk.address_of(Id([7; 16]), None);
        assert!(desk.delivery(&unknown, GONE).await.starts_with("250 "), "no longer kept");
        assert_eq!(desk.states(id).await, [RecipientState::Sent; 2]);
        assert_eq!((desk.news(id).await, desk.suppressions().await), (vec![], vec![]));
        desk.shutdown.begin();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_takes_only_our_addresses_and_only_so_much() {
    let house = House::new().await;
    let mut config = config();
    config.smtp.max_message_size = ByteSize(0);
    let desk = Desk::by(&config, &house.store, |inbound| inbound).await;
    let good = desk.address_of(Id([1; 16]), None);
    let mut client = Client::greeted(desk.address).await;
    assert!(client.say("EHLO mx.far.test").await.contains("250-SIZE 1048576\n"), "a report, and nothing that it returns");
    client.expect("RCPT TO:<x@y.test>", "503 5.5.1").await;
    client.expect("MAIL FROM:<anyone@far.test> SIZE=2000000", "552 5.3.4").await;
    client.expect("MAIL FROM:<anyone@far.test> SIZE=1000 BODY=8BITMIME", "250 2.1.0").await;
    let end = if good.contains("z@") { "y@" } else { "z@" };
    let at = good.find('@').unwrap();
    let forged = format!("{}{end}return.example.test", &good[..at - 1]);
    for stranger in
        ["postmaster", "postmaster@return.example.test", "abuse@return.example.test", "b+x@return.example.test", &forged]
    {
        client.expect(&format!("RCPT TO:<{stranger}>"), "550 5.1.1").await;
    }
    client.expect("DATA", "554 5.5.1").await;
    client.expect("AUTH PLAIN AGEAYg==", "502 5.5.1").await;
    client.expect(&format!("RCPT TO:<{good}>"), "250 2.1.5").await;
    client.expect("DATA", "354 ").await;
    client.send("x".repeat((1 << 20) - 2)).await;
    client.expect("\r\n.", "250 2.0.0").await;
    client.expect("RSET", "250 ").await;
    client.expect("NOOP", "250 ").await;
    client.expect("QUIT", "221 ").await;
    assert_eq!(client.rest().await, "");

    let mut endless = desk.client().await;
    endless.expect("MAIL FROM:<>", "250 ").await;
    endless.expect(&format!("RCPT TO:<{good}>"), "250 ").await;
    endless.expect("DATA", "354 ").await;
    endless.send("x".repeat((1 << 20) + 1)).await;
    assert!(endless.rest().await.starts_with("552 5.3.4 "), "what is longer than was said is not read to its end");

    let mut rude = desk.client().await;
    for _ in 0..20 {
        rude.expect("XYZZY", "500 ").await;
    }
    rude.send("XYZZY\r\n").await;
    assert!(rude.rest().await.ends_with("421 4.7.0 too many errors; closing\r\n"));

    let mut waiting = desk.client().await;
    desk.shutdown.begin();
    assert!(waiting.rest().await.starts_with("421 4.3.2 "), "closing says so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_names_no_address_of_ours_does_not_stay() {
    let house = House::new().await;
    let patience = Patience { stranger: Duration::from_secs(1), idle: IN_TIME * 2, whole: IN_TIME * 2 };
    let desk = Desk::with(&house.store, |inbound| inbound.with_patience(patience)).await;
    let mut stranger = Client::greeted(desk.address).await;
    let told = tokio::time::timeout(IN_TIME, stranger.rest()).await.expect("a stranger stays as long as anybody");
    assert!(told.starts_with("421 "), "{told}");
    desk.shutdown.begin();
}

#[test]
fn one_secret_is_made_however_many_ask_at_once() {
    on_every_engine(|book| async move {
        let stores = [book.again().await, book.again().await, book.store.clone()];
        let mut asking = tokio::task::JoinSet::new();
        for store in stores.iter().cycle().take(12) {
            let store = store.clone();
            asking.spawn(async move { store.secret("of the test").await.unwrap() });
        }
        let secrets = asking.join_all().await;
        assert!(secrets.iter().all(|secret| secret == &secrets[0] && secret.len() == 32));
        assert_ne!(secrets[0], book.store.secret("another").await.unwrap());
        stores[0].close().await;
        stores[1].close().await;
    });
}
