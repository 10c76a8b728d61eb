//! The server as an operator meets it: the first run, the next one, a second one, and the end.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthouse::model::key::Secret;
use rustix::process::Signal;

use crate::support::IN_TIME;
use crate::support::postgres::Cluster;
use crate::support::program::{Program, Ran};
use crate::support::server::Server;
use crate::support::smtp::{Client, auth_plain};

const KEY: &str = "kr_live_0123456789012345678901234567890123456789012";

/// Runs `posthouse sendmail` with this input.
fn sendmail(program: &Program, args: &[&str], input: &str) -> Ran {
    let mut command = program.command(&[&["sendmail"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    // A program that refuses its arguments reads nothing.
    let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
    Ran::of(child.wait_with_output().expect("the program ends"))
}

/// Messages of the queue, finished ones too.
fn queue(program: &Program) -> Vec<serde_json::Value> {
    let ran = program.run(&["queue", "list", "--all", "--json"]);
    ran.answer().lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn the_first_run_needs_nothing_and_says_everything() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let (smtp, key) = (server.smtp(), server.key());
    assert!(key.starts_with("kr_live_") && key.len() == 51, "{}", server.banner);
    let swaks: Vec<&str> = server.banner.lines().filter(|line| line.starts_with("swaks ")).collect();
    let wanted = format!(
        "swaks --server {smtp} --to you@example.com --from app@example.com --auth PLAIN --auth-user apikey --auth-password {key}"
    );
    assert_eq!(swaks, [wanted]);
    let first_url = server.banner.split("http://").nth(1).expect("an address");
    assert!(first_url.starts_with(&server.http()), "{}", server.banner);
    assert!(server.banner.contains("capture"), "{}", server.banner);

    let ended = server.close();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains(&key), "the key is logged: {}", ended.stderr);
    let files = files(program.dir.path());
    assert!(files.iter().any(|file| file.ends_with("posthouse.db")), "{files:?}");
    for file in files {
        let octets = std::fs::read(&file).expect("a file");
        assert_eq!(memchr::memmem::find(&octets, key.as_bytes()), None, "the key lies in {}", file.display());
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// At the level that says most.
#[tokio::test]
async fn no_key_and_no_control_character_of_a_client_is_logged() {
    let program = Program::new();
    let server = Server::start(&program, &["--set", "log.level=trace"], &[]);
    let key = server.key();
    let mut client = Client::greeted(server.smtp().parse().expect("an address")).await;
    client.send(b"EHLO \xff\x1b[31m\x07\r\n").await;
    assert!(client.reply().await.starts_with("250-"));
    client.expect("AUTH PLAIN !!canary", "501 ").await;
    client.expect(&auth_plain("canary"), "535 ").await;
    client.expect("AUTH LOGIN", "334 ").await;
    client.expect("YXBpa2V5", "334 ").await;
    client.expect(&STANDARD.encode("canary"), "535 ").await;
    client.login(&Secret::from_text(&key)).await;
    let reply = client.submit("\x1b[31m\x07").await;
    assert!(reply.starts_with("250 "), "{reply}");
    client.expect("XYZZY \x1b[31m", "500 ").await;
    client.expect("QUIT", "221 ").await;
    let log = server.close().stderr;
    assert!(log.contains("greeted"), "{log}");
    for secret in [&key[..], "canary", &STANDARD.encode(&key), &STANDARD.encode("canary"), &auth_plain(&key)[11..]] {
        assert!(!log.contains(secret), "{secret} is logged: {log}");
    }
    let control = log.chars().find(|&c| c.is_control() && c != '\n');
    assert_eq!(control, None, "{}", log.escape_debug());
}

#[test]
fn later_runs_say_how_to_make_another_key() {
    let program = Program::new();
    let first = Server::start(&program, &[], &[]);
    let key = first.key();
    first.close();
    let second = Server::start(&program, &[], &[]);
    assert!(!second.banner.contains("kr_live_") && second.banner.contains("posthouse keys create"), "{}", second.banner);
    let sent = sendmail(&program, &["--server", &second.smtp(), "--key", &key, "you@example.com"], "From: a@example.com\n\nhi\n");
    assert_eq!(sent.status, 0, "{sent:?}");
}

#[test]
fn a_key_may_be_known_beforehand() {
    let program = Program::new();
    let variables = [("POSTHOUSE__BOOTSTRAP_KEY", KEY)];
    let server = Server::start(&program, &[], &variables);
    assert_eq!(server.key(), KEY);
    server.close();
    let again = Server::start(&program, &[], &variables);
    assert!(!again.banner.contains(KEY), "{}", again.banner);
}

#[test]
fn a_second_server_is_told_who_has_the_directory() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    for verb in ["serve", "migrate"] {
        // The other ports are taken too, but this is what is said.
        let refused = program.run(&[verb, "--set", "http.address=127.0.0.1:0"]);
        assert_eq!(refused.status, 1);
        assert!(refused.stderr.contains(&format!("pid {}", server.pid())), "{}", refused.stderr);
    }
}

#[test]
fn a_second_server_is_told_who_has_the_file() {
    let (one, other) = (Program::new(), Program::new());
    let database = format!("database=sqlite:{}", one.dir.path().join("books/posthouse.db").display());
    let server = Server::start(&one, &["--set", &database], &[]);
    for verb in ["serve", "migrate"] {
        let refused = other.run(&[verb, "--set", "http.address=127.0.0.1:0", "--set", &database]);
        assert_eq!(refused.status, 1);
        assert!(
            refused.stderr.contains(&format!("posthouse.db is in use by another posthouse (pid {})", server.pid())),
            "{refused:?}"
        );
    }
    server.close();
    other.run(&["migrate", "--set", &database]).answer();
}

#[test]
fn a_port_that_is_taken_stops_it_before_it_begins() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let http = format!("http.address={address}");
    let refused = Program::new().run(&["--set", r#"smtp.listener=[{"address":"127.0.0.1:0"}]"#, "--set", &http]);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains(&format!("http.address {address}")), "{}", refused.stderr);
}

#[test]
fn ready_says_yes_once_it_serves() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    program.run(&["ready", "--wait", "--set", &format!("http.address={}", server.http())]).answer();
}

#[test]
fn sendmail_submits_and_says_nothing() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let (smtp, key) = (server.smtp(), server.key());
    let message = "From: Cron <cron@example.com>\nTo: a@example.com\nBcc: hidden@example.com\nSubject: s\n\nbody\n.\nrest\n";
    let sent = sendmail(&program, &["-t", "-i", "-oem", "--server", &smtp, "--key", &key], message);
    assert_eq!((sent.status, sent.stdout.as_str(), sent.stderr.as_str()), (0, "", ""));
    let queued = queue(&program);
    let addresses: Vec<&str> =
        queued[0]["recipients"].as_array().expect("recipients").iter().filter_map(|r| r["address"].as_str()).collect();
    assert_eq!(addresses, ["a@example.com", "hidden@example.com"]);
}

#[test]
fn sendmail_says_by_its_status_what_to_do() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let (smtp, key) = (server.smtp(), server.key());
    let message = "From: a@example.com\nSubject: s\n\nbody\n";
    for (args, status) in [
        (&["--server", "127.0.0.1:1", "you@example.com"][..], 75),
        (&["--server", &smtp, "--key", "wrong", "you@example.com"], 77),
        (&["--server", &smtp, "you@example.com"], 77),
        (&["--server", &smtp, "--key", &key], 64),
        (&["-bs"], 64),
        (&["--config", "nowhere.toml", "you@example.com"], 78),
    ] {
        let ran = sendmail(&program, args, message);
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("sendmail: ") && ran.stderr.lines().count() == 1, "{args:?}: {}", ran.stderr);
    }
    let two_mailboxes = "From: a@example.com, b@example.com\n\nbody\n";
    assert_eq!(sendmail(&program, &["--server", &smtp, "--key", &key, "you@example.com"], two_mailboxes).status, 65);
    assert_eq!(queue(&program).len(), 0);
}

