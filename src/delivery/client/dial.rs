//! From a host's name to a connection that is ready for mail: addresses, greeting, EHLO, STARTTLS, AUTH.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::config::RelayTls;
use crate::delivery::client::auth::Login;
use crate::delivery::client::connection::Connection;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::error::{ClientError, Step};
use crate::delivery::client::extensions::Extensions;
use crate::delivery::client::stream::Stream;
use crate::delivery::client::tls::TlsClient;

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// A next hop, and on what terms it is spoken to.
#[derive(Clone)]
pub struct Hop {
    pub host: String,
    pub port: u16,
    pub tls: RelayTls,
    pub login: Option<Login>,
    /// The name in EHLO; empty: the address literal of our end (RFC 5321 section 4.1.4).
    pub hello: String,
    pub tls_client: TlsClient,
    pub deadlines: Arc<Deadlines>,
}

impl Hop {
    /// Opens a connection: each address is tried, until one speaks to us.
    pub async fn dial(&self) -> Result<Connection, ClientError> {
        let mut last = self.unreachable("it has no address");
        for address in self.addresses().await? {
            match self.dial_address(address).await {
                Ok(connection) => return Ok(connection),
                // Another address of the same host would say the same, and might count a failed login.
                Err(refusal @ ClientError::Refused(Step::Auth, _)) => return Err(refusal),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, ClientError> {
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
            Err(ClientError::Tls(cause)) if self.tls == RelayTls::Opportunistic && !self.guards_a_password(address) => {
                tracing::warn!(%address, cause, "TLS handshake failed; going on without");
                self.converse(address, false).await
            }
            result => result,
        }
    }

    /// A password is never offered to whoever broke the handshake.
    fn guards_a_password(&self, address: SocketAddr) -> bool {
        self.login.is_some() && !address.ip().to_canonical().is_loopback()
    }

    async fn converse(&self, address: SocketAddr, may_encrypt: bool) -> Result<Connection, ClientError> {
        let tcp = match timeout(self.deadlines.connect, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(e)) => return Err(self.unreachable(&e.to_string())),
            Err(_) => return Err(self.unreachable("it did not answer in time")),
        };
        let _ = tcp.set_nodelay(true);
        let stream = if self.tls == RelayTls::Implicit { self.encrypt(tcp, true).await? } else { Stream::Plain(tcp) };
        let mut connection = Connection::new(stream, self.deadlines.clone());
        connection.expect_greeting().await?;
        connection.hello(&self.hello).await?;
        if !connection.is_encrypted() && may_encrypt && self.tls != RelayTls::None {
            connection = self.upgrade(connection).await?;
        }
        if let Some(login) = &self.login {
            connection.authenticate(login).await?;
        }
        Ok(connection)
    }

    /// STARTTLS as the terms have it: with a password to keep, opportunistic off this machine means required.
    async fn upgrade(&self, mut connection: Connection) -> Result<Connection, ClientError> {
        let required = self.tls == RelayTls::Required || (self.login.is_some() && !connection.is_loopback());
        if !connection.extensions().starttls {
            let missing = || ClientError::Insecure("TLS is required, and STARTTLS is not offered".to_owned());
            return if required { Err(missing()) } else { Ok(connection) };
        }
        let reply = connection.command("STARTTLS", Step::StartTls).await?;
        if reply.code != 220 {
            return if required || reply.code == 421 { Err(ClientError::Refused(Step::StartTls, reply)) } else { Ok(connection) };
        }
        let (stream, deadlines) = connection.into_transport()?;
        let Stream::Plain(tcp) = stream else { return Err(ClientError::Tls("STARTTLS within TLS".to_owned())) };
        // RFC 3207 section 4.2: everything learnt in the clear is forgotten; a new conversation begins.
        let mut connection = Connection::new(self.encrypt(tcp, required).await?, deadlines);
        connection.hello(&self.hello).await?;
        Ok(connection)
    }

    async fn encrypt(&self, tcp: TcpStream, verify: bool) -> Result<Stream, ClientError> {
        let name = ServerName::try_from(self.host.clone()).map_err(|e| ClientError::Tls(e.to_string()))?;
        let handshake = self.tls_client.connector(verify).connect(name, tcp);
        match timeout(self.deadlines.handshake, handshake).await {
            Ok(Ok(tls)) => Ok(Stream::Tls(Box::new(tls))),
            Ok(Err(e)) => Err(ClientError::Tls(e.to_string())),
            Err(_) => Err(ClientError::Tls("it took too long".to_owned())),
        }
    }
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
            Ok(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Ok(std::net::IpAddr::V4(address)) => format!("[{address}]"),
            Err(_) => "localhost".to_owned(),
        }
    }
}
