//! Sockets: how a listener is bound, what is set on a connection, and a connection that TLS may be laid over.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 4096;

/// Binds and listens. Port 0 takes any free port.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Replies leave when they are written: they are already gathered into one write.
pub fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// Says `line` to a connection that is not taken, as far as the socket has room for it, without waiting.
pub fn turn_away(stream: &TcpStream, line: &[u8]) {
    let _ = SockRef::from(stream).send(line);
}

/// What the SMTP door speaks over.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Asks that what comes next is acknowledged at once. The kernel forgets it, so it is asked before each read.
    fn quick_ack(&self) {}
}

impl Socket for TcpStream {
    /// Clients that write the end of a message in pieces wait for this acknowledgement: 40 ms when it is delayed.
    fn quick_ack(&self) {
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(self).set_tcp_quickack(true);
    }
}

/// A pipe in memory, which acknowledges nothing.
impl Socket for DuplexStream {}

/// A connection in the clear or under TLS.
pub enum Wire<S> {
    Clear(S),
    Secured(Box<TlsStream<S>>),
}

impl<S: Socket> Wire<S> {
    /// As [`Socket::quick_ack`], of the socket below TLS too.
    pub fn quick_ack(&self) {
        match self {
            Wire::Clear(stream) => stream.quick_ack(),
            Wire::Secured(stream) => stream.get_ref().0.quick_ack(),
        }
    }
}

impl<S: Socket> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Secured(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<S: Socket> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Secured(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Secured(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Secured(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
