//! What domains are told of TLS, by mail.

use std::sync::Arc;

use posthouse::config::warmup::Day;
use posthouse::delivery::dns::Resolver;
use posthouse::delivery::security::daily::DailyReports;
use posthouse::domains::keys;
use posthouse::store::read::Filter;
use posthouse::store::tls_sessions::{HeldTo, SessionKind};

use super::*;
use crate::support::dns::{Dns, Fault, Records};
use crate::support::stores::on_every_engine;

const FROM: &str = "tls-reports@example.test";

/// Sessions that succeeded on that day.
fn sessions(day: Day, domain: &str) -> (SessionKind, u64) {
    let policy = HeldTo { kind: "no-policy-found".to_owned(), lines: Vec::new(), hosts: Vec::new() };
    (SessionKind { day, domain: domain.to_owned(), policy: Arc::new(policy), failure: None }, 7)
}

fn records() -> Records {
    Records::default()
        .txt("_smtp._tls.asks.example", &["v=TLSRPTv1; rua=mailto:tls@asks.example"])
        .txt("_smtp._tls.web.example", &["v=TLSRPTv1; rua=https://web.example/"])
        .mx("asks.example", 10, "mx.asks.example")
        .address("mx.asks.example", direct::here(1))
}

#[test]
fn a_days_report_is_mailed_once_to_whom_asks_whatever_policy_fails_there() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::willing().await);
        let dns = Dns::start(records().fault("_smtp._tls.mute.example", Fault::ServFail)).await;
        // It names no host that there is: other mail waits.
        let policy = "version: STSv1\nmode: enforce\nmx: mx.other.example\nmax_age: 86400\n";
        store.keep_sts_policy("asks.example", "1", policy, Duration::from_secs(86_400)).await.expect("kept");
        let today = Day::of(book.clock.now());
        let yesterday = Day(today.0 - 1);
        let counted = ["asks.example", "silent.example", "web.example"].map(|domain| sessions(yesterday, domain));
        store.add_tls_sessions(&counted).await.expect("added");
        let mut config = direct::config(&dns, &sink);
        let resolver = Resolver::new(&dns.config()).expect("a resolver");
        let reports = |config: &Config| DailyReports::new(store.clone(), resolver.clone(), config, book.clock.clone());
        assert!(reports(&config).is_none(), "nobody is mailed unless that is wished");
        config.delivery.tls_reports.from = FROM.to_owned();
        let accepted = async || store.messages(&Filter { limit: 100, ..Filter::default() }).await.expect("read").len();

        assert_eq!(reports(&config).expect("some").mail(yesterday).await, Ok(true));
        assert_eq!(accepted().await, 0, "without a domain that signs them they would count for nothing");
        let team = team(store).await;
        keys::trust(store, team, "example.test", book.clock.now()).await.expect("trusted");
        for _ in 0..2 {
            assert_eq!(reports(&config).expect("some").mail(yesterday).await, Ok(true));
            // What was counted late makes no other report.
            store.add_tls_sessions(&[sessions(yesterday, "asks.example")]).await.expect("added");
        }
        assert_eq!(accepted().await, 1);
        store.add_tls_sessions(&[sessions(yesterday, "mute.example")]).await.expect("added");
        assert_eq!(reports(&config).expect("some").mail(yesterday).await, Ok(false), "one is to be asked again");

        let other = accept(store, numbered(team, 1, &["you@asks.example"])).await;
        let engine = Running::start(store, &config, &book.clock);
        let received = sink.wait_received(1).await.remove(0);
        until("a deferral", || async { recipients(store, other).await[0].attempts == 1 }).await;
        engine.stop().await;
        assert_eq!((sink.received().len(), received.rcpt), (1, vec!["RCPT TO:<tls@asks.example>".to_owned()]));
        let text = String::from_utf8(received.content).expect("text");
        for field in ["TLS-Report-Domain: asks.example", "TLS-Report-Submitter: example.test", "From: <tls-reports@example.test>"]
        {
            assert!(text.contains(&format!("\r\n{field}\r\n")), "{field}: {text}");
        }
        assert!(text.starts_with("DKIM-Signature: ") && text.contains("TLS-Report-Submitter:"), "{text}");
        // What kept the other mail back is told; that the report was mailed is not.
        let counted = store.tls_sessions(today, None).await.expect("read");
        let [(kind, _)] = &counted[..] else { panic!("{counted:?}") };
        assert_eq!(kind.failure.as_ref().map(|failure| failure.result.as_str()), Some("validation-failure"));
    });
}
