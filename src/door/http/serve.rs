//! The listener's loop: every connection has a bound on its header's time and size, and on its life.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::connections::Connections;
use super::context::Context;
use crate::shutdown::Shutdown;

/// For one request's header, and for the silence between two requests.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// For one request's header, in octets; hyper lets up to twice as many through.
const HEADER_SIZE: usize = 32 * 1024;
/// After this a connection is asked to end: nobody reads one answer for ever.
const LIFE: Duration = Duration::from_secs(600);
/// For the answer under way when a connection is asked to end.
const LAST_ANSWER: Duration = Duration::from_secs(20);
/// For a peer that still sends when its connection ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// Before accepting again when the machine has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the router on `listener` until `shutdown` begins; what is being answered then is finished by tasks of `shutdown`.
pub async fn run(listener: TcpListener, context: Context, shutdown: Shutdown) {
    context.public.prepare().await;
    let readiness = context.readiness.clone();
    let router = super::router(context);
    tokio::select! {
        () = shutdown.begun() => {}
        () = accept(&listener, &router, &shutdown) => {}
    }
    readiness.withdraw();
}

async fn accept(listener: &TcpListener, router: &Router, shutdown: &Shutdown) {
    let connections = Connections::none();
    while let Some(place) = connections.place().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(share) = connections.share(peer.ip()) else { continue };
        let served = serve(stream, peer, router.clone(), shutdown.clone());
        shutdown.spawn(async move {
            served.await;
            drop((share, place));
        });
    }
}

/// One connection, from its first request to its last.
async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, shutdown: Shutdown) {
    let router = TowerToHyperService::new(router.layer(Extension(ConnectInfo(peer))));
    // In a box, so that the socket can be had back from the connection.
    let service = service_fn(move |request| Box::pin(router.call(request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_SIZE)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
        () = shutdown.begun() => None,
        () = tokio::time::sleep(LIFE) => None,
    };
    if ended.is_none() {
        Pin::new(&mut connection).graceful_shutdown();
    }
    let ended = match ended {
        Some(ended) => ended,
        None => tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
            () = shutdown.aborted() => return,
            () = tokio::time::sleep(LAST_ANSWER) => return,
        },
    };
    note(peer, ended);
    tokio::select! {
        () = hear_out(connection.into_parts().io.into_inner()) => {}
        () = shutdown.begun() => {}
    }
}

/// Ends the answer, and reads on for a moment what the peer still sends: closing with octets unread would have the system take the
/// answer from it (RFC 9112 section 9.6).
async fn hear_out(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = vec![0; 4096];
    let rest = async { while matches!(stream.read(&mut unread).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

/// Peers that break off are no news.
fn note(peer: SocketAddr, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection ended early");
    }
}
