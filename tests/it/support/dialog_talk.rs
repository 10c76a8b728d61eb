//! Holding a dialogue: with a session alone, fed by bytes, or with a server behind a stream.

use std::net::SocketAddr;
use std::time::Duration;

use posthouse::door::smtp::session::{Action, Busy, Session};
use posthouse::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::IN_TIME;
use super::dialog_house::{BUDGET, House};
use super::tls::secure;

/// Longer than a client may be silent after AUTH, and than a whole message may take.
const IDLE: Duration = Duration::from_secs(301);
const WHOLE_TRANSACTION: Duration = Duration::from_secs(601);

/// One end of a conversation.
pub enum Talk<'a> {
    Bytes(Box<Bytes<'a>>),
    Stream(Wire<'a>),
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A stream, what came over it and was not read yet, and the server behind it.
pub struct Wire<'a> {
    stream: Box<dyn Stream + 'a>,
    said: Vec<u8>,
    server: Behind,
    /// STARTTLS was said: when the server says go, hands are shaken.
    starts_tls: bool,
    /// Earlier connections that stay open.
    standing: Vec<Box<dyn Stream + 'a>>,
}

/// What a client can do about the server behind a stream.
pub struct Behind {
    pub shutdown: Shutdown,
    /// Trusts the server's certificate.
    pub connector: Option<TlsConnector>,
    /// Where it listens, when it does.
    pub address: Option<SocketAddr>,
}

impl Wire<'_> {
    async fn send(&mut self, octets: &[u8]) {
        self.starts_tls = octets.starts_with(b"STARTTLS\r\n");
        // The server may have closed; what it said before that is still read.
        let _ = timeout(IN_TIME, self.stream.write_all(octets)).await;
        let _ = self.stream.flush().await;
    }

    /// Shakes hands over the stream.
    async fn secure(&mut self) -> Result<(), String> {
        let connector = self.server.connector.as_ref().ok_or("nobody here knows the server's certificate")?;
        let stream = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let secured = timeout(IN_TIME, secure(connector, stream)).await.map_err(|_| "the handshake takes too long")?;
        self.stream = Box::new(secured.map_err(|why| format!("the handshake failed: {why}"))?);
        self.starts_tls = false;
        Ok(())
    }

    /// Connects anew and speaks there from now on; the connection so far stays open.
    async fn connect(&mut self) {
        let address = self.server.address.expect("a server that listens");
        let stream = TcpStream::connect(address).await.expect("the server listens");
        self.standing.push(std::mem::replace(&mut self.stream, Box::new(stream)));
    }
}

/// A session without I/O, and what it said.
pub struct Bytes<'a> {
    house: &'a House,
    session: Option<Session>,
    said: Vec<u8>,
    writes: usize,
    closed: bool,
    /// Octets that are put in at once.
    piece: usize,
}

impl<'a> Talk<'a> {
    /// With a session that gets `piece` octets at a time.
    pub async fn with_session(house: &'a House, piece: usize) -> Self {
        let mut bytes = Bytes { house, session: None, said: Vec::new(), writes: 0, closed: false, piece };
        bytes.session = Some(Session::new(house.settings.clone(), house.peer()));
        bytes.run().await;
        Self::Bytes(Box::new(bytes))
    }

    /// With the server behind the stream.
    pub fn over(stream: impl Stream + 'a, server: Behind) -> Self {
        let stream = Box::new(stream);
        Self::Stream(Wire { stream, said: Vec::new(), server, starts_tls: false, standing: Vec::new() })
    }

    /// Sends one segment.
    pub async fn send(&mut self, octets: &[u8]) {
        match self {
            Self::Bytes(bytes) => bytes.send(octets).await,
            Self::Stream(wire) => wire.send(octets).await,
        }
    }

    /// One line of a reply, without CRLF. `None`: the connection was closed, or (without I/O) there is none.
    pub async fn line(&mut self) -> Result<Option<String>, String> {
        let said = match self {
            Self::Bytes(bytes) => &mut bytes.said,
            Self::Stream(Wire { stream, said, .. }) => {
                while !said.windows(2).any(|pair| pair == b"\r\n") {
                    match timeout(IN_TIME, stream.read_buf(said)).await {
                        Err(_) => return Err("no reply came in time".into()),
                        Ok(Ok(0) | Err(_)) => break,
                        Ok(Ok(_)) => {}
                    }
                }
                said
            }
        };
        let Some(end) = said.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let line: Vec<u8> = said.drain(..end + 2).take(end).collect();
        if let Self::Stream(wire) = self
            && wire.starts_tls
            && line.starts_with(b"220 ")
        {
            wire.secure().await?;
        }
        String::from_utf8(line).map(Some).map_err(|_| "a reply that is not UTF-8".into())
    }

