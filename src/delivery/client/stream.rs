//! The octets below SMTP: TCP, or TLS over it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection's transport.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a look at the transport found, without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    /// Octets nobody asked for.
    Octets,
    /// The end, or an error.
    End,
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    /// Our own end.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }

    /// Whether nobody on the way can read along.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Reads what there is into `into`; 0 is the end. Cancel safe.
    pub async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        acknowledge_at_once(self.tcp());
        match self {
            Self::Plain(tcp) => tcp.read_buf(into).await,
            Self::Tls(tls) => tls.read_buf(into).await,
        }
    }

    /// Writes all of `bytes` and flushes them.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.write_all(bytes).await,
            Self::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
        }
    }

    /// Ends our side.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.shutdown().await,
            Self::Tls(tls) => tls.shutdown().await,
        }
    }

    /// Whether anything came, the end included, without waiting for it. What came is added to `inbox`.
    pub async fn listen(&mut self, inbox: &mut Vec<u8>) -> Heard {
        let mut octets = [0u8; 512];
        let mut into = ReadBuf::new(&mut octets);
        let heard = poll_fn(|context| {
            let polled = match self {
                Self::Plain(tcp) => Pin::new(tcp).poll_read(context, &mut into),
                Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(context, &mut into),
            };
            Poll::Ready(match polled {
                Poll::Pending => Heard::Nothing,
                Poll::Ready(Ok(())) if !into.filled().is_empty() => Heard::Octets,
                Poll::Ready(_) => Heard::End,
            })
        })
        .await;
        inbox.extend_from_slice(into.filled());
        heard
    }
}

/// A peer that writes a reply in two pieces waits for our acknowledgement in between (Nagle), and Linux would keep it back for
/// 40 ms. The flag wears off, so it is set before each read.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(tcp: &TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_tcp_quickack(true);
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &TcpStream) {}
