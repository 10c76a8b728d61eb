//! Listeners: from an accepted socket to a session that knows whom it talks to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{CleartextAuth, Listener, ListenerTls};
use crate::door::smtp::connection;
use crate::door::smtp::door::Door;
use crate::door::smtp::limits::Place;
use crate::door::smtp::proxy;
use crate::door::smtp::session::{Busy, Peer, Session, Tls};
use crate::door::smtp::sockets;
use crate::model::key::ApiKey;
use crate::shutdown::Shutdown;

/// A load balancer sends its header at once.
const PROXY_HEADER: Duration = Duration::from_secs(5);
/// Between attempts to accept while the process has no file descriptor left, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves the listeners until closing began and the last connection is gone. Connections are tasks of `shutdown`.
pub async fn run(listeners: Vec<(TcpListener, Listener)>, door: Door, shutdown: Shutdown) {
    shutdown.spawn(door.certificates.clone().watch(shutdown.clone()));
    let door = Arc::new(door);
    let mut accepting = JoinSet::new();
    for (socket, rules) in listeners {
        warn_of_uselessness(&rules, &door);
        accepting.spawn(accept(socket, Arc::new(rules), door.clone(), shutdown.clone()));
    }
    while accepting.join_next().await.is_some() {}
}

/// Accepts until closing began, then turns away until the last connection is gone.
async fn accept(socket: TcpListener, rules: Arc<Listener>, door: Arc<Door>, shutdown: Shutdown) {
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = socket.accept() => accepted,
            () = drained(&door, &shutdown) => return,
        };
        match accepted {
            Ok((stream, from)) => {
                pause = FIRST_PAUSE;
                welcome(stream, from, &rules, &door, &shutdown);
            }
            // The peer went away between its connect and our accept.
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}

async fn drained(door: &Door, shutdown: &Shutdown) {
    shutdown.begun().await;
    tokio::select! {
        () = door.limits.emptied() => {}
        () = shutdown.aborted() => {}
    }
}

fn welcome(stream: TcpStream, from: SocketAddr, rules: &Arc<Listener>, door: &Arc<Door>, shutdown: &Shutdown) {
    if shutdown.has_begun() {
        return turn_away(stream, rules, door, shutdown, Busy::Draining);
    }
    match door.limits.enter() {
        Some(place) => {
            shutdown.spawn(receive(stream, from, rules.clone(), door.clone(), shutdown.clone(), place));
        }
        None => turn_away(stream, rules, door, shutdown, Busy::TooManyConnections),
    }
}

/// Says why. Under implicit TLS that takes a handshake, which is dear: only some are told at a time, the others see the close.
fn turn_away(stream: TcpStream, rules: &Listener, door: &Arc<Door>, shutdown: &Shutdown, busy: Busy) {
    let line = Session::refuse(&door.settings, busy);
    if rules.tls != ListenerTls::Implicit {
        return sockets::turn_away(&stream, &line);
    }
    let Some(turn) = door.limits.farewell() else { return };
    let (door, aborted) = (door.clone(), shutdown.clone());
    shutdown.spawn(async move {
        tokio::select! {
            () = connection::turn_away(door, stream, line) => {}
            () = aborted.aborted() => {}
        }
        drop(turn);
    });
}

/// Finds out who is there, and serves them. What is over before the session begins is boxed, so that it does not last.
async fn receive(
    mut stream: TcpStream,
    from: SocketAddr,
    rules: Arc<Listener>,
    door: Arc<Door>,
    shutdown: Shutdown,
    mut place: Place,
) {
    sockets::prepare(&stream);
    let Some(address) = Box::pin(source(&mut stream, from.ip(), &door)).await else { return };
    if !door.limits.name(&mut place, address) {
        return turn_away(stream, &rules, &door, &shutdown, Busy::TooManyConnections);
    }
    let peer = Box::pin(introduce(address, &rules, &door)).await;
    if rules.tls == ListenerTls::Implicit {
        connection::serve_implicit(door, stream, peer, shutdown).await;
    } else {
        connection::serve(door, stream, peer, shutdown).await;
    }
    drop(place);
}

/// Whose connection it is. A listed balancer must say; from anyone else a header would be a command, and a wrong one.
async fn source(stream: &mut TcpStream, from: IpAddr, door: &Door) -> Option<IpAddr> {
    let from = from.to_canonical();
    if !door.balancers.iter().any(|network| network.contains(&from)) {
        return Some(from);
    }
    match timeout(PROXY_HEADER, proxy::read(stream)).await {
        Ok(Ok(named)) => Some(named.map_or(from, |named| named.ip().to_canonical())),
        Ok(Err(error)) => {
            tracing::warn!(balancer = %from, %error, "no PROXY header");
            None
        }
        Err(_) => {
            tracing::warn!(balancer = %from, "no PROXY header in time");
            None
        }
    }
}

async fn introduce(address: IpAddr, rules: &Listener, door: &Door) -> Peer {
    let cleartext_auth = match rules.cleartext_auth {
        CleartextAuth::Never => false,
        CleartextAuth::Loopback => address.is_loopback(),
        CleartextAuth::Always => true,
    };
    let trusted = trusted(address, rules, door).await;
    // Who may show a key in the clear, or needs none, is not made to encrypt.
    let tls = offer(rules.tls, door, !cleartext_auth && trusted.is_none());
    Peer { address, tls, cleartext_auth, trusted }
}

/// How the listener stands to TLS when a connection begins.
fn offer(tls: ListenerTls, door: &Door, required: bool) -> Tls {
    match tls {
        ListenerTls::None | ListenerTls::Implicit => Tls::Absent,
        ListenerTls::Auto if !door.certificates.is_configured() => Tls::Absent,
        ListenerTls::Auto | ListenerTls::Starttls if door.certificates.acceptor().is_none() => Tls::Broken,
        ListenerTls::Auto => Tls::Offered { required: false },
        ListenerTls::Starttls => Tls::Offered { required },
    }
}

/// The key under which a listed network submits with no AUTH.
async fn trusted(address: IpAddr, rules: &Listener, door: &Door) -> Option<Arc<ApiKey>> {
    let entry = rules.trusted.iter().find(|entry| entry.network.contains(&address))?;
    match door.keyring.by_name(&entry.key, address).await {
        Ok(key) => Some(key),
        Err(denied) => {
            tracing::warn!(peer = %address, key = %entry.key, ?denied, "the key of a trusted network can't be used");
            None
        }
    }
}

/// A listener that remote peers can reach, and can't log in at.
fn warn_of_uselessness(rules: &Listener, door: &Door) {
    let tls = rules.tls == ListenerTls::Implicit || offer(rules.tls, door, false) != Tls::Absent;
    if !tls && !rules.address.ip().is_loopback() && rules.cleartext_auth != CleartextAuth::Always && rules.trusted.is_empty() {
        tracing::warn!(
            address = %rules.address,
            "this listener offers remote clients neither TLS nor AUTH: set [tls] cert and key, or cleartext_auth = \"always\""
        );
    }
}
