//! An HTTP server on port 0 that takes calls to endpoints: it writes down what came, and misbehaves as it is told to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is done with a request once it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// An answer with this status and body.
    Status(u16, String),
    /// 500 to events of this kind, and 204 to all others.
    Refuses(&'static str),
    /// A status without a body, and then the connection is closed without a word.
    Once(u16),
    /// 200, after so long.
    Late(Duration),
    /// 307 to this place.
    Moved(String),
    /// The connection is closed without a word.
    Closes,
    /// Nothing, for ever.
    Hangs,
    /// 200, and a body without end.
    Endless,
    /// 200, and a body of which an octet comes now and then.
    Drips,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The path without its slash.
    pub endpoint: String,
    /// By names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
    /// The number of the connection that it came over.
    pub connection: usize,
}

impl Receipt {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Book {
    manners: HashMap<String, Manner>,
    receipts: Vec<Receipt>,
    /// Requests that are not answered yet, and how many there were at once.
    open: usize,
    open_at_most: usize,
}

/// The running server; it ends when this is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _task: JoinSet<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let book: Arc<Mutex<Book>> = Arc::default();
        let shared = book.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut calls = JoinSet::new();
            let mut connections = 0..;
            while let (Ok((tcp, _)), Some(number)) = (listener.accept().await, connections.next()) {
                calls.spawn(serve(tcp, number, shared.clone()));
            }
        });
        Self { address, book, _task: task }
    }

    /// The URL of the endpoint of this name, which answers 204 until it is told otherwise.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// From now on.
    pub fn behave(&self, name: &str, manner: Manner) {
        self.book.lock().unwrap().manners.insert(name.to_owned(), manner);
    }

    /// What came to an endpoint.
    pub fn of(&self, name: &str) -> Vec<Receipt> {
        self.book.lock().unwrap().receipts.iter().filter(|receipt| receipt.endpoint == name).cloned().collect()
    }

    /// The endpoints of all that came, in order.
    pub fn order(&self) -> Vec<String> {
        self.book.lock().unwrap().receipts.iter().map(|receipt| receipt.endpoint.clone()).collect()
    }

    /// Requests that were under way at once, at all endpoints together.
    pub fn open_at_most(&self) -> usize {
        self.book.lock().unwrap().open_at_most
    }
}

/// Requests one after another, for as long as both sides keep the connection.
async fn serve(mut tcp: TcpStream, connection: usize, book: Arc<Mutex<Book>>) {
    loop {
        let Some(receipt) = read(&mut tcp, connection).await else { return };
        let wants_another = receipt.header("connection") != "close";
        let manner = {
            let mut book = book.lock().unwrap();
            let manner = match book.manners.get(&receipt.endpoint).cloned() {
                None => Manner::Status(204, String::new()),
                Some(Manner::Refuses(kind)) if receipt.header("x-krafter-event") == kind => Manner::Status(500, String::new()),
                Some(Manner::Refuses(_)) => Manner::Status(204, String::new()),
                Some(manner) => manner,
            };
            book.receipts.push(receipt);
            book.open += 1;
            book.open_at_most = book.open_at_most.max(book.open);
            manner
        };
        let is_kept = wants_another && matches!(manner, Manner::Status(..) | Manner::Late(_));
        let _ = answer(&mut tcp, manner).await;
        book.lock().unwrap().open -= 1;
        if !is_kept {
            return;
        }
    }
}

async fn read(tcp: &mut TcpStream, connection: usize) -> Option<Receipt> {
    let mut octets = Vec::new();
    let end = loop {
        if tcp.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(octets[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let endpoint = lines.next()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let fields = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<String, String> = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    while octets.len() < end + length {
        if tcp.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
    Some(Receipt { endpoint, headers, body: String::from_utf8(octets[end..].to_vec()).ok()?, connection })
}

async fn answer(tcp: &mut TcpStream, manner: Manner) -> std::io::Result<()> {
    let head = |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\n{more}\r\n");
    match manner {
        Manner::Refuses(_) | Manner::Status(204, _) => tcp.write_all(head(204, "").as_bytes()).await,
        Manner::Status(status, body) => {
            let length = format!("Content-Length: {}\r\n", body.len());
            tcp.write_all((head(status, &length) + &body).as_bytes()).await
        }
        Manner::Once(status) => tcp.write_all(head(status, "Content-Length: 0\r\n").as_bytes()).await,
        Manner::Late(after) => {
            tokio::time::sleep(after).await;
            tcp.write_all(head(200, "Content-Length: 0\r\n").as_bytes()).await
        }
        Manner::Moved(to) => tcp.write_all(head(307, &format!("Location: {to}\r\nContent-Length: 0\r\n")).as_bytes()).await,
        Manner::Closes => Ok(()),
        Manner::Hangs => tcp.read_u8().await.map(|_| ()),
        Manner::Endless => {
            tcp.write_all(head(200, "").as_bytes()).await?;
            loop {
                tcp.write_all(&[b'a'; 65_536]).await?;
            }
        }
        Manner::Drips => {
            tcp.write_all(head(200, "").as_bytes()).await?;
            loop {
                tcp.write_all(b"a").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
