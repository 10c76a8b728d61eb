//! The policy over HTTPS (RFC 8461 section 3.3).

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::policy::Policy;
use crate::delivery::client::tls::TlsClient;
use crate::delivery::dns::Resolver;
use crate::delivery::guard;
use crate::delivery::security::requirement::Requirement;
use crate::delivery::security::result::TlsResult;

/// RFC 8461 section 3.3 suggests a minute for it all, and 64 KiB.
const PATIENCE: Duration = Duration::from_mins(1);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const TEXT_MAX: usize = 64 * 1024;
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

    /// The domain's policy (A-labels, lower case).
    pub async fn fetch(&self, resolver: &Resolver, domain: &str) -> Result<Policy, Failure> {
        let text = match timeout(PATIENCE, self.text(resolver, domain)).await {
            Ok(text) => text?,
            Err(_) => return Err(fetch_error("not in time")),
        };
        Policy::parse(&text).map_err(|cause| (TlsResult::StsPolicyInvalid, cause))
    }

    async fn text(&self, resolver: &Resolver, domain: &str) -> Result<String, Failure> {
        let host = format!("mta-sts.{domain}");
        let stream = self.connect(resolver, &host).await?;
        let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(fetch_error)?;
        // Ends with this set, when the text is here or the time is over.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::get("/.well-known/mta-sts.txt").header(HOST, &host).body(String::new()).map_err(fetch_error)?;
        text_of(requests.send_request(request).await.map_err(fetch_error)?).await
    }

    async fn connect(&self, resolver: &Resolver, host: &str) -> Result<TlsStream<TcpStream>, Failure> {
        let found = resolver.addresses(host).await.map_err(fetch_error)?.records;
        let reachable = found.into_iter().filter(|&ip| self.may_be_reached(ip)).take(ADDRESSES_MAX);
        let mut last = fetch_error("it has no address on the Internet");
        for ip in reachable {
            match timeout(CONNECT_PATIENCE, TcpStream::connect(SocketAddr::new(ip, self.port))).await {
                Ok(Ok(tcp)) => return self.encrypt(host, tcp).await,
                Ok(Err(e)) => last = fetch_error(e),
                Err(_) => last = fetch_error("no connection in time"),
            }
        }
        Err(last)
    }

    fn may_be_reached(&self, ip: IpAddr) -> bool {
        guard::is_of_a_host(ip) && (self.allow_private_addresses || guard::is_public(ip))
    }

    async fn encrypt(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(host.to_owned()).map_err(fetch_error)?;
        let (connector, judge) = self.tls.connector(Requirement::Certified).map_err(fetch_error)?;
        connector.connect(name, tcp).await.map_err(|e| match judge.found() {
            Some(Err((_, cause))) => (TlsResult::StsWebpkiInvalid, cause.clone()),
            _ => fetch_error(e),
        })
    }
}

fn fetch_error(cause: impl ToString) -> Failure {
    (TlsResult::StsPolicyFetchError, cause.to_string())
}

/// RFC 8461 section 3.3: only 200 will do, so that nobody is redirected; and text/plain, lest what users upload be taken for it.
async fn text_of(response: Response<Incoming>) -> Result<String, Failure> {
    if response.status() != StatusCode::OK {
        return Err(fetch_error(format!("the answer is {}", response.status())));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/plain")) {
        return Err(fetch_error(format!("it is no text/plain, but {kind:?}")));
    }
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(fetch_error)?.into_data() else { continue };
        if text.len() + data.len() > TEXT_MAX {
            return Err(fetch_error("it is too long"));
        }
        text.extend_from_slice(&data);
    }
    String::from_utf8(text).map_err(|_| (TlsResult::StsPolicyInvalid, "it is no UTF-8".to_owned()))
}