#[test]
fn send_prints_what_the_server_says() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let (smtp, key) = (server.smtp(), server.key());
    let args =
        ["send", "--server", &smtp, "--key", &key, "--from", "a@example.com", "--to", "b@example.com", "--subject", "Grüße"];
    let ran = program.run(&args);
    let id = ran.answer().trim_end().strip_prefix("250 2.0.0 Ok: queued as ").expect("the reply").to_owned();
    assert_eq!(queue(&program)[0]["id"], id.as_str());
    assert!(program.run(&["queue", "show", &id]).answer().contains("Grüße"));
    let refused = program.run(&["send", "--server", &smtp, "--key", "wrong", "--from", "a@example.com", "--to", "b@example.com"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("535"), "{}", refused.stderr);
}

#[test]
fn it_is_sendmail_when_called_so() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let link = program.dir.path().join("sendmail");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_posthouse"), &link).expect("a link");
    let file = format!("[sendmail]\nserver = {:?}\nkey = {:?}\n", server.smtp(), server.key());
    std::fs::write(program.dir.path().join("posthouse.toml"), file).expect("posthouse.toml");
    let mut command = Command::new(link);
    command.args(["-oi", "-f", "app@example.com", "you@example.com"]).current_dir(program.dir.path()).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the link runs");
    child.stdin.take().expect("standard input").write_all(b"Subject: s\n\nbody\n").expect("it reads");
    let ran = Ran::of(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    assert_eq!(queue(&program)[0]["recipients"][0]["address"], "you@example.com");
}

