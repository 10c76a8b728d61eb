//! The policy over HTTPS (RFC 8461 section 3.3).

use std::net::IpAddr;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::policy::Policy;
use crate::delivery::client::tls::{TlsClient, Uncertified};
use crate::delivery::dns::{Answer as Found, DnsError};
use crate::delivery::security::result::TlsResult;
use crate::net::exchange::{self, Answer, Beginning};
use crate::net::guard;

/// RFC 8461 section 3.3 suggests a minute for it all.
const PATIENCE: Duration = Duration::from_mins(1);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Octets of a policy: a quarter of what is suggested there, since tens of thousands are kept in memory, and few take one thousand.
const TEXT_MAX: usize = 16 * 1024;
/// Addresses that are tried.
const ADDRESSES_MAX: usize = 4;

/// How a policy could not be had, and why in words.
type Failure = (TlsResult, String);

/// Fetches policies.
#[derive(Clone)]
pub struct Fetcher {
    tls: TlsClient,
    port: u16,
    allow_private_addresses: bool,
}

impl Fetcher {
    /// Trusts whom `tls` trusts; 443 is the port, but in a laboratory.
    pub fn new(tls: TlsClient, port: u16, allow_private_addresses: bool) -> Self {
        Self { tls, port, allow_private_addresses }
    }

    /// The policy that is to be had from `host`, of which this was found.
    pub async fn fetch(&self, host: &str, found: Result<Found<IpAddr>, DnsError>) -> Result<Policy, Failure> {
        let found = found.map_err(fetch_error)?.records;
        let text = match timeout(PATIENCE, self.text(host, found)).await {
            Ok(text) => text?,
            Err(_) => return Err(fetch_error("not in time")),
        };
        Policy::parse(&text).map_err(|cause| (TlsResult::StsPolicyInvalid, cause))
    }

    async fn text(&self, host: &str, found: Vec<IpAddr>) -> Result<String, Failure> {
        let stream = self.connect(host, found).await?;
        let request = Request::get("/.well-known/mta-sts.txt").header(HOST, host).body(String::new()).map_err(fetch_error)?;
        text_of(exchange::ask(stream, request).await.map_err(fetch_error)?).await
    }

    async fn connect(&self, host: &str, found: Vec<IpAddr>) -> Result<TlsStream<TcpStream>, Failure> {
        let reachable: Vec<IpAddr> = found.into_iter().filter(|&ip| self.may_be_reached(ip)).take(ADDRESSES_MAX).collect();
        if reachable.is_empty() {
            return Err(fetch_error("it has no address on the Internet"));
        }
        let tcp = exchange::dial(&reachable, self.port, CONNECT_PATIENCE).await.map_err(fetch_error)?;
        self.tls.certified(host, tcp).await.map_err(|failure| match failure {
            Uncertified::Certificate(cause) => (TlsResult::StsWebpkiInvalid, cause),
            Uncertified::Handshake(cause) => fetch_error(cause),
        })
    }

    fn may_be_reached(&self, ip: IpAddr) -> bool {
        guard::is_of_a_host(ip) && (self.allow_private_addresses || guard::is_public(ip))
    }
}

fn fetch_error(cause: impl ToString) -> Failure {
    (TlsResult::StsPolicyFetchError, cause.to_string())
}

/// RFC 8461 section 3.3: only 200 will do, so that nobody is redirected; and text/plain, lest what users upload be taken for it.
async fn text_of(mut answer: Answer) -> Result<String, Failure> {
    let head = answer.head();
    if head.status() != StatusCode::OK {
        return Err(fetch_error(format!("the answer is {}", head.status())));
    }
    let kind = head.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/plain")) {
        return Err(fetch_error(format!("it is no text/plain, but {kind:?}")));
    }
    let mut text = Beginning::default();
    answer.read(&mut text, TEXT_MAX, TEXT_MAX).await.map_err(fetch_error)?;
    if !text.has_ended {
        return Err(fetch_error("it is too long"));
    }
    String::from_utf8(text.octets).map_err(|_| (TlsResult::StsPolicyInvalid, "it is no UTF-8".to_owned()))
}
