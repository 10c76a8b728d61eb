//! Where settings come from, which goes before which, and what is said of one that can't stand.

use crate::support::program::Program;

/// The value of a top-level key, or of `table.key`, of what `config show` prints.
fn shown(program: &Program, args: &[&str], variables: &[(&str, &str)], table: &str, key: &str) -> toml::Value {
    let args = [&["config", "show"], args].concat();
    let ran = program.run_with(&args, variables);
    let all: toml::Table = ran.answer().parse().expect("what is shown is TOML");
    let inner = if table.is_empty() { &all } else { all[table].as_table().expect("a table") };
    inner[key].clone()
}

#[test]
fn what_is_printed_as_default_is_what_is_in_force() {
    let program = Program::new();
    let default = program.run(&["config", "show", "--default"]);
    let printed: posthouse::config::Config = toml::from_str(default.answer()).expect("the default file is complete");
    let in_force: toml::Table = program.run(&["config", "show"]).answer().parse().expect("TOML");
    assert_eq!(toml::Table::try_from(printed).expect("serialises"), in_force);
}

#[test]
fn flags_go_before_environment_before_file_before_default() {
    let program = Program::with_file("[smtp]\nhostname = \"file\"\n[delivery]\nworkers = 7\n");
    let text = |value: &str| toml::Value::String(value.to_owned());
    let environment = [("POSTHOUSE__SMTP__HOSTNAME", "environment")];
    assert_eq!(shown(&program, &[], &[], "smtp", "hostname"), text("file"));
    assert_eq!(shown(&program, &[], &environment, "smtp", "hostname"), text("environment"));
    assert_eq!(shown(&program, &["--set", "smtp.hostname=flag"], &environment, "smtp", "hostname"), text("flag"));
    assert_eq!(shown(&program, &[], &environment, "delivery", "workers"), toml::Value::Integer(7));
    assert_eq!(shown(&program, &[], &environment, "limits", "queued"), toml::Value::Integer(0));
}

