//! Mail that leaves by itself: to the hosts of each recipient's domain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use posthouse::config::units::Span;
use posthouse::config::warmup::Day;
use posthouse::config::{Config, Route};
use posthouse::model::outcome::RecipientState;
use posthouse::model::stream::Stream;
use posthouse::model::wait::Wait;
use posthouse::store::Store;
use posthouse::store::operate::QueueAction;

use crate::support::certificate::Identity;
use crate::support::dns::{Dns, Fault, Records};
use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::on_every_engine;

use super::{Running, accept, accept_many, arrivals, numbered, recipients, states, team, until, until_all};

/// Mail goes directly, by this DNS, to the port of `sink`.
pub(super) fn config(dns: &Dns, sink: &Sink) -> Config {
    let mut config = Config::defaults();
    config.delivery.route = Route::Direct;
    config.delivery.dns = dns.config();
    config.delivery.direct.port = sink.address.port();
    config.delivery.direct.allow_private_addresses = true;
    config
}

/// Another host that answers at the same port.
pub(super) async fn beside(sink: &Sink, last: u8, script: Script) -> Sink {
    Sink::at(SocketAddr::from(([127, 0, 0, last], sink.address.port())), script).await
}

pub(super) fn here(last: u8) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(127, 0, 0, last)
}

async fn replies(store: &Store, id: posthouse::id::Id) -> Vec<String> {
    recipients(store, id).await.into_iter().map(|recipient| recipient.last_reply).collect()
}

#[test]
fn each_domain_goes_to_its_own_hosts_and_those_that_share_them_in_one_transaction() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let other = beside(&sink, 2, Script::default()).await;
        let records = Records::default()
            .mx("one.example", 10, "mx.shared.example")
            .mx("two.example", 10, "mx.shared.example")
            .mx("three.example", 10, "mx.three.example")
            .null_mx("mute.example")
            .address("mx.shared.example", here(1))
            .address("mx.three.example", here(2));
        let dns = Dns::start(records).await;
        let engine = Running::start(&book.store, &config(&dns, &sink), &book.clock);
        let to = ["a@one.example", "b@two.example", "c@three.example", "d@mute.example", "e@nowhere.example"];
        let id = accept(&book.store, numbered(team(&book.store).await, 1, &to)).await;
        use RecipientState::{Bounced, Delivered};
        let ended = [Delivered, Delivered, Delivered, Bounced, Bounced];
        until("all have ended", || async { states(&book.store, id).await == ended }).await;
        engine.stop().await;
        let (shared, three) = (sink.received(), other.received());
        assert_eq!((shared.len(), shared[0].rcpt.len(), three.len()), (1, 2, 1));
        let replies = replies(&book.store, id).await;
        assert!(replies[3].starts_with("556 5.1.10 ") && replies[4].starts_with("550 5.1.2 "), "{replies:?}");
    });
}

#[test]
fn a_host_that_does_not_answer_is_passed_over_and_the_next_one_serves() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let closed =
            beside(&sink, 3, Script::on(|turn| (turn.line == "greeting").then(|| Act::say("554 5.3.2 not today")))).await;
        let records = Records::default()
            .mx("example.com", 10, "mx1.example")
            .mx("example.com", 20, "mx2.example")
            .mx("example.com", 30, "mx3.example")
            .address("mx1.example", here(9))
            .address("mx2.example", here(3))
            .address("mx3.example", here(1));
        let dns = Dns::start(records).await;
        let engine = Running::start(&book.store, &config(&dns, &sink), &book.clock);
        let ids = accept_many(&book.store, team(&book.store).await, 0..20).await;
        until_all(&book.store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        assert!(arrivals(&sink).values().all(|&times| times == 1) && sink.received().len() == 20);
        assert!(closed.received().is_empty());
    });
}

