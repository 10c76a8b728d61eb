//! The command line: exit statuses, and what stands on which stream.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::warmup::Day;
use posthouse::id::Id;
use posthouse::model::hop::{Hop, Passed, Peer};
use posthouse::model::outcome::{Outcome, Reply};
use posthouse::store::claim::Lane;
use posthouse::store::settle::{Settled, Settlement};
use posthouse::store::tls_sessions::{HeldTo, SessionFailure, SessionKind};
use posthouse::store::{Location, Store};
use serde_json::json;

use crate::support::nouns::acceptance;
use crate::support::program::{Program, Ran};

#[test]
fn wrong_usage_ends_with_2_and_nothing_on_standard_output() {
    let program = Program::new();
    for args in [
        &["no-such-verb"][..],
        &["keys", "create"],
        &["keys", "create", "--name", "x", "--stream", "bulk"],
        &["keys", "create", "--name", "x", "--allow-recipient", "a@b.test"],
        &["keys", "create", "--name", "x", "--expires", "2001-01-01"],
        &["keys", "create", "--name", "x", "--quota", "many"],
        &["domains", "add", "no domain"],
        &["domains", "add", "[127.0.0.1]"],
        &["suppressions", "add", "nobody"],
        &["queue", "retry"],
        &["queue", "show", "not-an-id"],
        &["ready", "--timeout", "soon"],
        &["config", "show", "--set", "novalue"],
    ] {
        let ran = program.run(args);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn an_argument_that_is_not_utf_8_is_wrong_usage() {
    let program = Program::new();
    let mut command = program.command(&["keys", "create", "--name"]);
    let ran = Ran::of(command.arg(OsStr::from_bytes(b"\xff\xfe")).output().expect("the program runs"));
    assert_eq!(ran.status, 2, "{}", ran.stderr);
}

#[test]
fn completions_name_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Program::new().run(&["completions", shell]);
        assert!(ran.answer().contains("suppressions"), "{shell}");
    }
}

