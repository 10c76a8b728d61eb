//! The listener: health, slow clients, closing.

use std::time::Duration;

use posthouse::config::Route;
use posthouse::door::http::run;
use posthouse::shutdown::Shutdown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{ELSEWHERE, House};
use crate::support::IN_TIME;

async fn start(house: &House) -> (TcpStream, Shutdown, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let running = tokio::spawn(run(listener, house.context.clone(), shutdown.clone()));
    (TcpStream::connect(address).await.unwrap(), shutdown, running)
}

/// Reads until `end` came, and returns all of it.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = String::new();
    while !seen.ends_with(end) {
        let mut buffer = [0; 4096];
        let count = tokio::time::timeout(IN_TIME, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    seen
}

#[tokio::test]
async fn ready_means_bound_and_a_store_that_answers() {
    let house = House::open(Route::Relay).await;
    assert_eq!(house.get(ELSEWHERE, "/healthz", &[]).await.status, 200);
    assert_eq!(house.get(ELSEWHERE, "/readyz", &[]).await.status, 503);
    house.context.readiness.announce();
    assert_eq!(house.get(ELSEWHERE, "/readyz", &[("host", "anything.example")]).await.status, 200);
    house.store.close().await;
    let answer = house.get(ELSEWHERE, "/readyz", &[]).await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with("not ready: the store"), "{}", answer.text());
    assert_eq!(house.get(ELSEWHERE, "/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn the_peers_address_reaches_the_pages() {
    let house = House::open(Route::Capture).await;
    let (mut stream, shutdown, _running) = start(&house).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let page = read_until(&mut stream, "</html>").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("No mail yet"), "{page}");
    shutdown.begin();
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut_off() {
    let house = House::open(Route::Relay).await;
    let (mut stream, _shutdown, _running) = start(&house).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.unwrap();
    tokio::time::pause();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let house = House::open(Route::Relay).await;
    let (mut stream, _shutdown, _running) = start(&house).await;
    let large = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    // The peer may close before it has read it all.
    let _ = stream.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(IN_TIME, stream.read_to_end(&mut answer)).await.expect("closed");
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn closing_ends_idle_connections_and_the_readiness() {
    let house = House::open(Route::Relay).await;
    house.context.readiness.announce();
    let (mut stream, shutdown, running) = start(&house).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut stream, "ok\n").await;
    shutdown.begin();
    tokio::time::timeout(IN_TIME, running).await.unwrap().unwrap();
    assert!(!house.context.readiness.is_announced());
    assert_eq!(tokio::time::timeout(IN_TIME, stream.read(&mut [0; 64])).await.unwrap().unwrap(), 0);
    tokio::time::timeout(IN_TIME, shutdown.finished(IN_TIME)).await.unwrap();
}
