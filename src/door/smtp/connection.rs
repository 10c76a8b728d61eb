//! The driver of one session: reads and writes for it, keeps its time, and asks the house what it wants to know.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use crate::door::smtp::door::Door;
use crate::door::smtp::house;
use crate::door::smtp::patience::Patience;
use crate::door::smtp::session::{Action, Peer, Reading, Session, Tls};
use crate::door::smtp::sockets::{Socket, Wire};
use crate::shutdown::Shutdown;

/// Octets read at once.
const READ: usize = 32 * 1024;
/// A reply buffer larger than this is given back once it is written.
const KEPT_OUTPUT: usize = 4096;
/// How long it may take under TLS to tell a peer that there is no place for it.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long, and for how many octets, to wait for the peer to close after us.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS: usize = 256 * 1024;

/// Serves a connection that begins in the clear, to its end.
pub async fn serve<S: Socket>(door: Arc<Door>, stream: S, peer: Peer, shutdown: Shutdown) {
    let address = peer.address;
    let connection = Connection::new(door, Wire::Clear(stream), peer, shutdown);
    log_end(address, connection.run().await);
}

/// Serves a connection that is under TLS from its first octet, to its end.
pub async fn serve_implicit<S: Socket>(door: Arc<Door>, stream: S, peer: Peer, shutdown: Shutdown) {
    let address = peer.address;
    match Box::pin(door.certificates.shake_hands(stream)).await {
        Ok((stream, facts)) => {
            let peer = Peer { tls: Tls::Active(facts), ..peer };
            let connection = Connection::new(door, Wire::Secured(stream), peer, shutdown);
            log_end(address, connection.run().await);
        }
        Err(error) => log_end(address, Err(error)),
    }
}

/// Turns away a peer that expects TLS from its first octet: it can be told nothing before a handshake, and is given little time for one.
pub async fn turn_away<S: Socket>(door: Arc<Door>, stream: S, line: BytesMut) {
    let farewell = async {
        let (mut stream, _) = door.certificates.shake_hands(stream).await?;
        stream.write_all(&line).await?;
        stream.shutdown().await
    };
    if !matches!(timeout(FAREWELL, farewell).await, Ok(Ok(()))) {
        tracing::debug!("a peer that was turned away did not hear why");
    }
}

fn log_end(peer: IpAddr, end: io::Result<()>) {
    match end {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(error) => tracing::debug!(%peer, %error, "connection lost"),
    }
}

struct Connection<S> {
    door: Arc<Door>,
    shutdown: Shutdown,
    peer: IpAddr,
    wire: Wire<S>,
    session: Session,
    patience: Patience,
    draining: bool,
}

impl<S: Socket> Connection<S> {
    fn new(door: Arc<Door>, wire: Wire<S>, peer: Peer, shutdown: Shutdown) -> Self {
        let address = peer.address;
        let session = Session::new(door.settings.clone(), peer);
        Self { door, shutdown, peer: address, wire, session, patience: Patience::begin(), draining: false }
    }

    /// What is rare is boxed, so that a connection that waits for a command stays small.
    async fn run(mut self) -> io::Result<()> {
        loop {
            match self.session.next_action() {
                Action::Read => {
                    self.write().await?;
                    if !self.read().await? {
                        return Ok(());
                    }
                }
                Action::StartTls => {
                    self.write().await?;
                    self = Box::pin(self.secure()).await?;
                }
                Action::Close => {
                    self.write().await?;
                    return Box::pin(self.close()).await;
                }
                question => Box::pin(self.answer(question)).await?,
            }
        }
    }

    /// Gets the session's question answered by the house.
    async fn answer(&mut self, question: Action) -> io::Result<()> {
        match question {
            Action::Reserve { octets, may_wait } => self.reserve(octets, may_wait).await?,
            Action::Authenticate(secret) => {
                self.write().await?;
                let answer = house::authenticate(&self.door, &secret, self.peer, &self.shutdown).await;
                self.session.authenticated(answer);
            }
            Action::Begin { key, declared_size, null_sender } => {
                let answer = house::begin(&self.door, &key, self.peer, declared_size, null_sender).await;
                self.patience.begun();
                self.session.begun(answer);
            }
            Action::Address { key, address } => {
                let answer = self.door.intake.may_address(&key, &address).await;
                self.session.addressed(answer);
            }
            Action::Submit(submission) => {
                self.write().await?;
                let answer = house::submit(&self.door, *submission, self.peer, self.patience.transaction()).await;
                self.session.submitted(answer);
            }
            Action::Read | Action::StartTls | Action::Close => {}
        }
        Ok(())
    }