#[test]
fn ready_says_no_when_nobody_listens() {
    let program = Program::new();
    let ran = program.run(&["ready", "--wait", "--timeout", "200ms", "--set", "http.address=127.0.0.1:1"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("127.0.0.1:1"), "{}", ran.stderr);
}

/// The lines of an answer, each a JSON object.
fn records(ran: &Ran) -> Vec<serde_json::Value> {
    ran.answer().lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn a_key_is_shown_once_and_can_be_revoked() {
    let program = Program::new();
    let made = program.run(&["keys", "create", "--name", "shop", "--stream", "transactional", "--expires", "30d", "--json"]);
    let record = &records(&made)[0];
    let key = record["key"].as_str().expect("the key's text");
    assert!(key.starts_with("kr_live_") && key.len() == 51, "{key}");
    assert_eq!(record["name"], "shop");
    assert_eq!((&record["streams"], &record["scopes"]), (&json!(["transactional"]), &json!(["*"])));
    assert_eq!(made.stderr, "");

    let listed = program.run(&["keys", "list", "--json"]);
    assert!(!listed.stdout.contains(key), "{}", listed.stdout);
    assert_eq!(records(&listed)[0]["status"], "active");
    program.run(&["keys", "revoke", "shop"]).answer();
    assert_eq!(records(&program.run(&["keys", "list", "--json"]))[0]["status"], "revoked");
    assert_eq!(program.run(&["keys", "revoke", "nobody"]).status, 1);
}

#[test]
fn of_keys_with_one_name_none_is_revoked_by_it() {
    let program = Program::new();
    let make =
        || records(&program.run(&["keys", "create", "--name", "shop", "--stream", "transactional", "--json"]))[0]["id"].clone();
    let (first, second) = (make(), make());
    let refused = program.run(&["keys", "revoke", "shop"]);
    assert_eq!(refused.status, 1);
    assert!([&first, &second].iter().all(|id| refused.stderr.contains(id.as_str().expect("an id"))), "{}", refused.stderr);
    program.run(&["keys", "revoke", second.as_str().expect("an id")]).answer();
    program.run(&["keys", "revoke", "shop"]).answer();
    assert!(records(&program.run(&["keys", "list", "--json"])).iter().all(|key| key["status"] == "revoked"));
}

#[test]
fn a_key_for_both_streams_says_how_to_choose() {
    let made = Program::new().run(&["keys", "create", "--name", "both", "--json"]);
    assert_eq!(records(&made)[0]["streams"], json!(["transactional", "broadcast"]));
    assert!(made.stderr.contains("apikey+broadcast") && made.stderr.contains("X-Krafter-Stream"), "{}", made.stderr);
}

#[test]
fn a_sandbox_key_may_send_and_read() {
    let args =
        ["keys", "create", "--name", "box", "--stream", "broadcast", "--sandbox", "--allow-recipient", "a@b.test", "--json"];
    let record = &records(&Program::new().run(&args))[0];
    assert_eq!(record["scopes"], json!(["mail:send", "mail:read"]));
}

#[test]
fn teams_keep_to_themselves() {
    let program = Program::new();
    program.run(&["teams", "create", "acme"]).answer();
    assert_eq!(program.run(&["teams", "create", "acme"]).status, 1);
    program.run(&["keys", "create", "--name", "k", "--stream", "broadcast", "--team", "acme"]).answer();
    assert_eq!(records(&program.run(&["keys", "list", "--team", "acme", "--json"])).len(), 1);
    assert_eq!(records(&program.run(&["keys", "list", "--json"])).len(), 0);
    let teams = records(&program.run(&["teams", "list", "--json"]));
    let acme = teams.iter().find(|team| team["name"] == "acme").expect("acme is listed");
    let by_id = program.run(&["keys", "list", "--team", acme["id"].as_str().expect("an id"), "--json"]);
    assert_eq!(records(&by_id).len(), 1);
    let missing = program.run(&["keys", "list", "--team", "nobody"]);
    assert_eq!(missing.status, 1);
    assert!(missing.stderr.contains("there is no team \"nobody\""), "{}", missing.stderr);
}

#[test]
fn a_team_may_have_a_rate_of_its_own() {
    let program = Program::new();
    program.run(&["teams", "create", "acme"]).answer();
    let set = |limit: &str| program.run(&["teams", "set", "acme", "--requests-per-minute", limit, "--json"]);
    for (limit, shown) in [("250", json!(250)), ("0", json!(0)), ("default", json!(null))] {
        assert_eq!(records(&set(limit))[0]["requests_per_minute"], shown);
        let listed = records(&program.run(&["teams", "list", "--json"])).into_iter().find(|team| team["name"] == "acme");
        assert_eq!(listed.expect("acme is listed")["requests_per_minute"], shown);
    }
    assert_eq!(set("many").status, 2);
    let nobody = program.run(&["teams", "set", "nobody", "--requests-per-minute", "1"]);
    assert!(nobody.status == 1 && nobody.stderr.contains("there is no team \"nobody\""), "{}", nobody.stderr);
    let said = program.run(&["teams", "set", "acme", "--requests-per-minute", "7"]);
    assert_eq!(said.answer(), "team acme may make 7 HTTP requests a minute\n");
}

#[test]
fn a_domain_is_added_trusted_and_removed() {
    let program = Program::new();
    let added = records(&program.run(&["domains", "add", "Bücher.example", "--json"])).remove(0);
    assert_eq!((&added["domain"], &added["status"]), (&json!("xn--bcher-kva.example"), &json!("pending")));
    let published = added["dns_records"].as_array().expect("records");
    let names: Vec<_> = published.iter().filter(|r| r["required"] == true).map(|r| r["name"].as_str().expect("a name")).collect();
    assert!(
        names[0] == "_posthouse.xn--bcher-kva.example" && names[1].ends_with("r._domainkey.xn--bcher-kva.example"),
        "{names:?}"
    );
    assert!(published[1]["value"].as_str().is_some_and(|v| v.starts_with("v=DKIM1; k=rsa; p=MII") && !v.contains('"')));
    let again = records(&program.run(&["domains", "add", "bücher.example", "--json"])).remove(0);
    assert_eq!(again["dns_records"], added["dns_records"]);
    let trusted = records(&program.run(&["domains", "trust", "xn--bcher-kva.example", "--json"])).remove(0);
    assert_eq!((&trusted["id"], &trusted["status"]), (&added["id"], &json!("verified")));
    let shown = program.run(&["domains", "show", "bücher.example"]);
    let shown = shown.answer();
    assert!(shown.contains("trusted") && shown.contains("\n_posthouse.xn--bcher-kva.example. IN TXT \"posthouse-"), "{shown}");
    let rotated = program.run(&["domains", "rotate", "bücher.example"]);
    let rotated = rotated.answer();
    assert_eq!(rotated.lines().filter(|line| !line.starts_with(';') && line.contains("._domainkey.")).count(), 4, "{rotated}");
    assert_eq!(records(&program.run(&["domains", "list", "--json"])).len(), 1);
    let disabled = program.run(&["domains", "disable", "bücher.example"]);
    assert!(disabled.answer().starts_with("xn--bcher-kva.example is disabled: "), "{disabled:?}");
    assert_eq!(records(&program.run(&["domains", "show", "bücher.example", "--json"]))[0]["status"], "disabled");
    assert_eq!(records(&program.run(&["domains", "enable", "bücher.example", "--json"]))[0]["status"], "verified");
    assert_eq!(program.run(&["domains", "enable", "bücher.example"]).status, 1);
    program.run(&["domains", "remove", "bücher.example"]).answer();
    assert_eq!(program.run(&["domains", "remove", "bücher.example"]).status, 1);
}

#[test]
fn a_suppression_is_known_by_any_spelling() {
    let program = Program::new();
    program.run(&["suppressions", "add", "Some.One@Example.COM", "--reason", "asked"]).answer();
    assert!(program.run(&["suppressions", "add", "some.one@example.com"]).answer().contains("already"));
    let listed = records(&program.run(&["suppressions", "list", "--json"]));
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["address"], &listed[0]["reason"]), (&json!("some.one@example.com"), &json!("asked")));
    program.run(&["suppressions", "remove", "some.one@EXAMPLE.com"]).answer();
    assert_eq!(program.run(&["suppressions", "remove", "some.one@example.com"]).status, 1);
}

