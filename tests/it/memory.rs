//! What one large message costs in memory, as the system counts it for the server's process.

use std::time::{Duration, Instant};

use crate::support::program::Program;
use crate::support::server::Server;
use crate::support::smtp::{Client, auth_plain};

const MEGABYTE: usize = 1_000_000;
/// Under the limit of 25 MiB with all that is put on top.
const SIZE: usize = 24_500_000;
/// Pages of 2 MB and the threads of a large machine would be counted as the message's.
const SMALL: [(&str, &str); 2] = [("MIMALLOC_ALLOW_THP", "0"), ("TOKIO_WORKER_THREADS", "2")];
const BODY_LINE: &str = "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\r\n";

/// A figure of `/proc/PID/status`, in octets.
fn figure(server: &Server, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// A mail of [`SIZE`] octets with one attachment.
fn large(field: &str) -> String {
    let head = format!(
        "{field}From: sender@example.test\r\nTo: rcpt@example.test\r\nSubject: large\r\nMessage-ID: <large@example.test>\r\n\
         MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    let lines = (SIZE - head.len()) / BODY_LINE.len();
    head + &BODY_LINE.repeat(lines)
}

/// What the server's memory grew by at most, from before MAIL to after the reply to the dot, and that reply.
async fn cost_of(server: &Server, mail: &str, parameters: &str) -> (usize, String) {
    let mut client = Client::greeted(server.smtp().parse().expect("an address")).await;
    client.expect("EHLO client.test", "250-").await;
    client.expect(&auth_plain(&server.key()), "235 2.7.0").await;
    client.submit("before, so that what every server needs is there").await;
    settled(server).await;
    let base = figure(server, "VmRSS");
    // Proc(5): the peak is counted anew from here.
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").expect("the peak can be forgotten");
    client.expect(&format!("MAIL FROM:<sender@example.test>{parameters}"), "250 ").await;
    client.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
    client.expect("DATA", "354 ").await;
    client.send(mail).await;
    let reply = client.say(".").await;
    (figure(server, "VmHWM").saturating_sub(base), reply)
}

/// Waits until memory stands still for a moment.
async fn settled(server: &Server) {
    let (mut last, mut since, end) = (0, Instant::now(), Instant::now() + Duration::from_mins(1));
    while since.elapsed() < Duration::from_millis(200) && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = figure(server, "VmRSS");
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

#[tokio::test]
async fn a_message_on_its_way_to_the_book_is_held_once() {
    let program = Program::new();
    let server = Server::start(&program, &[], &SMALL);
    for parameters in [&format!(" SIZE={SIZE}"), ""] {
        let (cost, reply) = cost_of(&server, &large("X-Krafter-Nothing: 1\r\n"), parameters).await;
        assert!(reply.starts_with("550 5.7.1 forbidden_header"), "{reply}");
        println!("refused, MAIL{parameters}: {:.2} times its size", cost as f64 / SIZE as f64);
        // What the program's own code and its threads take when they are first used is in it.
        assert!(cost < SIZE + 20 * MEGABYTE, "{cost} octets, MAIL{parameters}");
    }
}

#[tokio::test]
async fn a_message_of_the_largest_size_costs_a_few_times_its_size() {
    let program = Program::new();
    let server = Server::start(&program, &[], &SMALL);
    let (cost, reply) = cost_of(&server, &large(""), &format!(" SIZE={SIZE}")).await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    println!("accepted: {:.2} times its size", cost as f64 / SIZE as f64);
    // Once as it came and once as it is kept; the database sees a piece at a time, and has a cache. The aim is 130 MB.
    assert!(cost < 4 * SIZE, "{cost} octets");
}
