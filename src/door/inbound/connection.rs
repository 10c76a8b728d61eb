//! The driver of one inbound session: reads, writes, keeps the time.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::door::inbound::Inbound;
use crate::door::inbound::clerk::Entered;
use crate::door::inbound::session::{Session, Step};
use crate::door::smtp::sockets::Wire;
use crate::shutdown::Shutdown;

/// Octets read at once.
const READ: usize = 8 * 1024;

/// How long a peer is waited for.
#[derive(Clone, Debug)]
pub struct Patience {
    /// While it is silent.
    pub idle: Duration,
    /// Until it has named an address of ours: strangers must not hold the places of those who have something to report.
    pub stranger: Duration,
    /// In all.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), stranger: Duration::from_secs(60), whole: Duration::from_secs(600) }
    }
}

/// Serves a connection to its end.
pub async fn serve(inbound: Inbound, stream: TcpStream, peer: IpAddr, shutdown: Shutdown) {
    let session = Session::new(inbound.terms.clone(), inbound.offers_tls());
    let connection = Connection { inbound, wire: Wire::Clear(stream), session, peer, began: Instant::now() };
    if let Err(error) = connection.converse(&shutdown).await {
        tracing::debug!(%peer, %error, "inbound connection lost");
    }
}

struct Connection {
    inbound: Inbound,
    wire: Wire<TcpStream>,
    session: Session,
    peer: IpAddr,
    began: Instant,
}

impl Connection {
    async fn converse(mut self, shutdown: &Shutdown) -> io::Result<()> {
        let mut buffer = vec![0; READ];
        loop {
            match self.session.next_step() {
                Step::Close => {
                    self.write().await?;
                    return self.wire.shutdown().await;
                }
                Step::Enter(addressees, message) => {
                    let entered = self.inbound.enter(&addressees, &message, self.peer).await;
                    self.session.entered(entered == Entered::Taken);
                }
                Step::StartTls => {
                    self.write().await?;
                    self = self.secure().await?;
                }
                Step::Read => {
                    self.write().await?;
                    if !self.read(&mut buffer, shutdown).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits for the peer, or for what ends the waiting. False: the peer has closed.
    async fn read(&mut self, buffer: &mut [u8], shutdown: &Shutdown) -> io::Result<bool> {
        tokio::select! {
            () = shutdown.begun() => self.session.close_down(),
            read = timeout_at(self.ends(), self.wire.read(buffer)) => match read {
                Ok(octets) => match octets? {
                    0 => return Ok(false),
                    octets => self.session.input(&buffer[..octets]),
                },
                Err(_) => self.session.too_slow(),
            },
        }
        Ok(true)
    }

    /// Until when the peer's next octets are waited for.
    fn ends(&self) -> Instant {
        let Patience { idle, stranger, whole } = self.inbound.patience;
        let all = if self.session.has_business() { whole } else { stranger };
        (self.began + all).min(Instant::now() + idle)
    }

    /// The same connection under TLS, with a session that knows nothing of what was said in the clear (RFC 3207 section 4.2).
    async fn secure(self) -> io::Result<Self> {
        let (Wire::Clear(stream), Some(certificates)) = (self.wire, &self.inbound.certificates) else {
            return Err(io::Error::other("STARTTLS that was not offered"));
        };
        let (stream, facts) = certificates.shake_hands(stream).await?;
        tracing::debug!(peer = %self.peer, facts, "inbound connection under TLS");
        Ok(Self { wire: Wire::Secured(stream), session: self.session.secured(), ..self })
    }

    async fn write(&mut self) -> io::Result<()> {
        let written = async {
            self.wire.write_all_buf(self.session.output()).await?;
            self.wire.flush().await
        };
        timeout(self.inbound.patience.idle, written).await?
    }
}