#[test]
fn the_environment_is_typed_as_the_default_is() {
    let program = Program::new();
    let variables = [
        ("POSTHOUSE__DELIVERY__RELAY__PORT", "2500"),
        ("POSTHOUSE__REQUIRE_VERIFIED_DOMAIN", "true"),
        ("POSTHOUSE__ROLES", r#"["smtp"]"#),
        ("POSTHOUSE__SMTP__LISTENER", r#"[{"address": "127.0.0.1:1", "tls": "none"}, {"address": "127.0.0.1:2"}]"#),
        ("POSTHOUSE__SMTP__LIMITS", r#"{"errors": 3, "idle": "1m"}"#),
        ("POSTHOUSE__SMTP__LIMITS__ERRORS", "4"),
    ];
    let ran = program.run_with(&["config", "show"], &variables);
    let all: toml::Table = ran.answer().parse().expect("TOML");
    assert_eq!(all["delivery"]["relay"]["port"].as_integer(), Some(2500));
    assert_eq!(all["require_verified_domain"].as_bool(), Some(true));
    assert_eq!(all["roles"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["smtp"]["listener"].as_array().map(Vec::len), Some(2));
    assert_eq!(all["smtp"]["listener"][0]["tls"].as_str(), Some("none"));
    assert_eq!(all["smtp"]["limits"]["errors"].as_integer(), Some(4));
    assert_eq!(all["smtp"]["limits"]["idle"].as_str(), Some("1m"));
    assert_eq!(all["smtp"]["limits"]["recipients"].as_integer(), Some(1000));
}

#[test]
fn a_named_smarthost_has_the_defaults_of_the_one_without_a_name() {
    let program = Program::with_file("[delivery.relay]\nport = 26\n[delivery.relays.one]\nhost = \"mail.example.com\"\n");
    let secrets = [("POSTHOUSE__DELIVERY__RELAYS__TWO__PASSWORD", "hush"), ("POSTHOUSE__DELIVERY__RELAYS__TWO__USERNAME", "u")];
    let ran = program.run_with(&["config", "show"], &secrets);
    let all: toml::Table = ran.answer().parse().expect("TOML");
    let relays = all["delivery"]["relays"].as_table().expect("a table");
    assert_eq!(relays.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((relays["one"]["host"].as_str(), relays["one"]["port"].as_integer()), (Some("mail.example.com"), Some(25)));
    assert_eq!((relays["two"]["username"].as_str(), relays["two"]["password"].as_str()), (Some("u"), Some("********")));
}

#[test]
fn a_fault_of_the_file_is_named_with_its_place() {
    for (file, complaint) in [
        ("[smtp]\n  hostnme = \"x\"\n", "posthouse.toml:2:3: smtp.hostnme is not a key; did you mean smtp.hostname?"),
        ("[delivry]\nroute = \"relay\"\n", "posthouse.toml:1:2: delivry is not a key; did you mean delivery?"),
        ("workers = 3\n", "posthouse.toml:1:1: workers is not a key; did you mean delivery.workers?"),
        (
            "[[smtp.listener]]\naddress = \"127.0.0.1:1\"\ntsl = \"none\"\n",
            "posthouse.toml:3:1: in smtp.listener: tsl is not a key; did you mean tls?",
        ),
        (
            "[smtp]\nmax_message_size = \"many\"\n",
            "posthouse.toml:2:1: smtp.max_message_size: \"many\" is not a size such as 25MiB",
        ),
        ("[delivery]\nroute = \"rely\"\n", "did you mean relay?"),
        ("[delivery]\nworkers = \"x\"\n", "posthouse.toml:2:1: delivery.workers: invalid type"),
        ("smtp = 3\n", "posthouse.toml:1:1: smtp: expected a table"),
        ("[smtp\n", "posthouse.toml:1:"),
    ] {
        let ran = Program::with_file(file).run(&["config", "check"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{file}");
        assert!(ran.stderr.contains(complaint), "{file}: {}", ran.stderr);
    }
}

#[test]
fn a_fault_of_the_environment_or_a_flag_is_named() {
    let program = Program::new();
    for (name, value, complaint) in [
        ("POSTHOUSE__SMTP__HOSTNAM", "x", "POSTHOUSE__SMTP__HOSTNAM: smtp.hostnam is not a key; did you mean smtp.hostname?"),
        ("POSTHOUSE__DELIVERY__WORKERS", "x", "delivery.workers: \"x\" is not a number"),
        ("POSTHOUSE__ROLES", "smtp", "roles: expected JSON"),
        ("POSTHOUSE__SMTP__AUTOMATIC_IDEMPOTENCY", "yes", "neither true nor false"),
    ] {
        let ran = program.run_with(&["config", "check"], &[(name, value)]);
        assert_eq!(ran.status, 1, "{name}");
        assert!(ran.stderr.contains(name) && ran.stderr.contains(complaint), "{name}: {}", ran.stderr);
    }
    let ran = program.run(&["config", "check", "--set", "log.levl=debug"]);
    assert!(ran.stderr.contains("--set log.levl: log.levl is not a key; did you mean log.level?"), "{}", ran.stderr);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let program = Program::new();
    for (setting, complaint) in [
        ("roles=[]", "roles is empty"),
        ("public_url=example.com", "public_url"),
        ("public_url=http://", "public_url"),
        ("delivery.retry.schedule=[]", "delivery.retry.schedule"),
        ("delivery.dns.trust_anchor=anchor.key", "delivery.dns.dnssec is false"),
        ("delivery.dns.timeout=0s", "delivery.dns.timeout"),
        ("delivery.tls_reports.from=reports", "delivery.tls_reports.from"),
        (r#"inbound.abuse=["abuse"]"#, "inbound.abuse: \"abuse\": there is no @"),
        (r#"inbound.abuse=["abuse@example.com"]"#, "inbound.address is empty"),
        (r#"delivery.shape=[{"match": "*", "recipients_per_message": 500}]"#, "delivery.shape 1 (\"*\"): recipients_per_message"),
        (r#"delivery.shape=[{"match": "example.net"}]"#, "\"example.net\" is not a match such as mx:*.example.net"),
        (r#"delivery.shape=[{"match": "*", "conections": 5}]"#, "did you mean connections?"),
        (r#"delivery.shape=[{"match": "*", "connections": 0}]"#, "expected a nonzero u32"),
        (r#"delivery.rule=[{"routes": ["relay:bakup"]}]"#, "delivery.rule 1: there is no delivery.relays.bakup"),
        (
            r#"delivery.rule=[{"routes": "capture"}, {"team": "a", "stream": "broadcast", "routes": []}]"#,
            "delivery.rule 2 (stream = broadcast; team = a): routes is empty",
        ),
        (
            r#"delivery.rule=[{"tls": "required", "routes": ["direct", "relay"]}]"#,
            "delivery.rule 1: tls is required, but delivery.relay.tls is neither required nor implicit",
        ),
        (r#"delivery.rule=[{"routes": "mx"}]"#, "\"mx\" is not a route: relay, relay:NAME, direct or capture"),
        (r#"delivery.rule=[{"sender_domain": "a.*", "routes": "capture"}]"#, "\"a.*\" is not a name such as example.com"),
        (r#"delivery.rule=[{"stream": "bulk", "routes": "capture"}]"#, "\"bulk\" is not a stream"),
        (
            r#"delivery.source=[{"address": "192.0.2.1", "warmup": {"since": "2026-11-21", "start": 50, "growth": 1.0, "until": 90}}]"#,
            "delivery.source 1 (192.0.2.1): warmup: growth is to be more than 1",
        ),
        (
            r#"delivery.sender=[{"domain": "*", "warmup": {"since": "today", "start": 50, "growth": 2.0, "until": 90}}]"#,
            "\"today\" is not a day such as 2026-11-21",
        ),
        ("delivery.relays.backup.host=", "delivery.relays.backup.host is empty"),
        ("delivery.relays.backup.username=u", "delivery.relays.backup.password"),
        ("delivery.relays.Backup.port=26", "delivery.relays.Backup: a name has letters in lower case"),
        ("delivery.relays.backup.hots=x", "delivery.relays.backup.hots is not a key"),
        ("tls.cert=x.pem", "tls.key"),
        ("smtp.listener=[]", "smtp.listener"),
        ("smtp.hostname=a b", "smtp.hostname"),
        ("bootstrap_key=a b", "bootstrap_key"),
        ("database=mysql://x", "expected sqlite:FILE or postgres://"),
        ("log.level=loud", "log.level"),
        ("delivery.relay.ca=nowhere.pem", "delivery.relay.ca: nowhere.pem"),
    ] {
        let ran = program.run(&["config", "check", "--set", setting]);
        assert_eq!(ran.status, 1, "{setting}");
        assert!(ran.stderr.contains(complaint), "{setting}: {}", ran.stderr);
    }
    assert_eq!(program.run(&["config", "check"]).answer(), "the configuration is valid\n");
}

#[test]
fn secrets_are_not_shown() {
    let program = Program::new();
    let variables = [
        ("POSTHOUSE__BOOTSTRAP_KEY", "hush-1"),
        ("POSTHOUSE__SENDMAIL__KEY", "hush-2"),
        ("POSTHOUSE__DELIVERY__RELAY__PASSWORD", "hush-3"),
        ("POSTHOUSE__DATABASE", "postgres://u:hush-4@h/d"),
    ];
    let ran = program.run_with(&["config", "show"], &variables);
    assert!(!ran.answer().contains("hush"), "{}", ran.stdout);
    assert!(ran.stdout.contains("postgres://u:********@h/d"), "{}", ran.stdout);
}

#[test]
fn a_named_file_must_be_there() {
    let ran = Program::new().run(&["--config", "nowhere.toml", "config", "check"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("nowhere.toml"), "{}", ran.stderr);
}
