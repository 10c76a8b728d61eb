//! The sockets that listen, bound before anything else is begun: a port that is taken stops the program before it touches mail.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::config::{Config, Listener, Role};
use crate::door::smtp::sockets;

/// Sockets that listen, with what the configuration says of each.
#[derive(Debug, Default)]
pub struct Bound {
    pub smtp: Vec<(TcpListener, Listener)>,
    pub http: Option<TcpListener>,
    pub inbound: Option<TcpListener>,
}

impl Bound {
    /// Binds what the roles of this process need. A socket that systemd passed and that has the port of a configured address
    /// takes that address's place.
    pub fn from_config(config: &Config) -> anyhow::Result<Self> {
        let mut passed = passed()?;
        let mut bound = Self::default();
        if config.has(Role::Smtp) {
            for listener in &config.smtp.listener {
                bound.smtp.push((take_or_bind(&mut passed, listener.address, "smtp.listener")?, listener.clone()));
            }
        }
        // Mail from outside comes in by the same role as mail from applications.
        if let (true, Ok(address)) = (config.has(Role::Smtp), config.inbound.address.parse()) {
            bound.inbound = Some(take_or_bind(&mut passed, address, "inbound.address")?);
        }
        if config.has(Role::Http) {
            bound.http = Some(take_or_bind(&mut passed, config.http.address, "http.address")?);
        }
        match passed.first() {
            Some(stray) => {
                anyhow::bail!("a socket was passed for {}, which the configuration does not have", stray.local_addr()?)
            }
            None => Ok(bound),
        }
    }

    /// Where the HTTP door is, when there is one.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Where the SMTP door is, listener by listener, with the ports that were really bound.
    pub fn smtp_addresses(&self) -> Vec<(SocketAddr, &Listener)> {
        self.smtp.iter().filter_map(|(socket, listener)| Some((socket.local_addr().ok()?, listener))).collect()
    }
}

/// Sockets passed by systemd (`LISTEN_FDS`).
fn passed() -> anyhow::Result<Vec<TcpListener>> {
    let mut fds = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for place in 0..fds.len() {
        let socket = fds.take_tcp_listener(place).context("LISTEN_FDS")?.context("LISTEN_FDS: a socket was taken twice")?;
        socket.set_nonblocking(true)?;
        sockets.push(TcpListener::from_std(socket)?);
    }
    Ok(sockets)
}

fn take_or_bind(passed: &mut Vec<TcpListener>, address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let same_port = |socket: &TcpListener| socket.local_addr().is_ok_and(|local| local.port() == address.port());
    match passed.iter().position(same_port) {
        Some(place) => Ok(passed.swap_remove(place)),
        None => sockets::bind(address).with_context(|| format!("{key} {address} can't be bound")),
    }
}
