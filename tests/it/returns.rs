//! What comes back: reports at the inbound listener, and what they do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use posthouse::delivery::bounce::classify;
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
use posthouse::wire::token::{Purpose, Seal, Token};
use tokio::net::{TcpListener, TcpStream};

use crate::support::door::House;
use crate::support::nouns;
use crate::support::smtp::Client;
use crate::support::stores::on_every_engine;

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
        let team = store.create_team("returns").await.unwrap().id;
        let inbound = change(Inbound::open("mx.example.test", store.clone(), Arc::new(classify)).await.unwrap());
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

    fn address_of(&self, purpose: Purpose, message: Id, recipient: Option<u16>) -> String {
        format!("{}@return.example.test", self.seal.local_part(Token { purpose, message, recipient }))
    }

    async fn client(&self) -> Client<TcpStream> {
        let mut client = Client::greeted(self.address).await;
        client.expect("EHLO mx.far.test", "250-").await;
        client
    }

    /// Hands in a report; the reply to its dot.
    async fn report(&self, to: &str, machine: &str, kind: &str) -> String {
        let mut client = self.client().await;
        client.expect("MAIL FROM:<>", "250 ").await;
        client.expect(&format!("RCPT TO:<{to}>"), "250 ").await;
        client.expect("DATA", "354 ").await;
        let text = format!(
            "From: MAILER-DAEMON@far.test\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n--b\n\nSorry.\n\n--b\n\
             Content-Type: {kind}\n\n{machine}\n--b--\n."
        );
        client.say(&text.replace('\n', "\r\n")).await
    }

    pub async fn delivery(&self, to: &str, fields: &str) -> String {
        self.report(to, &format!("Reporting-MTA: dns; mx.far.test\n\n{fields}\n"), "message/delivery-status").await
    }

    async fn states(&self, id: Id) -> Vec<RecipientState> {
        self.store.message(None, id).await.unwrap().unwrap().recipients.into_iter().map(|r| r.state).collect()
    }

    /// Events but the one of being sent.
    async fn news(&self, id: Id) -> Vec<Event> {
        let events = self.store.events(id).await.unwrap();
        events.into_iter().filter(|event| event.kind != EventKind::Sent).collect()
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
        let to = desk.address_of(Purpose::Bounce, id, None).to_uppercase();
        for _ in 0..2 {
            assert!(
                desk.delivery(&to, GONE).await.starts_with("250 2.0.0 "),
                "a report that is repeated is taken, and changes nothing"
            );
        }
        assert_eq!(desk.states(id).await, [RecipientState::Sent, RecipientState::Bounced]);
        let [event] = &desk.news(id).await[..] else { panic!("not one event") };
        assert_eq!((event.kind, event.recipient), (EventKind::Bounced, Some(1)));
        assert_eq!(event.detail["class"], "bad_mailbox");
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
        let to = desk.address_of(Purpose::Bounce, id, None);
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
        let to = desk.address_of(Purpose::Bounce, id, Some(0));
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
        let abuse = "Feedback-Type: abuse\nUser-Agent: Loop/1\nVersion: 1\n";
        // Nobody is named, and several could be meant.
        let all = desk.address_of(Purpose::Complaint, id, None);
        assert!(desk.report(&all, abuse, "message/feedback-report").await.starts_with("250 "));
        assert_eq!(desk.news(id).await, []);
        let one = desk.address_of(Purpose::Complaint, id, Some(0));
        for _ in 0..2 {
            assert!(desk.report(&one, abuse, "message/feedback-report").await.starts_with("250 "));
        }
        let named = format!("{abuse}Original-Rcpt-To: <b@example.test>\n");
        assert!(desk.report(&all, &named, "message/feedback-report").await.starts_with("250 "));
        let told: Vec<_> = desk.news(id).await.into_iter().map(|event| (event.kind, event.recipient)).collect();
        assert_eq!(told, [(EventKind::Complained, Some(0)), (EventKind::Complained, Some(1))]);
        let suppressed: Vec<_> = desk.suppressions().await.into_iter().map(|s| (s.address, s.reason)).collect();
        let complaint = |address: &str| (address.to_owned(), "complaint".to_owned());
        assert_eq!(suppressed, [complaint("a@example.test"), complaint("b@example.test")]);
        // Who reads complaints is told no deliveries.
        assert!(desk.delivery(&one, GONE).await.starts_with("250 "));
        assert_eq!(desk.states(id).await, [RecipientState::Sent; 2]);
        desk.shutdown.begin();
    });
}

#[test]
fn what_reports_nothing_of_ours_changes_nothing() {
    on_every_engine(|book| async move {
        let desk = Desk::open(&book.store).await;
        let id = desk.sent(&["a@example.test", "b@example.test"]).await;
        let (all, first) = (desk.address_of(Purpose::Bounce, id, None), desk.address_of(Purpose::Bounce, id, Some(0)));
        let stranger = GONE.replace("B@Example.test", "stranger@example.test");
        assert!(desk.delivery(&all, &stranger).await.starts_with("250 "), "not one of its recipients");
        assert!(desk.delivery(&first, GONE).await.starts_with("250 "), "the token is another recipient's");
        for silent in ["delayed", "relayed", "expanded"] {
            assert!(desk.delivery(&all, &GONE.replace("failed", silent)).await.starts_with("250 "));
        }
        assert!(desk.report(&all, "I am on holiday.\n", "text/plain").await.starts_with("250 "));
        let unknown = desk.address_of(Purpose::Bounce, Id([7; 16]), None);
        assert!(desk.delivery(&unknown, GONE).await.starts_with("250 "), "no longer kept");
        assert_eq!(desk.states(id).await, [RecipientState::Sent; 2]);
        assert_eq!((desk.news(id).await, desk.suppressions().await), (vec![], vec![]));
        desk.shutdown.begin();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_takes_only_our_addresses_and_only_so_much() {
    let house = House::new().await;
    let desk = Desk::open(&house.store).await;
    let good = desk.address_of(Purpose::Bounce, Id([1; 16]), None);
    let mut client = desk.client().await;
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
    client.send("x".repeat(1 << 20)).await;
    client.expect("\r\n.", "552 5.3.4").await;
    client.expect("RSET", "250 ").await;
    client.expect("NOOP", "250 ").await;
    client.expect("QUIT", "221 ").await;
    assert_eq!(client.rest().await, "");

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
