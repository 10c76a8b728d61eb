//! From a host's name to a connection that is ready for mail: addresses, greeting, EHLO, STARTTLS, AUTH.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use crate::config::RelayTls;
use crate::delivery::client::auth::Login;
use crate::delivery::client::connection::Connection;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::error::{ClientError, Step};
use crate::delivery::client::extensions::Extensions;
use crate::delivery::client::stream::Stream;
pub use crate::delivery::client::terms::Terms;
use crate::delivery::client::tls::TlsClient;
use crate::delivery::security::judge::Judge;
use crate::delivery::security::{Protection, Requirement, TlsResult, Verified};

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// A next hop, and on what terms it is spoken to.
#[derive(Clone)]
pub struct Hop {
    pub host: String,
    pub port: u16,
    /// Where the host is, checked already; empty: its name is looked up by the system.
    pub addresses: Vec<SocketAddr>,
    /// Our own end's address, at most one of each family; where none is given the system chooses.
    pub sources: Vec<IpAddr>,
    pub terms: Terms,
    pub login: Option<Login>,
    /// After so many a connection is not used again.
    pub transactions_max: u32,
    /// The name in EHLO; empty: the address literal of our end (RFC 5321 section 4.1.4).
    pub hello: String,
    pub tls_client: TlsClient,
    pub deadlines: Arc<Deadlines>,
}

impl Hop {
    /// Opens a connection: each address is tried, until one speaks to us.
    pub async fn dial(&self) -> Result<Connection, ClientError> {
        let mut last = self.unreachable("it has no address");
        for address in self.resolve().await? {
            match self.dial_address(address).await {
                Ok(mut connection) => {
                    connection.host.clone_from(&self.host);
                    connection.source = self.source(address);
                    connection.transactions_max = self.transactions_max;
                    return Ok(connection);
                }
                // Another address of the same host would say the same, and might count a failed login.
                Err(refusal @ ClientError::Refused(Step::Auth, _)) => return Err(refusal),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Where it is, as far as it is tried.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, ClientError> {
        if !self.addresses.is_empty() {
            return Ok(self.addresses.iter().copied().take(ADDRESSES_MAX).collect());
        }
        match timeout(self.deadlines.connect, lookup_host((self.host.as_str(), self.port))).await {
            Ok(Ok(found)) => Ok(found.take(ADDRESSES_MAX).collect()),
            Ok(Err(e)) => Err(self.unreachable(&e.to_string())),
            Err(_) => Err(self.unreachable("its name was not resolved in time")),
        }
    }

    fn unreachable(&self, cause: &str) -> ClientError {
        ClientError::Unreachable { peer: format!("{}:{}", self.host, self.port), cause: cause.to_owned() }
    }

    async fn dial_address(&self, address: SocketAddr) -> Result<Connection, ClientError> {
        match self.converse(address, true).await {
            // RFC 7435: what is only opportunistic must not keep the mail back. Once, in the clear, on a new connection.
            Err(ClientError::Tls(cause)) if self.terms.is_opportunistic() && !self.guards_a_password(address) => {
                tracing::warn!(%address, cause, "no TLS could be had; going on without");
                let mut connection = self.converse(address, false).await?;
                connection.protection = Protection::Clear { because: Some(cause) };
                Ok(connection)
            }
            result => result,
        }
    }

    /// A password is never offered to whoever broke the handshake.
    fn guards_a_password(&self, address: SocketAddr) -> bool {
        self.login.is_some() && !address.ip().to_canonical().is_loopback()
    }

    async fn converse(&self, address: SocketAddr, may_encrypt: bool) -> Result<Connection, ClientError> {
        let tcp = self.connect(address).await?;
        let _ = tcp.set_nodelay(true);
        let mut connection = if self.terms.is_implicit() {
            self.encrypt(tcp, Requirement::Certified, self.deadlines.clone()).await?
        } else {
            Connection::new(Stream::Plain(tcp), self.deadlines.clone())
        };
        connection.expect_greeting().await?;
        connection.hello(&self.hello).await?;
        if !connection.is_encrypted() && may_encrypt && !self.terms.is_clear() {
            connection = self.upgrade(connection).await?;
        }
        if let Some(login) = &self.login {
            connection.authenticate(login).await?;
        }
        Ok(connection)
    }

    async fn connect(&self, address: SocketAddr) -> Result<TcpStream, ClientError> {
        let connecting = async {
            let Some(source) = self.source(address) else { return TcpStream::connect(address).await };
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            let named = |e: io::Error| io::Error::new(e.kind(), format!("from {source}: {e}"));
            socket.bind(SocketAddr::new(source, 0)).map_err(named)?;
            socket.connect(address).await.map_err(named)
        };
        match timeout(self.deadlines.connect, connecting).await {
            Ok(Ok(tcp)) => Ok(tcp),
            Ok(Err(e)) => Err(self.unreachable(&e.to_string())),
            Err(_) => Err(self.unreachable("it did not answer in time")),
        }
    }

    /// What a connection to this address is bound to.
    fn source(&self, address: SocketAddr) -> Option<IpAddr> {
        self.sources.iter().copied().find(|source| source.is_ipv4() == address.is_ipv4())
    }

    /// With a password to keep, opportunistic off this machine means required.
    fn requirement(&self, connection: &Connection) -> Requirement {
        match &self.terms {
            Terms::Direct(requirement) => requirement.clone(),
            Terms::Relay(tls) if *tls == RelayTls::Required => Requirement::Certified,
            Terms::Relay(_) if self.login.is_some() && !connection.is_loopback() => Requirement::Certified,
            Terms::Relay(_) => Requirement::Opportunistic,
        }
    }

    /// STARTTLS as the terms have it.
    async fn upgrade(&self, mut connection: Connection) -> Result<Connection, ClientError> {
        let requirement = self.requirement(&connection);
        let required = requirement.is_binding();
        if !connection.extensions().starttls {
            let missing = || ClientError::Insecure("TLS is required, and STARTTLS is not offered".to_owned());
            return if required { Err(missing()) } else { Ok(connection) };
        }
        let reply = connection.command("STARTTLS", Step::StartTls).await.map_err(broken_off)?;
        if reply.code != 220 {
            if required || reply.code == 421 {
                return Err(ClientError::Refused(Step::StartTls, reply));
            }
            connection.protection = Protection::Clear { because: Some(reply.to_string()) };
            return Ok(connection);
        }
        let (stream, deadlines) = connection.into_transport()?;
        let Stream::Plain(tcp) = stream else { return Err(ClientError::Tls("STARTTLS within TLS".to_owned())) };
        // RFC 3207 section 4.2: everything learnt in the clear is forgotten; a new conversation begins.
        let mut connection = self.encrypt(tcp, requirement, deadlines).await?;
        // With TLS 1.3 a peer that refuses our part of the handshake is heard only now.
        connection.hello(&self.hello).await.map_err(broken_off)?;
        Ok(connection)
    }

    async fn encrypt(
        &self,
        tcp: TcpStream,
        requirement: Requirement,
        deadlines: Arc<Deadlines>,
    ) -> Result<Connection, ClientError> {
        // RFC 7672 section 8.1: a host may have another certificate for each name that its TLSA records stand under. The name of a domain
        // literal's host stands in brackets.
        let name = if let Requirement::Dane(dane) = &requirement { &dane.base } else { &self.host };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|e| ClientError::Tls(e.to_string()))?;
        let (connector, judge) = self.tls_client.connector(requirement).map_err(ClientError::Tls)?;
        let tls = match timeout(self.deadlines.handshake, connector.connect(name, tcp)).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(e)) => return Err(refusal(&judge, &e)),
            Err(_) => return Err(ClientError::Tls("it took too long".to_owned())),
        };
        let protection = negotiated(tls.get_ref().1, &judge);
        let mut connection = Connection::new(Stream::Tls(Box::new(tls)), deadlines);
        connection.protection = protection;
        Ok(connection)
    }
}

