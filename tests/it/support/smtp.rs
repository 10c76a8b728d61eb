//! A plain SMTP client: says what it is told to, and reads one reply at a time.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthouse::model::key::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::IN_TIME;

/// One connection, and what came over it and was not yet asked for.
pub struct Client<S> {
    pub stream: S,
    unread: Vec<u8>,
    deadline: Duration,
}

impl Client<TcpStream> {
    /// Connects, and reads the greeting.
    pub async fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        let greeting = client.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        client
    }

    /// Connects, and reads nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Speaks over `stream`. A reply that takes longer than 20 seconds fails the test.
    pub fn over(stream: S) -> Self {
        Self { stream, unread: Vec::new(), deadline: IN_TIME }
    }

    /// Has the patience that paused time asks for.
    pub fn patient(mut self) -> Self {
        self.deadline = Duration::from_secs(86_400);
        self
    }

    /// Sends these octets as they are.
    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.expect("the server takes octets");
        self.stream.flush().await.expect("the server takes octets");
    }

    /// Sends a line, and reads its reply.
    pub async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Sends a line, whose reply must begin so.
    #[track_caller]
    pub fn expect<'a>(&'a mut self, line: &'a str, begins: &'a str) -> impl Future<Output = String> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let reply = self.say(line).await;
            assert!(reply.starts_with(begins), "{caller}: {line} was answered {reply:?}, not {begins}");
            reply
        }
    }

    /// The next reply, its lines joined by LF; empty when the server has closed.
    pub async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                break;
            }
        }
        lines.join("\n")
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).expect("a reply in UTF-8"));
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// False when the server has closed, by whatever means.
    async fn read_more(&mut self) -> bool {
        let mut space = [0; 4096];
        match timeout(self.deadline, self.stream.read(&mut space)).await.expect("the server answers or closes in time") {
            Ok(octets) => {
                self.unread.extend_from_slice(&space[..octets]);
                octets > 0
            }
            Err(_) => false,
        }
    }

    /// Whether something came, or the end did, that was not read yet. Does not wait.
    pub async fn has_heard(&mut self) -> bool {
        let mut space = [0; 4096];
        let stream = &mut self.stream;
        let read = std::future::poll_fn(|cx| {
            let mut buffer = tokio::io::ReadBuf::new(&mut space);
            let polled = std::pin::Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            std::task::Poll::Ready(polled.is_ready().then(|| buffer.filled().to_vec()))
        });
        match read.await {
            Some(octets) => {
                self.unread.extend(octets);
                true
            }
            None => !self.unread.is_empty(),
        }
    }

    /// Everything until the server closes.
    pub async fn rest(&mut self) -> String {
        while self.read_more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// EHLO and AUTH PLAIN, which must succeed.
    pub async fn login(&mut self, key: &Secret) {
        self.expect("EHLO client.test", "250-").await;
        self.expect(&auth_plain(key.reveal()), "235 2.7.0").await;
    }

    /// MAIL, RCPT and DATA, which must be taken.
    pub async fn begin_data(&mut self) {
        self.expect("MAIL FROM:<sender@example.test>", "250 ").await;
        self.expect("RCPT TO:<rcpt@example.test>", "250 ").await;
        self.expect("DATA", "354 ").await;
    }

    /// A whole small message; the reply to its final dot.
    pub async fn submit(&mut self, subject: &str) -> String {
        self.begin_data().await;
        self.say(&format!("From: sender@example.test\r\nTo: rcpt@example.test\r\nSubject: {subject}\r\n\r\nText.\r\n.")).await
    }
}

/// The command that logs in with this password.
pub fn auth_plain(password: &str) -> String {
    format!("AUTH PLAIN {}", STANDARD.encode(format!("\0apikey\0{password}")))
}