    /// Fails when something was said that nobody waited for. Over a stream only what has come already is seen.
    pub fn said_nothing_more(&self) -> Result<(), String> {
        let said = match self {
            Self::Bytes(bytes) => &bytes.said,
            Self::Stream(wire) => &wire.said,
        };
        if said.is_empty() { Ok(()) } else { Err(format!("unexpected: {}", said.escape_ascii())) }
    }

    /// Fails unless the server has closed, or closes now, without another word.
    pub async fn closed(&mut self) -> Result<(), String> {
        match self.line().await? {
            Some(line) => return Err(format!("unexpected: {line}")),
            None => self.said_nothing_more()?,
        }
        match self {
            Self::Bytes(bytes) if !bytes.closed => Err("the session goes on".into()),
            _ => Ok(()),
        }
    }

    /// Goes away without QUIT, or is away already; nothing more may have been said, and no memory be held.
    pub async fn hang_up(&mut self) -> Result<(), String> {
        match self {
            Self::Stream(wire) => {
                let _ = wire.stream.shutdown().await;
                self.closed().await
            }
            Self::Bytes(bytes) => {
                bytes.session = None;
                let free = bytes.house.budget.available_permits();
                if free == BUDGET { Ok(()) } else { Err(format!("{} octets are still held", BUDGET - free)) }
            }
        }
    }

    /// Writes since the last segment was sent; not known over a stream.
    pub fn writes(&self) -> Option<usize> {
        match self {
            Self::Bytes(bytes) => Some(bytes.writes),
            Self::Stream(_) => None,
        }
    }

    /// What the driver tells a session: that time has passed, or that the server closes; or what who comes now is told. Behind a
    /// stream the clock must stand in this thread.
    pub async fn tell(&mut self, what: &str) {
        match self {
            Self::Bytes(bytes) => bytes.tell(what).await,
            Self::Stream(wire) => match what {
                "idle" => pass(IDLE).await,
                "slow" => pass(WHOLE_TRANSACTION).await,
                "drain" => wire.server.shutdown.begin(),
                "busy" => wire.connect().await,
                "draining" => {
                    wire.server.shutdown.begin();
                    wire.connect().await;
                }
                other => panic!("! {other} can't happen over a stream"),
            },
        }
    }
}

/// Lets this much time pass at once.
async fn pass(span: Duration) {
    // The server reads what was sent first.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

impl Bytes<'_> {
    async fn tell(&mut self, what: &str) {
        let Some(session) = &mut self.session else { return };
        match what {
            "idle" => session.idle(),
            "slow" => session.too_slow(),
            "drain" => session.drain(),
            "busy" => return self.refuse(Busy::TooManyConnections),
            "draining" => return self.refuse(Busy::Draining),
            other => panic!("what is ! {other}?"),
        }
        self.run().await;
    }

    fn refuse(&mut self, busy: Busy) {
        self.said = Session::refuse(&self.house.settings, busy).to_vec();
        (self.session, self.closed) = (None, true);
    }

    async fn send(&mut self, octets: &[u8]) {
        self.writes = 0;
        for piece in octets.chunks(self.piece) {
            if self.closed {
                return;
            }
            if let Some(session) = &mut self.session {
                session.input(piece);
            }
            self.run().await;
        }
    }

    /// Obeys the session until it wants to read.
    async fn run(&mut self) {
        while let Some(session) = &mut self.session {
            match session.next_action() {
                Action::Read => return self.write(),
                Action::Close => {
                    self.closed = true;
                    return self.write();
                }
                Action::StartTls => {
                    self.write();
                    self.session = self.session.take().map(|session| session.secured("TLSv1.3 TLS13_AES_256_GCM_SHA384".into()));
                }
                Action::Authenticate(secret) => {
                    let answer = self.house.authenticate(&secret).await;
                    session.authenticated(answer);
                }
                Action::Begin { key, declared_size, null_sender } => {
                    let answer = self.house.begin(&key, declared_size, null_sender).await;
                    session.begun(answer);
                }
                Action::Address { key, address } => session.addressed(self.house.address(&key, &address).await),
                Action::Reserve { octets, may_wait } => {
                    let permit = self.house.budget.clone().try_acquire_many_owned(octets);
                    match permit {
                        Ok(permit) if self.house.has_room(may_wait) => session.memory_granted(permit),
                        _ => session.memory_refused(),
                    }
                }
                Action::Submit(submission) => {
                    self.write();
                    let answer = self.house.accept(*submission).await;
                    if let Some(session) = &mut self.session {
                        session.submitted(answer);
                    }
                }
            }
        }
    }

    fn write(&mut self) {
        let Some(session) = &mut self.session else { return };
        let output = session.output();
        if !output.is_empty() {
            self.writes += 1;
            self.said.extend_from_slice(&output.split());
        }
    }
}