#[test]
fn connections_and_messages_over_them_stay_within_the_shape() {
    on_every_engine(|book| async move {
        let sink = Sink::start(Script::on(|turn| (turn.line == ".").then(|| Act::Delay(Duration::from_millis(20))))).await;
        let records = Records::default().mx("example.com", 10, "mx.one.example").address("mx.one.example", here(1));
        let dns = Dns::start(records).await;
        let mut config = config(&dns, &sink);
        let shape = "[[shape]]\nmatch = \"mx:*.one.example\"\nconnections = 2\nmessages_per_connection = 5";
        config.delivery.shape = toml::from_str::<toml::Table>(shape).unwrap().remove("shape").unwrap().try_into().unwrap();
        let engine = Running::start(&book.store, &config, &book.clock);
        let ids = accept_many(&book.store, team(&book.store).await, 0..40).await;
        until_all(&book.store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        assert!(sink.connections() >= 8, "{} connections for 40 messages, 5 over each", sink.connections());
        assert!(sink.most_at_once() <= 2, "{} at once", sink.most_at_once());
    });
}

#[test]
fn the_domains_of_a_message_are_looked_up_together() {
    on_every_engine(|book| async move {
        let (sink, domains) = (Sink::willing().await, (0..8).map(|n| format!("slow{n}.example")).collect::<Vec<_>>());
        let dns = Dns::start(domains.iter().fold(Records::default(), |records, name| records.fault(name, Fault::Silence))).await;
        let mut config = config(&dns, &sink);
        config.delivery.dns.timeout = Span(Duration::from_secs(3600));
        let engine = Running::start(&book.store, &config, &book.clock);
        let addresses: Vec<String> = domains.iter().map(|domain| format!("you@{domain}")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        accept(&book.store, numbered(team(&book.store).await, 1, &addresses)).await;
        // None has an answer.
        let asked = || domains.iter().all(|domain| dns.names().contains(&format!("{domain}.")));
        until("all are asked for", || async { asked() }).await;
        engine.stop().await;
    });
}

#[test]
fn what_the_dns_does_not_answer_waits() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let records = Records::default().fault("one.example", Fault::ServFail);
        let dns = Dns::start(records).await;
        let engine = Running::start(&book.store, &config(&dns, &sink), &book.clock);
        let id = accept(&book.store, numbered(team(&book.store).await, 1, &["a@one.example"])).await;
        until("a deferral", || async { recipients(&book.store, id).await[0].attempts == 1 }).await;
        engine.stop().await;
        let recipient = recipients(&book.store, id).await.remove(0);
        assert_eq!(recipient.state, RecipientState::Queued);
        assert!(recipient.last_reply.starts_with("451 4.4.3 "), "{}", recipient.last_reply);
    });
}

#[test]
fn each_attempt_is_kept_with_where_it_went_and_how() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let records = Records::default()
            .mx("one.example", 10, "mx.one.example")
            .mx("two.example", 10, "mx.two.example")
            .address("mx.one.example", here(1))
            .address("mx.two.example", here(9));
        let dns = Dns::start(records).await;
        let engine = Running::start(&book.store, &config(&dns, &sink), &book.clock);
        let id = accept(&book.store, numbered(team(&book.store).await, 1, &["a@one.example", "b@two.example"])).await;
        until("both were attempted", || async { book.store.events(id).await.expect("read").len() == 2 }).await;
        engine.stop().await;
        let events = book.store.events(id).await.expect("read");
        let of = |place: i64| &events.iter().find(|event| event.recipient == Some(place)).expect("an event").detail;
        let (reached, unreached) = (of(0), of(1));
        let seen = ["route", "host", "address", "tls"].map(|name| reached[name].as_str().expect("a text"));
        assert_eq!(seen, ["direct", "mx.one.example", "127.0.0.1", "clear"]);
        assert!(reached["took_ms"].is_u64() && unreached["took_ms"].is_u64());
        assert_eq!((&unreached["host"], unreached.get("address")), (&serde_json::json!("mx.two.example"), None));
    });
}

