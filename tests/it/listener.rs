//! Listeners and the driver: who is let in, how long they may take, and how the door closes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use posthouse::config::units::ByteSize;
use posthouse::config::{Config, ListenerTls, Trusted};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::net::TcpStream;

use crate::support::door::{House, rules, until};
use crate::support::program::Program;
use crate::support::server::Server;
use crate::support::smtp::{Client, auth_plain};

/// The PROXY protocol v2 header of a connection from `source`.
fn proxy_header(source: [u8; 4]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &source, &[127, 0, 0, 1], &[0x9c, 0x40], &[0x09, 0xdd]].concat()
}

/// A connection that a balancer on this machine passes on from `source`.
async fn proxied(address: SocketAddr, source: [u8; 4]) -> Client<TcpStream> {
    let mut client = Client::connect(address).await;
    client.send(proxy_header(source)).await;
    client
}

fn behind_a_balancer(config: &mut Config) {
    config.smtp.proxy_protocol = vec!["127.0.0.0/8".parse().expect("a network")];
}

#[tokio::test]
async fn a_pipelined_group_is_answered_in_one_write() {
    let house = House::new().await;
    let door = house.door();
    let mut client = house.converse(&door);
    client.reply().await;
    client.login(&house.secret).await;
    client.send("MAIL FROM:<sender@example.test>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n").await;
    let mut space = [0; 4096];
    let octets = tokio::io::AsyncReadExt::read(&mut client.stream, &mut space).await.expect("replies");
    let replies = String::from_utf8_lossy(&space[..octets]).into_owned();
    assert_eq!(replies.matches("\r\n").count(), 4, "{replies}");
    assert!(replies.contains("\r\n354 "), "{replies}");
}

#[tokio::test]
async fn more_connections_than_there_are_places_are_turned_away() {
    let house = House::with(|config| config.smtp.limits.connections = 2).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let (mut first, _second) = (Client::greeted(address).await, Client::greeted(address).await);
    let mut third = Client::connect(address).await;
    let refusal = third.rest().await;
    assert!(refusal.starts_with("421 4.7.0 "), "{refusal}");
    first.expect("QUIT", "221 ").await;
    drop(first);
    until("the place is free", || door.limits.open() == 1).await;
    Client::greeted(address).await;
}

#[tokio::test]
async fn one_address_has_its_own_bound_and_loopback_has_none() {
    let house = House::with(|config| {
        behind_a_balancer(config);
        config.smtp.limits.connections_per_address = 1;
    })
    .await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut first = proxied(address, [192, 0, 2, 1]).await;
    assert!(first.reply().await.starts_with("220 "));
    let refusal = proxied(address, [192, 0, 2, 1]).await.rest().await;
    assert!(refusal.starts_with("421 4.7.0 "), "{refusal}");
    let mut other = proxied(address, [192, 0, 2, 2]).await;
    assert!(other.reply().await.starts_with("220 "));
    let (mut one, mut two) = (proxied(address, [127, 0, 0, 1]).await, proxied(address, [127, 0, 0, 1]).await);
    assert!(one.reply().await.starts_with("220 ") && two.reply().await.starts_with("220 "));
}

#[tokio::test]
async fn a_balancer_must_say_for_whom_it_speaks() {
    let house = House::with(behind_a_balancer).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut silent = Client::connect(address).await;
    let mut wrong = Client::connect(address).await;
    wrong.send("EHLO client.test\r\nNOOP\r\n").await;
    assert_eq!(wrong.rest().await, "");
    assert_eq!(silent.rest().await, "", "no header in time");
    let mut remote = proxied(address, [192, 0, 2, 1]).await;
    remote.reply().await;
    let offer = remote.expect("EHLO client.test", "250-").await;
    assert!(!offer.contains("AUTH"), "AUTH in the clear is for loopback: {offer}");
}

#[tokio::test]
async fn a_header_from_anyone_else_is_no_header() {
    let house = House::with(|config| config.smtp.proxy_protocol = vec!["192.0.2.0/24".parse().expect("a network")]).await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut client = Client::greeted(address).await;
    client.send(proxy_header([198, 51, 100, 1])).await;
    let reply = client.reply().await;
    assert!(reply.starts_with("50"), "{reply}");
}