#[test]
fn a_wish_is_known_by_any_spelling() {
    let program = Program::new();
    program.run(&["unsubscribes", "add", "Some.One@Example.COM", "--reason", "by phone"]).answer();
    assert!(program.run(&["unsubscribes", "add", "some.one@example.com"]).answer().contains("already"));
    let listed = records(&program.run(&["unsubscribes", "list", "--json"]));
    let told = ["address", "how", "reason"].map(|name| listed[0][name].as_str().expect("a text"));
    assert_eq!((listed.len(), told), (1, ["some.one@example.com", "cli", "by phone"]));
    assert!(program.run(&["unsubscribes", "list"]).answer().contains("some.one@example.com"));
    program.run(&["unsubscribes", "remove", "some.one@EXAMPLE.com"]).answer();
    assert_eq!(program.run(&["unsubscribes", "remove", "some.one@example.com"]).status, 1);
    assert_eq!(program.run(&["unsubscribes", "add", "a@b.test", "--reason", "\u{1b}[31m"]).status, 1);
}

#[test]
fn a_list_of_suppressions_goes_in_and_out() {
    let program = Program::new();
    let list = program.dir.path().join("list.csv");
    std::fs::write(&list, "email,evidence\nA@b.test,\"550, no\"\nnobody,\n+c@b.test,=1\n").expect("a list");
    let ran = program.run(&["suppressions", "import", list.to_str().expect("a path")]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "3 lines: 2 added, 0 there already, 1 refused\n"), "{ran:?}");
    assert!(ran.stderr.contains("line 3: address: there is no @"), "{}", ran.stderr);
    let exported = program.run(&["suppressions", "export"]);
    let mut lines = exported.answer().lines();
    assert_eq!(lines.next(), Some("address,reason,evidence,email_id,created_at"));
    assert!(lines.next().is_some_and(|line| line.starts_with("'+c@b.test,manual,'=1,,")), "{exported:?}");
    assert_eq!(records(&program.run(&["suppressions", "export", "--json"]))[1]["evidence"], "550, no");
    std::fs::write(&list, exported.answer()).expect("a list");
    let again = program.run(&["suppressions", "import", "list.csv", "--json"]);
    assert_eq!(records(&again)[0], json!({"read": 2, "added": 0, "already": 2, "refused": 0}));
    let mut piped = program.command(&["suppressions", "import", "-"]);
    let ran = Ran::of(piped.stdin(std::process::Stdio::null()).output().expect("the program runs"));
    assert_eq!(ran.answer(), "0 lines: 0 added, 0 there already, 0 refused\n");
    assert_eq!(program.run(&["suppressions", "import", "no-such-file"]).status, 1);
}