#[test]
fn each_recipient_of_broadcast_mail_has_a_transaction_of_its_own() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let records = Records::default()
            .mx("one.example", 10, "mx.shared.example")
            .mx("two.example", 10, "mx.shared.example")
            .address("mx.shared.example", here(1));
        let dns = Dns::start(records).await;
        let team = team(&book.store).await;
        for config in [config(&dns, &sink), super::config(&sink)] {
            let before = sink.received().len();
            let engine = Running::start(&book.store, &config, &book.clock);
            let mut newsletter = numbered(team, 1, &["a@one.example", "b@one.example", "c@two.example"]);
            Arc::make_mut(&mut newsletter.message).stream = Stream::Broadcast;
            let id = accept(&book.store, newsletter).await;
            until("all have left", || async { states(&book.store, id).await.iter().all(|state| !state.is_open()) }).await;
            engine.stop().await;
            let mut to: Vec<String> =
                sink.received().split_off(before).into_iter().map(|received| received.rcpt.join(" ")).collect();
            to.sort();
            assert_eq!(to, ["a@one", "b@one", "c@two"].map(|to| format!("RCPT TO:<{to}.example>")));
        }
    });
}

#[test]
fn what_a_rule_requires_tls_for_waits_for_it_and_keeps_nothing_else_waiting() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let secured = beside(&sink, 2, Script::default().with_tls(Identity::of(&["whoever"]).server())).await;
        let records = Records::default()
            .mx("secret.example", 10, "mx.shared.example")
            .mx("open.example", 10, "mx.shared.example")
            .mx("secured.example", 10, "mx.secured.example")
            .address("mx.shared.example", here(1))
            .address("mx.secured.example", here(2));
        let dns = Dns::start(records).await;
        let mut config = config(&dns, &sink);
        let rule =
            "[[rule]]\nrecipient_domain = [\"secret.example\", \"secured.example\"]\ntls = \"required\"\nroutes = \"direct\"";
        config.delivery.rule = toml::from_str::<toml::Table>(rule).unwrap().remove("rule").unwrap().try_into().unwrap();
        let engine = Running::start(&book.store, &config, &book.clock);
        let team = team(&book.store).await;
        let send = async |to: &str| accept(&book.store, numbered(team, 1, &[to])).await;
        let open = send("you@open.example").await;
        until_all(&book.store, &[open], RecipientState::Delivered).await;
        // A connection in the clear is kept now; and after three failures a host is left alone for a while.
        let waiting = [send("a@secret.example").await, send("b@secret.example").await, send("c@secret.example").await];
        for &id in &waiting {
            until("an attempt", || async { recipients(&book.store, id).await[0].attempts == 1 }).await;
        }
        let others = [send("me@open.example").await, send("you@secured.example").await];
        until_all(&book.store, &others, RecipientState::Delivered).await;
        engine.stop().await;
        for id in waiting {
            assert_eq!(states(&book.store, id).await, [RecipientState::Queued]);
            let reply = replies(&book.store, id).await.remove(0);
            assert!(reply.contains("TLS"), "{reply}");
        }
        assert_eq!((sink.said("MAIL"), sink.received().len()), (2, 2), "nothing but what is open was said in the clear");
        let [received] = &secured.received()[..] else { panic!("not one message") };
        assert!(received.encrypted && received.rcpt == ["RCPT TO:<you@secured.example>"], "{received:?}");
    });
}

#[test]
fn a_policy_of_an_earlier_life_holds_mail_back_from_a_host_that_can_not_prove_itself() {
    on_every_engine(|book| async move {
        // As an earlier life has fetched it; now neither record nor web server is there.
        let policy = "version: STSv1\nmode: enforce\nmx: mx.one.example\nmax_age: 86400\n";
        book.store.keep_sts_policy("one.example", "1", policy, Duration::from_secs(86_400)).await.expect("kept");
        let team = team(&book.store).await;
        for sink in
            [Sink::start(Script::default().with_tls(Identity::of(&["mx.other.example"]).server())).await, Sink::willing().await]
        {
            let records = Records::default().mx("one.example", 10, "mx.one.example").address("mx.one.example", here(1));
            let dns = Dns::start(records).await;
            let engine = Running::start(&book.store, &config(&dns, &sink), &book.clock);
            let id = accept(&book.store, numbered(team, 1, &["a@one.example"])).await;
            until("a deferral", || async { recipients(&book.store, id).await[0].attempts == 1 }).await;
            engine.stop().await;
            assert_eq!(states(&book.store, id).await, [RecipientState::Queued]);
            assert_eq!((sink.connections(), sink.said("MAIL")), (1, 0), "not in the clear, nor to whom nobody vouches for");
            let sessions = book.store.tls_sessions(Day::of(book.clock.now()), None).await.expect("read");
            assert!(sessions.iter().all(|(kind, _)| kind.policy.kind == "sts" && kind.failure.is_some()), "{sessions:?}");
            assert!(!sessions.is_empty(), "the last totals are written when the engine ends");
            let place = sessions[0].0.failure.as_ref().and_then(|failure| failure.address);
            assert_eq!(place, Some(here(1).into()));
            let waiting = book.store.queue_action(id, QueueAction::Cancel).await;
            assert_eq!(waiting, Ok(1));
        }
    });
}

