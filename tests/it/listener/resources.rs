//! Writes, memory and file descriptors.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use posthouse::config::units::ByteSize;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::logged_in;
use crate::support::door::{House, until};
use crate::support::program::Program;
use crate::support::server::Server;
use crate::support::smtp::Client;

#[tokio::test]
async fn a_pipelined_group_is_answered_in_one_write() {
    let house = House::new().await;
    let door = house.door();
    let mut client = logged_in(&house, &door).await;
    client.send("MAIL FROM:<sender@example.test>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n").await;
    let mut space = [0; 4096];
    let octets = tokio::io::AsyncReadExt::read(&mut client.stream, &mut space).await.expect("replies");
    let replies = String::from_utf8_lossy(&space[..octets]).into_owned();
    assert_eq!(replies.matches("\r\n").count(), 4, "{replies}");
    assert!(replies.contains("\r\n354 "), "{replies}");
}

#[tokio::test]
async fn without_memory_for_a_message_data_is_put_off() {
    let house = House::with(|config| config.smtp.limits.buffered = ByteSize(64 << 20)).await;
    let door = house.door();
    let mut client = logged_in(&house, &door).await;
    let all = door.budget.available_permits();
    let taken = door.budget.clone().try_acquire_many_owned(u32::try_from(all).expect("a small budget")).expect("all of it");
    client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
    client.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
    client.expect("DATA", "452 4.3.1").await;
    drop(taken);
    client.expect("RSET", "250 ").await;
    let reply = client.submit("with memory").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    until("the memory is given back", || door.budget.available_permits() == all).await;
}

/// Processor time that the process has used, in ticks of 10 ms.
fn ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("a number")).sum()
}

#[tokio::test]
async fn without_file_descriptors_the_door_waits_and_does_not_spin() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let address: SocketAddr = server.smtp().parse().expect("an address");
    let mut standing = Client::greeted(address).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("/proc").count() as u64;
    let pid = Pid::from_raw(server.pid());
    // A few more than the crowd's first three need: the server may open one for its store meanwhile.
    let few = Rlimit { current: Some(open + 40), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(pid, Resource::Nofile, few).expect("a limit for our own child");

    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(Client::connect(address).await);
    }
    for client in &mut crowd[..3] {
        assert!(client.reply().await.starts_with("220 "));
    }
    let (used, since) = (ticks(server.pid()), Instant::now());
    until("a second has passed", || since.elapsed() >= Duration::from_secs(1)).await;
    let (used, waited) = (ticks(server.pid()) - used, since.elapsed());
    assert!(u128::from(used) * 10 < waited.as_millis() * 3 / 10, "{used} ticks of processor time in {waited:?} of waiting");
    standing.expect("NOOP", "250 ").await;
    drop(crowd);
    Client::greeted(address).await.expect("QUIT", "221 ").await;
}