#[tokio::test]
async fn a_trusted_network_submits_without_auth() {
    let house = House::new().await;
    let door = house.door();
    let network = "127.0.0.0/8".parse().expect("a network");
    let mut printers = rules(ListenerTls::None);
    printers.trusted = vec![Trusted { network, key: "first".to_owned() }];
    let mut client = Client::greeted(house.listen(&door, printers).await).await;
    client.expect("HELO printer", "250 ").await;
    let reply = client.submit("from a printer").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");

    let mut strangers = rules(ListenerTls::None);
    strangers.trusted = vec![Trusted { network: "192.0.2.0/24".parse().expect("a network"), key: "first".to_owned() }];
    let mut client = Client::greeted(house.listen(&door, strangers).await).await;
    client.expect("HELO stranger", "250 ").await;
    client.expect("MAIL FROM:<sender@example.test>", "530 5.7.0").await;
}

#[tokio::test]
async fn a_revoked_key_ends_on_an_open_session() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    client.login(&house.secret).await;
    client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
    client.expect("RSET", "250 ").await;
    assert!(house.store.revoke_key(house.team, house.key.id).await.expect("the store answers"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    let refusal = client.say("MAIL FROM:<sender@example.test>").await;
    assert!(refusal.starts_with('5'), "{refusal}");
}

#[tokio::test]
async fn a_wrong_key_is_answered_later_and_later_and_a_right_one_at_once() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut client = Client::greeted(address).await;
        client.expect("EHLO client.test", "250-").await;
        for _ in 0..2 {
            let asked = Instant::now();
            client.expect(&auth_plain("kr_live_wrong"), "535 5.7.8").await;
            took.push(asked.elapsed());
        }
    }
    assert!(took[..4].iter().all(|took| *took < Duration::from_millis(200)), "the first are free: {took:?}");
    assert!(took[4] >= Duration::from_millis(250) && took[5] >= Duration::from_millis(500), "{took:?}");

    let mut wrong = Client::greeted(address).await;
    wrong.expect("EHLO client.test", "250-").await;
    wrong.send(format!("{}\r\n", auth_plain("kr_live_wrong"))).await;
    let asked = Instant::now();
    Client::greeted(address).await.login(&house.secret).await;
    assert!(asked.elapsed() < Duration::from_millis(500), "a success waited for another's failure: {:?}", asked.elapsed());
}

#[tokio::test]
async fn too_many_wrong_keys_end_the_connection() {
    let house = House::new().await;
    let door = house.door();
    let mut client = Client::greeted(house.listen(&door, rules(ListenerTls::Auto)).await).await;
    client.expect("EHLO client.test", "250-").await;
    for attempt in 0..5 {
        client.send(format!("{}\r\n", auth_plain(&format!("kr_live_{attempt}")))).await;
    }
    let rest = client.rest().await;
    assert!(rest.contains("535 5.7.8") && rest.contains("421 4.7.0"), "{rest}");
}

#[tokio::test]
async fn a_peer_that_drips_octets_of_a_command_is_idle() {
    let house = House::new().await;
    let door = house.door();
    let mut client = house.converse(&door).patient();
    client.reply().await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for octet in "EHLO client.test with a name that never ends".chars() {
        client.send(octet.to_string()).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        if door_is_shut(&mut client).await {
            break;
        }
    }
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(60) && waited <= Duration::from_secs(70), "{waited:?}");
    let rest = client.rest().await;
    assert!(rest.starts_with("421 4.4.2 "), "{rest}");
}

/// Whether the server has something to say that was not asked for.
async fn door_is_shut(client: &mut Client<tokio::io::DuplexStream>) -> bool {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    client.has_heard().await
}