#[test]
fn an_empty_queue_is_no_failure() {
    let program = Program::new();
    assert_eq!(program.run(&["queue", "list", "--json", "--all"]).answer(), "");
    assert_eq!(records(&program.run(&["queue", "stats", "--json"]))[0]["messages"], 0);
    let missing = program.run(&["queue", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert_eq!((missing.status, missing.stdout.as_str()), (1, ""));
    let untouched = program.run(&["queue", "retry", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert!(untouched.status == 1 && untouched.stderr.contains("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "{}", untouched.stderr);
}

#[test]
fn migrate_makes_the_store_and_refuses_while_another_has_it() {
    let program = Program::new();
    program.run(&["migrate"]).answer();
    let lock = posthouse::lock::Lock::take(&program.dir.path().join("data")).expect("the lock is free");
    let refused = program.run(&["migrate"]);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains(&format!("pid {}", std::process::id())), "{}", refused.stderr);
    drop(lock);
    program.run(&["migrate"]).answer();
}

#[test]
fn a_message_tells_why_it_waits_and_how_it_was_attempted() {
    let program = Program::new();
    program.run(&["migrate"]).answer();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let id = runtime.block_on(deferred_once(&program)).to_string();

    let record = records(&program.run(&["queue", "show", &id, "--json"])).remove(0);
    let waits = &record["recipients"][0]["waits_for"];
    assert_eq!((&waits["kind"], waits["until"].is_string()), (&json!("retry"), true), "{record}");
    let attempt = &record["attempts"][0];
    let seen = ["outcome", "attempt", "route", "host", "address", "tls", "took_ms", "reply"].map(|name| attempt[name].clone());
    let want = ["deferred", "1", "direct", "mx.example.test", "192.0.2.1", "clear", "1250", "451 later"];
    assert_eq!(seen.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)), want);

    let shown = program.run(&["queue", "show", &id]);
    let shown = shown.answer();
    assert!(shown.contains("you@example.test: retry at ") && shown.contains(", after 1 attempt: 451 later\n"), "{shown}");
    assert!(shown.contains("mx.example.test [192.0.2.1]  1250 ms  clear"), "{shown}");
    assert!(shown.contains("passed over  relay   relay.example.test           3 ms     -      refused\n"), "{shown}");
    assert!(!shown.contains("events:"), "an attempt is told once: {shown}");
    program.run(&["queue", "hold", &id]).answer();
    assert!(program.run(&["queue", "show", &id]).answer().contains("held: by an operator"));
    program.run(&["queue", "release", &id]).answer();
    assert!(program.run(&["queue", "show", &id]).answer().contains("ready: "));
    let stats = records(&program.run(&["queue", "stats", "--json"])).remove(0);
    assert_eq!(stats["lanes"], json!({ "transactional-retried": 1 }));
    assert_eq!(stats["domains"], json!([{ "domain": "example.test", "recipients": 1 }]));
    program.run(&["queue", "cancel", &id]).answer();
    assert!(program.run(&["queue", "show", &id]).answer().contains("events:\n"));
}

#[tokio::test]
async fn the_protection_of_a_day_is_reported_by_domain() {
    let program = Program::new();
    let location = Location::Sqlite(program.dir.path().join("data/posthouse.db"));
    program.run(&["teams", "list"]).answer();
    let store = Store::open(&location, Clock::System).await.expect("the book opens");
    let held_to = |kind: &str| Arc::new(HeldTo { kind: kind.into(), lines: Vec::new(), hosts: Vec::new() });
    let kind = |day: i64, domain: &str, policy: &Arc<HeldTo>, result: Option<&str>| {
        let failure = |result: &str| SessionFailure { result: result.into(), host: format!("mx.{domain}"), address: None };
        SessionKind { day: Day(day), domain: domain.into(), policy: policy.clone(), failure: result.map(failure) }
    };
    let (sts, none) = (held_to("sts"), held_to("no-policy-found"));
    let yesterday = Day::of(Clock::System.now()).0 - 1;
    let counted = [
        (kind(yesterday, "b.test", &sts, None), 5),
        (kind(yesterday, "b.test", &sts, Some("certificate-expired")), 2),
        (kind(yesterday, "a.test", &none, None), 1),
        (kind(20_000, "c.test", &none, None), 7),
    ];
    store.add_tls_sessions(&counted).await.expect("written");
    store.close().await;
    let table = program.run(&["tls-report"]);
    let rows: Vec<Vec<&str>> = table.answer().lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["a.test", "no-policy-found", "1", "0"], ["b.test", "sts", "5", "2"]]);
    let told = records(&program.run(&["tls-report", "--domain", "B.test", "--json"]));
    assert_eq!((told.len(), &told[0]["policies"][0]["policy"]["policy-domain"]), (1, &json!("b.test")));
    assert_eq!(told[0]["policies"][0]["failure-details"][0]["result-type"], "certificate-expired");
    let earlier = records(&program.run(&["tls-report", "--day", "2024-10-04", "--json"]));
    assert_eq!(earlier[0]["policies"][0]["policy"]["policy-domain"], "c.test");
    assert_eq!(program.run(&["tls-report", "--day", "today"]).status, 2);
}

/// A message in the program's store that was attempted once, and waits.
async fn deferred_once(program: &Program) -> Id {
    let location = Location::Sqlite(program.dir.path().join("data/posthouse.db"));
    let store = Store::open(&location, Clock::System).await.expect("the book opens");
    let team = store.create_team("t").await.expect("a team").id;
    let offered = acceptance(team, &["you@example.test"]);
    let id = offered.message.id;
    store.accept(offered).await.expect("accepted");
    let epoch = store.open_epoch("test").await.expect("an epoch");
    assert_eq!(store.claim(epoch, Lane::FreshTransactional, 1).await.expect("a claim").len(), 1);
    let peer = Peer { host: "mx.example.test".into(), address: Some([192, 0, 2, 1].into()), protection: Some("clear".into()) };
    let away = Some(Peer::unreached("relay.example.test"));
    let relay = Passed { route: "relay".into(), peer: away, took: Duration::from_millis(3), reply: "refused".into() };
    let hop = Hop { route: "direct".into(), peer: Some(peer), took: Duration::from_millis(1250), passed: vec![relay] };
    let until = Clock::System.now().plus(Duration::from_secs(600));
    let outcome = Outcome::Deferred { reply: Reply::new(451, None, "later"), until };
    let outcomes = vec![Settled { index: 0, attempt: 0, outcome }];
    let settlement = Settlement { epoch, team, message: id, lone: None, hop: Some(hop), outcomes, notices: vec![] };
    assert_eq!(store.settle(settlement).await, Ok(0));
    store.close().await;
    id
}