#[test]
fn the_operator_has_a_hand_on_what_waits() {
    let program = Program::new();
    let server = Server::start(&program, &["--set", r#"roles=["smtp","http"]"#], &[]);
    let (smtp, key) = (server.smtp(), server.key());
    let sent = program.run(&["send", "--server", &smtp, "--key", &key, "--from", "a@example.com", "--to", "b@example.com"]);
    let id = sent.answer().trim_end().rsplit(' ').next().expect("an id").to_owned();
    let state = || {
        let message = queue(&program).remove(0);
        (
            message["status"].clone(),
            message["recipients"][0]["status"].clone(),
            message["recipients"][0]["next_attempt_at"].is_null(),
        )
    };
    assert_eq!(state(), ("queued".into(), "queued".into(), false));
    for (verb, message, recipient, ended) in [
        ("hold", "queued", "held", false),
        ("release", "queued", "queued", false),
        ("retry", "queued", "queued", false),
        ("cancel", "cancelled", "cancelled", true),
    ] {
        assert!(program.run(&["queue", verb, &id]).answer().contains("1 recipient "), "{verb}");
        assert_eq!(state(), (message.into(), recipient.into(), ended), "{verb}");
    }
    assert_eq!(program.run(&["queue", "retry", &id]).status, 1);
    assert_eq!(program.run(&["queue", "list", "--json"]).answer(), "");
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let program = Program::new();
    let listener = r#"smtp.listener=[{"address":"127.0.0.1:0","tls":"starttls"}]"#;
    let server = Server::start(&program, &["--set", listener], &[]);
    let address = format!("http.address={}", server.http());
    let loaded = || server.log().matches("certificate loaded").count();
    assert_eq!(loaded(), 1, "{}", server.log());
    server.signal(Signal::HUP);
    let deadline = Instant::now() + IN_TIME;
    while loaded() < 2 {
        assert!(Instant::now() < deadline, "{}", server.log());
        program.run(&["ready", "--set", &address]).answer();
    }
}

#[test]
fn where_mail_leaves_domains_must_be_vouched_for() {
    let program = Program::new();
    let server = Server::start(&program, &["--set", "delivery.route=relay", "--set", "delivery.relay.port=1"], &[]);
    assert!(server.banner.contains("posthouse domains trust"), "{}", server.banner);
    let (smtp, key) = (server.smtp(), server.key());
    let args = ["send", "--server", &smtp, "--key", &key, "--from", "a@shop.example", "--to", "b@example.com"];
    let refused = program.run(&args);
    assert!(refused.status == 1 && refused.stderr.contains("domain_not_verified"), "{refused:?}");
    program.run(&["domains", "trust", "shop.example"]).answer();
    program.run(&args).answer();
}

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let program = Program::new();
    let path = program.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(IN_TIME)).expect("a deadline");
    let told = || {
        let mut buffer = [0u8; 64];
        let octets = socket.recv(&mut buffer).expect("a word in time");
        String::from_utf8_lossy(&buffer[..octets]).trim_end().to_owned()
    };
    let server = Server::start(&program, &[], &[("NOTIFY_SOCKET", path.to_str().expect("UTF-8"))]);
    assert_eq!(told(), "READY=1");
    server.close();
    assert_eq!(told(), "STOPPING=1");
}

#[test]
fn sockets_are_taken_over_from_systemd() {
    let program = Program::new();
    let passed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = passed.local_addr().expect("an address").to_string();
    let mut command = Command::new("sh");
    // The process that is started is the one that LISTEN_PID names, and its first passed socket is descriptor 3.
    command.args(["-c", r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 0</dev/null"#, env!("CARGO_BIN_EXE_posthouse")]);
    let listener = format!(r#"smtp.listener=[{{"address":"{address}"}}]"#);
    command.args(["serve", "--set", &listener, "--set", "http.address=127.0.0.1:0"]);
    command.current_dir(program.dir.path()).env_clear().stdin(Stdio::from(OwnedFd::from(passed)));
    let server = Server::spawn(&program, command);
    assert_eq!(server.smtp(), address);
    let key = server.key();
    let sent = program.run(&["send", "--server", &address, "--key", &key, "--from", "a@example.com", "--to", "b@example.com"]);
    assert!(sent.answer().starts_with("250 2.0.0 Ok: queued as "), "{sent:?}");
}

#[test]
fn two_processes_make_one_first_key_on_one_postgresql() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.database();
    let variables = [("POSTHOUSE__BOOTSTRAP_KEY", KEY), ("POSTHOUSE__DATABASE", database.as_str())];
    let programs = [Program::new(), Program::new(), Program::new()];
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> = programs.iter().map(|program| scope.spawn(|| Server::start(program, &[], &variables))).collect();
        starting.into_iter().map(|server| server.join().expect("it starts")).collect()
    });
    let listed = programs[0].run_with(&["keys", "list", "--json"], &variables);
    assert_eq!(listed.answer().lines().count(), 1, "{}", listed.stdout);
    for server in &servers {
        let sent = programs[0].run(&[
            "send",
            "--server",
            &server.smtp(),
            "--key",
            KEY,
            "--from",
            "a@example.com",
            "--to",
            "b@example.com",
        ]);
        assert_eq!(sent.status, 0, "{sent:?}");
    }
}
