//! An HTTPS server on port 0 that gives one canned answer, and counts how often.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The running server; it ends when this is dropped.
pub struct Https {
    pub address: SocketAddr,
    answer: Arc<Mutex<String>>,
    count: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Https {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer of 200 with this text.
pub fn text(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

impl Https {
    /// Answers every request with `answer`, whole as it goes over the wire.
    pub async fn start(tls: Arc<ServerConfig>, answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (answer, count) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let (said, counted) = (answer.clone(), count.clone());
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = said.lock().unwrap().clone();
                tokio::spawn(serve(TlsAcceptor::from(tls.clone()), tcp, answer));
            }
        });
        Self { address, answer, count, task }
    }

    /// From now on.
    pub fn answer(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn connections(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn serve(acceptor: TlsAcceptor, tcp: TcpStream, answer: String) {
    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut request).await, Ok(octets) if octets > 0) {
            return;
        }
    }
    let expected = b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n";
    let answer = if request.starts_with(expected) { answer } else { "HTTP/1.1 404 Not Found\r\n\r\n".to_owned() };
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
