//! The server as an operator meets it: the first run, the next one, a second one, and the end.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::program::{Program, Ran};
use crate::support::server::Server;

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
        let refused = program.run(&[verb, "--set", "http.address=127.0.0.1:0"]);
        assert_eq!(refused.status, 1);
        assert!(refused.stderr.contains(&format!("pid {}", server.pid())), "{}", refused.stderr);
    }
}

#[test]
fn a_port_that_is_taken_stops_it_before_it_begins() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let refused = Program::new().run(&["--set", &format!("http.address={address}")]);
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
