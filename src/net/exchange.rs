//! HTTP requests to one server, one after another over a connection (RFC 9112). No answer leads elsewhere, and none is read without a
//! bound.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Octets that the head of an answer may take.
const HEAD_MAX: usize = 64 * 1024;

/// A connection over which nothing is under way. Dropped, it ends.
pub struct Connection {
    requests: http1::SendRequest<String>,
    /// Drives it.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

/// An answer whose body is still to be read. Dropped, it ends the connection.
pub struct Answer {
    response: Response<Incoming>,
    connection: Connection,
    has_ended: bool,
}

/// What was read of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Its first octets.
    pub octets: Vec<u8>,
    /// Its end was read, too.
    pub has_ended: bool,
}

/// Connects to the first of these addresses that takes it, each within `patience`.
pub async fn dial(addresses: &[IpAddr], port: u16, patience: Duration) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    for &ip in addresses {
        match timeout(patience, TcpStream::connect(SocketAddr::new(ip, port))).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(e)) => last = e.to_string(),
            Err(_) => last = "no connection in time".to_owned(),
        }
    }
    Err(last)
}

/// Sends `request` over `stream`, a connection just made, and waits for the head of the answer.
pub async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<String>,
) -> Result<Answer, hyper::Error> {
    let handshake = http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream));
    let (requests, connection) = handshake.await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Connection { requests, _driver: driver }.ask(request).await
}

impl Connection {
    /// Sends `request`, and waits for the head of the answer. It fails when the server has closed meanwhile.
    pub async fn ask(mut self, request: Request<String>) -> Result<Answer, hyper::Error> {
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        Ok(Answer { response, connection: self, has_ended: false })
    }
}

impl Answer {
    /// Its head.
    pub fn head(&self) -> &Response<Incoming> {
        &self.response
    }

    /// Reads its body, no further than about `most` octets, and keeps the first `kept` in `beginning`: what was read stays there, whatever
    /// ends the reading.
    pub async fn read(&mut self, beginning: &mut Beginning, kept: usize, most: usize) -> Result<(), hyper::Error> {
        let mut octets = 0;
        while octets <= most {
            let Some(data) = self.next().await? else {
                (beginning.has_ended, self.has_ended) = (true, true);
                break;
            };
            octets += data.len();
            let room = kept - beginning.octets.len();
            beginning.octets.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(())
    }

    /// The connection, for another request, where the answer was read to its end and the server lets it be.
    pub fn into_connection(self) -> Option<Connection> {
        (self.has_ended && !self.connection.requests.is_closed()).then_some(self.connection)
    }

    /// The next piece of data; none at the end. Trailers are passed over.
    async fn next(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        loop {
            match poll_fn(|context| Pin::new(self.response.body_mut()).poll_frame(context)).await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