#[test]
fn a_connection_is_not_used_for_a_domain_that_asks_for_more() {
    on_every_engine(|book| async move {
        let policy = "version: STSv1\nmode: enforce\nmx: mx.one.example\nmax_age: 86400\n";
        book.store.keep_sts_policy("one.example", "1", policy, Duration::from_secs(86_400)).await.expect("kept");
        // Without TLS: good enough for the one domain, and not for the other behind the same host.
        let sink = Sink::willing().await;
        let records = Records::default()
            .mx("one.example", 10, "mx.one.example")
            .mx("two.example", 10, "mx.one.example")
            .address("mx.one.example", here(1));
        let dns = Dns::start(records).await;
        let mut config = config(&dns, &sink);
        let shape = "[[shape]]\nmatch = \"mx:*.one.example\"\nconnections = 1\nmessages_per_connection = 100";
        config.delivery.shape = toml::from_str::<toml::Table>(shape).unwrap().remove("shape").unwrap().try_into().unwrap();
        let team = team(&book.store).await;
        let (two, one) = (
            accept(&book.store, numbered(team, 1, &["a@two.example"])).await,
            accept(&book.store, numbered(team, 2, &["b@one.example"])).await,
        );
        let both = accept(&book.store, numbered(team, 3, &["a@two.example", "b@one.example"])).await;
        let engine = Running::start(&book.store, &config, &book.clock);
        for id in [two, one, both] {
            until("attempts", || async { recipients(&book.store, id).await.iter().all(|recipient| recipient.attempts == 1) })
                .await;
        }
        engine.stop().await;
        use RecipientState::{Delivered, Queued};
        assert_eq!(states(&book.store, two).await, [Delivered]);
        assert_eq!(states(&book.store, one).await, [Queued]);
        assert_eq!(states(&book.store, both).await, [Delivered, Queued]);
        assert_eq!((sink.said("MAIL"), sink.received().len()), (2, 2));
        assert!(sink.received().iter().all(|received| received.rcpt == ["RCPT TO:<a@two.example>"]));
    });
}

/// Whether one of the messages waits for room at its destination, for such a reason.
async fn waits_since(store: &Store, ids: &[posthouse::id::Id], reason: &str) -> bool {
    for &id in ids {
        let waits = store.message(None, id).await.expect("read").expect("there").waits;
        if waits.values().any(|wait| matches!(wait, Wait::Room { why, .. } if why.contains(reason))) {
            return true;
        }
    }
    false
}

#[test]
fn a_host_that_breaks_off_every_conversation_is_left_alone() {
    on_every_engine(|book| async move {
        let sink = Sink::start(Script::on(|turn| (turn.verb() == "DATA").then_some(Act::Close))).await;
        let dns = Dns::start(Records::default().address("example.com", here(1))).await;
        let engine = Running::start(&book.store, &config(&dns, &sink), &book.clock);
        let team = team(&book.store).await;
        until("it is suspended", || async {
            let ids = accept_many(&book.store, team, 0..5).await;
            waits_since(&book.store, &ids, "suspended until").await
        })
        .await;
        engine.stop().await;
    });
}
