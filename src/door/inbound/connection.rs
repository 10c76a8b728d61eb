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
use crate::shutdown::Shutdown;

/// Octets read at once.
const READ: usize = 8 * 1024;
/// Silence, and a whole connection.
const IDLE: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(600);

/// Serves a connection to its end.
pub async fn serve(inbound: Inbound, mut stream: TcpStream, peer: IpAddr, shutdown: Shutdown) {
    let mut session = Session::new(inbound.hostname.clone(), inbound.seal.clone());
    if let Err(error) = converse(&inbound, &mut stream, &mut session, peer, &shutdown).await {
        tracing::debug!(%peer, %error, "inbound connection lost");
    }
}

async fn converse(
    inbound: &Inbound,
    stream: &mut TcpStream,
    session: &mut Session,
    peer: IpAddr,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let ends = Instant::now() + WHOLE;
    let mut buffer = vec![0; READ];
    loop {
        match session.next_step() {
            Step::Close => {
                write(stream, session).await?;
                return stream.shutdown().await;
            }
            Step::Enter(tokens, message) => {
                let entered = inbound.enter(&tokens, &message, peer).await;
                session.entered(entered == Entered::Taken);
            }
            Step::Read => {
                write(stream, session).await?;
                tokio::select! {
                    () = shutdown.begun() => session.close_down(),
                    read = timeout_at(ends.min(Instant::now() + IDLE), stream.read(&mut buffer)) => match read {
                        Ok(octets) => match octets? {
                            0 => return Ok(()),
                            octets => session.input(&buffer[..octets]),
                        },
                        Err(_) => session.too_slow(),
                    },
                }
            }
        }
    }
}

async fn write(stream: &mut TcpStream, session: &mut Session) -> io::Result<()> {
    timeout(IDLE, stream.write_all_buf(session.output())).await?
}