#[tokio::test]
async fn a_client_that_logged_in_may_pause_for_five_minutes() {
    let house = House::new().await;
    let door = house.door();
    let mut client = house.converse(&door).patient();
    client.reply().await;
    client.login(&house.secret).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(299)).await;
    client.expect("NOOP", "250 ").await;
    let begun = tokio::time::Instant::now();
    let rest = client.rest().await;
    assert!(rest.starts_with("421 4.4.2 "), "{rest}");
    assert!(begun.elapsed() >= Duration::from_secs(300) && begun.elapsed() < Duration::from_secs(310), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn data_that_drips_is_given_up_and_nothing_is_accepted() {
    let house = House::new().await;
    let door = house.door();
    for begin in ["DATA", "BDAT 100000 LAST"] {
        let mut client = house.converse(&door).patient();
        client.reply().await;
        client.login(&house.secret).await;
        client.expect("MAIL FROM:<sender@example.test>", "250 ").await;
        client.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
        client.send(format!("{begin}\r\n")).await;
        if begin == "DATA" {
            client.reply().await;
        }
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(600) {
            client.send("x").await;
            tokio::time::advance(Duration::from_secs(10)).await;
            if door_is_shut(&mut client).await {
                break;
            }
        }
        let waited = begun.elapsed();
        let rest = client.rest().await;
        tokio::time::resume();
        assert!(rest.starts_with("421 4.4.2 "), "{begin}: {rest}");
        assert!(waited <= Duration::from_secs(60), "{begin}: {waited:?}");
    }
    assert_eq!(house.accepted().await, 0);
}

#[tokio::test]
async fn a_peer_that_reads_no_replies_is_given_up() {
    let house = House::new().await;
    let door = house.door();
    let mut client = house.converse(&door).patient();
    client.reply().await;
    client.login(&house.secret).await;
    tokio::time::pause();
    let flood = async {
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"EHLO client.test\r\n").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), flood).await.expect("the server lets go of the connection");
}

#[tokio::test]
async fn without_memory_for_a_message_data_is_put_off() {
    let house = House::with(|config| config.smtp.limits.buffered = ByteSize(64 << 20)).await;
    let door = house.door();
    let mut client = house.converse(&door);
    client.reply().await;
    client.login(&house.secret).await;
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

#[tokio::test]
async fn closing_lets_a_message_finish_and_tells_the_others() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut idle = Client::greeted(address).await;
    idle.login(&house.secret).await;
    let mut busy = Client::greeted(address).await;
    busy.login(&house.secret).await;
    busy.begin_data().await;
    house.shutdown.begin();
    let farewell = idle.rest().await;
    assert!(farewell.starts_with("421 4.3.2 "), "{farewell}");
    let refusal = Client::connect(address).await.rest().await;
    assert!(refusal.starts_with("421 4.3.2 "), "{refusal}");
    busy.send("From: sender@example.test\r\n\r\nText.\r\n.\r\n").await;
    let reply = busy.reply().await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    let rest = busy.rest().await;
    assert!(rest.starts_with("421 4.3.2 "), "{rest}");
    drop((idle, busy));
    tokio::time::timeout(Duration::from_secs(10), house.shutdown.finished(Duration::from_secs(9))).await.expect("all is over");
    assert_eq!(door.limits.open(), 0);
    until("the port is closed", || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err()).await;
    assert_eq!(house.accepted().await, 1);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_message_that_never_ends() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut busy = Client::greeted(address).await;
    busy.login(&house.secret).await;
    busy.begin_data().await;
    house.shutdown.begin();
    house.shutdown.finished(Duration::from_millis(100)).await;
    assert_eq!(door.limits.open(), 0);
    assert_eq!(busy.rest().await, "");
    assert_eq!(house.accepted().await, 0);
}

#[tokio::test]
async fn an_idle_connection_holds_little_memory() {
    let house = House::new().await;
    let door = house.door();
    let address = house.listen(&door, rules(ListenerTls::Auto)).await;
    let mut clients = Vec::new();
    let before = resident();
    for _ in 0..300 {
        clients.push(Client::greeted(address).await);
    }
    let each = resident().saturating_sub(before) / clients.len();
    // Both ends are counted here; 10,000 must stay below 100 MB.
    assert!(each < 10_000, "{each} octets a connection");
}

/// Octets of this process in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("/proc");
    pages.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok()).expect("a number") * 4096
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
    let few = Rlimit { current: Some(open + 12), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(pid, Resource::Nofile, few).expect("a limit for our own child");

    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(Client::connect(address).await);
    }
    for client in &mut crowd[..3] {
        assert!(client.reply().await.starts_with("220 "));
    }
    let (used, since) = (ticks(server.pid()), Instant::now());
    until("a second has passed", || since.elapsed() >= Duration::from_secs(1)).await;
    let used = ticks(server.pid()) - used;
    assert!(used < 30, "{used} ticks of processor time in a second of waiting");
    standing.expect("NOOP", "250 ").await;
    drop(crowd);
    Client::greeted(address).await.expect("QUIT", "221 ").await;
}
