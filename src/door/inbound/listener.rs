//! Accepts inbound connections, a few at a time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::door::inbound::{Inbound, connection};
use crate::door::smtp::sockets;
use crate::shutdown::Shutdown;

/// Between attempts to accept while the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(200);
const BUSY: &[u8] = b"421 4.7.0 too many connections; try again later\r\n";

/// Serves until closing begins; what a session has in hand is finished. Connections are tasks of `shutdown`.
pub async fn run(socket: TcpListener, inbound: Inbound, shutdown: Shutdown) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = shutdown.begun() => return,
        };
        match accepted {
            Ok((stream, from)) => welcome(stream, from, &inbound, &shutdown),
            Err(error) => {
                tracing::warn!(%error, "no inbound connection can be accepted; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn welcome(stream: TcpStream, from: SocketAddr, inbound: &Inbound, shutdown: &Shutdown) {
    let place = inbound.limits.enter().and_then(|mut place| inbound.limits.name(&mut place, from.ip()).then_some(place));
    let Some(place) = place else { return sockets::turn_away(&stream, BUSY) };
    sockets::prepare(&stream);
    let (inbound, closing) = (inbound.clone(), shutdown.clone());
    shutdown.spawn(async move {
        connection::serve(inbound, stream, from.ip(), closing).await;
        drop(place);
    });
}
