//! Bodies that come slowly, never end, or are not what they say: each is answered, and its connection ends.

use std::time::Duration;

use posthouse::config::Route;
use posthouse::door::http::run;
use posthouse::shutdown::Shutdown;
use posthouse::store::read::Filter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::House;
use crate::support::IN_TIME;

/// A house that listens.
struct Listening {
    house: House,
    address: std::net::SocketAddr,
    shutdown: Shutdown,
}

impl Listening {
    async fn begin() -> Self {
        let house = House::open(Route::Capture).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::default());
        tokio::spawn(run(listener, house.context.clone(), shutdown.clone()));
        Self { house, address, shutdown }
    }

    /// A connection on which the header of a `POST /api/v1/emails` was sent.
    async fn post(&self, key: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("POST /api/v1/emails HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn accepted(&self) -> usize {
        self.house.store.messages(&Filter { limit: 10, ..Filter::default() }).await.unwrap().len()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

/// Everything until the peer ends the connection.
async fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(IN_TIME, stream.read_to_end(&mut answer)).await.expect("the connection ends").expect("an orderly end");
    String::from_utf8(answer).unwrap()
}

/// Sends so many octets of nothing, as far as the peer takes them.
async fn pour(stream: &mut TcpStream, octets: usize) {
    let piece = vec![b' '; 64 * 1024];
    for _ in 0..octets / piece.len() {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let listening = Listening::begin().await;
    for headers in ["Content-Length: 1000\r\nExpect: 100-continue\r\n", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"]
    {
        let mut stream = listening.post(&listening.house.key, headers).await;
        let mut begun = [0; 25];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n", "the body is being waited for");
        tokio::time::pause();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut answer)).await.expect("given up").unwrap();
        tokio::time::resume();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.ends_with(r#"{"error":"The body did not come in time"}"#), "{answer}");
    }
    assert_eq!(listening.accepted().await, 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_heard_out() {
    let listening = Listening::begin().await;
    let mut stream = listening.post(&listening.house.key, "Content-Length: 50000000\r\n").await;
    pour(&mut stream, 4 << 20).await;
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with(r#"{"error":"The body is over 40 MiB"}"#), "{answer}");
    // One that does not say how large it is, is read as far as it may go.
    let mut stream = listening.post(&listening.house.key, "Transfer-Encoding: chunked\r\n").await;
    stream.write_all(format!("{:x}\r\n", 44 << 20).as_bytes()).await.unwrap();
    pour(&mut stream, 44 << 20).await;
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(listening.house.context.api.budget.available_permits(), 256 << 20, "its room is given back");
}

#[tokio::test]
async fn who_is_refused_at_the_door_hears_it_while_still_sending() {
    let listening = Listening::begin().await;
    let mut stream = listening.post("kr_live_nobody", "Content-Length: 8388608\r\n").await;
    pour(&mut stream, 8 << 20).await;
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with(r#"{"error":"Invalid or missing API key"}"#), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_accepts_nothing() {
    let listening = Listening::begin().await;
    for (headers, body) in [
        ("Transfer-Encoding: chunked\r\n", "nonsense\r\n{}"),
        ("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":1"),
        ("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}"),
        ("Content-Length: 10\r\nContent-Length: 20\r\n", "{}"),
        ("Content-Length: -1\r\n", "{}"),
        ("Content-Length: 100\r\n", "{\"from\": \"a@b.test\""),
    ] {
        let mut stream = listening.post(&listening.house.key, headers).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest_of(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
    }
    assert_eq!(listening.accepted().await, 0);
}