/// Who ends the conversation over TLS, or lets it hang, has failed at that, and may speak in the clear.
fn broken_off(failure: ClientError) -> ClientError {
    match failure {
        ClientError::Closed(_) | ClientError::Timeout(_) => ClientError::Tls(failure.to_string()),
        other => other,
    }
}

/// A handshake fails by the judge's will, or on its own.
fn refusal(judge: &Judge, failure: &io::Error) -> ClientError {
    match judge.found() {
        Some(Err((result, cause))) => ClientError::Untrusted(*result, cause.clone()),
        _ => ClientError::Tls(failure.to_string()),
    }
}

fn negotiated(session: &rustls::ClientConnection, judge: &Judge) -> Protection {
    let protocol = session.protocol_version().and_then(|version| version.as_str());
    let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let verified = match judge.found() {
        Some(Ok(verified)) => verified.clone(),
        _ => Verified::Not(TlsResult::ValidationFailure, "no certificate was looked at".to_owned()),
    };
    Protection::Tls { protocol: protocol_name(protocol), cipher: cipher.unwrap_or_default().to_owned(), verified }
}

/// `TLSv1_3` as everybody writes it.
fn protocol_name(name: Option<&str>) -> String {
    name.unwrap_or_default().replace('_', ".")
}

impl Connection {
    async fn expect_greeting(&mut self) -> Result<(), ClientError> {
        let reply = self.reply(Step::Greeting).await?;
        if reply.code == 220 { Ok(()) } else { Err(ClientError::Refused(Step::Greeting, reply)) }
    }

    /// EHLO, or HELO where that is not known (RFC 5321 section 3.2).
    async fn hello(&mut self, name: &str) -> Result<(), ClientError> {
        let name = if name.is_empty() { self.own_literal() } else { name.to_owned() };
        let reply = self.command(&format!("EHLO {name}"), Step::Hello).await?;
        if reply.is_positive() {
            self.extensions = Extensions::from_reply(&reply);
            return Ok(());
        }
        if reply.is_permanent() {
            let reply = self.command(&format!("HELO {name}"), Step::Hello).await?;
            return if reply.is_positive() { Ok(()) } else { Err(ClientError::Refused(Step::Hello, reply)) };
        }
        Err(ClientError::Refused(Step::Hello, reply))
    }

    /// RFC 5321 section 4.1.3.
    fn own_literal(&self) -> String {
        match self.stream().local().map(|end| end.ip().to_canonical()) {
            Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Ok(IpAddr::V4(address)) => format!("[{address}]"),
            Err(_) => "localhost".to_owned(),
        }
    }
}