    /// Finds room for message octets; while there is none, the socket stays unread.
    async fn reserve(&mut self, octets: u32, may_wait: bool) -> io::Result<()> {
        let mut permit = self.door.budget.clone().try_acquire_many_owned(octets).ok();
        if permit.is_none() && may_wait {
            self.write().await?;
            let since = Instant::now();
            permit = house::wait_for_room(&self.door, octets).await;
            self.patience.kept_waiting(since.elapsed());
        }
        match permit {
            Some(permit) => self.session.memory_granted(permit),
            None => self.session.memory_refused(),
        }
        Ok(())
    }

    /// Writes what waits, in one piece.
    async fn write(&mut self) -> io::Result<()> {
        if self.session.output().is_empty() {
            return Ok(());
        }
        let output = self.session.output();
        let written = async {
            self.wire.write_all_buf(output).await?;
            self.wire.flush().await
        };
        timeout(self.door.bounds.idle.0, written).await??;
        if output.capacity() > KEPT_OUTPUT {
            *output = BytesMut::new();
        }
        self.patience.replied();
        Ok(())
    }

    /// Waits for the peer, or for what ends the waiting. False: the peer has closed, or there is no time left.
    async fn read(&mut self) -> io::Result<bool> {
        if self.shutdown.has_begun() && !self.draining {
            self.draining = true;
            self.session.drain();
            return Ok(true);
        }
        let deadline = self.patience.deadline(self.session.reading(), &self.door.bounds);
        if deadline <= Instant::now() {
            self.give_up();
            return Ok(true);
        }
        self.wire.quick_ack();
        tokio::select! {
            biased;
            read = timeout_at(deadline, fill(&mut self.wire, &mut self.session)) => match read {
                Ok(octets) => {
                    let octets = octets?;
                    self.patience.received(octets);
                    Ok(octets > 0)
                }
                Err(_) => {
                    self.give_up();
                    Ok(true)
                }
            },
            // The next read sees that closing began.
            () = self.shutdown.begun(), if !self.draining => Ok(true),
            () = self.shutdown.aborted() => Ok(false),
        }
    }

    fn give_up(&mut self) {
        match self.session.reading() {
            Reading::Data => self.session.too_slow(),
            Reading::Envelope if self.patience.transaction() >= self.door.bounds.transaction.0 => self.session.too_slow(),
            Reading::Command { .. } | Reading::Envelope | Reading::Sasl => self.session.idle(),
        }
    }

    /// The same connection under TLS, with a fresh session (RFC 3207 section 4.2).
    async fn secure(self) -> io::Result<Self> {
        let Wire::Clear(stream) = self.wire else {
            return Err(io::Error::other("STARTTLS under TLS"));
        };
        let (stream, facts) = self.door.certificates.shake_hands(stream).await?;
        let session = self.session.secured(facts);
        Ok(Self { wire: Wire::Secured(stream), session, patience: Patience::begin(), ..self })
    }

    /// Closes our side, then waits a moment for the peer's: octets left unread would turn the close into a reset, which can
    /// overtake the last reply.
    async fn close(mut self) -> io::Result<()> {
        let farewell = async {
            self.wire.shutdown().await?;
            let mut scratch = [0; 2048];
            let mut unread = LINGER_OCTETS;
            while unread > 0 {
                match self.wire.read(&mut scratch).await? {
                    0 => break,
                    octets => unread = unread.saturating_sub(octets),
                }
            }
            Ok(())
        };
        timeout(LINGER, farewell).await.unwrap_or(Ok(()))
    }
}

/// Reads once, into a buffer on the stack: a connection that waits holds none.
async fn fill<S: Socket>(wire: &mut Wire<S>, session: &mut Session) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *wire).poll_read(cx, &mut buffer))?;
        session.input(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}
