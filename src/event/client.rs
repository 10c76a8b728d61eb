//! Calls an endpoint: one POST, to an address that was looked at, within a deadline, and no further than its first answer.
//!
//! Where one call follows another the connection is kept ([`Line`]): so is the address that was looked at.

use std::net::IpAddr;
use std::time::Duration;

use hyper::Request;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use tokio::time::{Instant, timeout, timeout_at};

use super::line::Line;
use super::sign::Header;
use super::target::Target;
use crate::config::Config;
use crate::delivery::client::tls::{TlsClient, Uncertified};
use crate::delivery::dns::{DnsError, Purpose, Resolver};
use crate::net::exchange::{self, Answer, Beginning};

/// For a call, all in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a look at an address that is given.
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(3);
/// Of a call, for the connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// The reading of an answer ends so much earlier, so that what was read can be told.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;
/// Of a call, for the body of an answer whose head is there: that says all that matters.
const BODY_PATIENCE: Duration = Duration::from_secs(2);
/// Octets of an answer that are read.
const ANSWER_MAX: usize = 4096;
/// Characters of what went wrong.
const ERROR_MAX: usize = 500;
const AGENT: &str = concat!("Posthouse/", env!("CARGO_PKG_VERSION"));

/// Who calls. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    /// For endpoints that answer, and for those of which that is not known.
    proven: Resolver,
    unproven: Resolver,
    tls: TlsClient,
    allow_insecure: bool,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// HTTP's; `None`: there was no answer.
    pub status: Option<u16>,
    pub latency: Duration,
    /// The first 4 KiB of the answer's body; what is no text in it is replaced.
    pub answer: String,
    /// Why it counts as failed; `None`: it does not.
    pub error: Option<String>,
}

/// Why there is no answer.
enum Uncalled {
    /// Its host was not looked up, for no fault of its own.
    Unasked,
    Failed(String),
}

impl From<String> for Uncalled {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

impl Client {
    /// From the configuration; reads the file of certificates that it names.
    pub fn new(config: &Config, resolver: Resolver) -> Result<Self, String> {
        let ca = match config.webhooks.ca.as_str() {
            "" => Vec::new(),
            file => std::fs::read(file).map_err(|e| format!("webhooks.ca = {file:?}: {e}"))?,
        };
        let tls = TlsClient::new(&ca).map_err(|e| format!("webhooks.ca: {e}"))?;
        let [proven, unproven] = [true, false].map(|proven| resolver.asking_for(Purpose::Call { proven }));
        Ok(Self { proven, unproven, tls, allow_insecure: config.webhooks.allow_insecure })
    }

    /// Whether the address may be called, as far as it can be told now: a host that is not found may be so another time.
    pub async fn check(&self, url: &str) -> Result<(), String> {
        let target = Target::parse(url, self.allow_insecure)?;
        if target.literal().is_some() {
            return Ok(());
        }
        match timeout(LOOK_UP_PATIENCE, self.unproven.addresses(&target.host())).await {
            Ok(Ok(found)) => found.records.into_iter().try_for_each(|ip| target.check(ip)),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Calls `url` with these headers and this JSON, over a connection of `line` where there is one, as for endpoints that answer, and else over
    /// its own. `None`: it was not called, since too many names were looked up at once.
    pub async fn post(&self, url: &str, headers: Vec<Header>, body: &str, line: Option<&Line>) -> Option<Called> {
        let begun = Instant::now();
        let until = begun + PATIENCE;
        let mut called = match timeout_at(until, self.call(url, &headers, body, line, until)).await {
            Ok(Ok(called)) => called,
            Ok(Err(Uncalled::Unasked)) => return None,
            Ok(Err(Uncalled::Failed(error))) => {
                Called { error: Some(error.chars().take(ERROR_MAX).collect()), ..Called::default() }
            }
            Err(_) => Called { error: Some("no answer in time".to_owned()), ..Called::default() },
        };
        called.latency = begun.elapsed();
        Some(called)
    }

    async fn call(
        &self,
        url: &str,
        headers: &[Header],
        body: &str,
        line: Option<&Line>,
        until: Instant,
    ) -> Result<Called, Uncalled> {
        let target = Target::parse(url, self.allow_insecure)?;
        let request = || request(&target, headers, body, line.is_some()).map_err(|e| e.to_string());
        let mut answer = match self.over_kept(url, request()?, line).await {
            Some(answer) => answer,
            None => self.over_new(&target, request()?, line.is_some()).await?,
        };
        // What was read until then of an answer that does not end is worth telling: its reading ends a little earlier than all else.
        let called = told(&mut answer, until - ANSWER_MARGIN).await;
        if let (Some(line), Some(connection)) = (line, answer.into_connection()) {
            line.keep(connection, url);
        }
        Ok(called)
    }

    /// Asks over a connection that was kept, if there is one. One that its server has closed says nothing of the endpoint.
    async fn over_kept(&self, url: &str, request: Request<String>, line: Option<&Line>) -> Option<Answer> {
        let connection = line?.take(url)?;
        connection.ask(request).await.inspect_err(|error| tracing::debug!(%error, "a kept connection was of no use")).ok()
    }

    async fn over_new(&self, target: &Target, request: Request<String>, proven: bool) -> Result<Answer, Uncalled> {
        let addresses = self.addresses(target, proven).await?;
        let patience = CONNECT_PATIENCE / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let tcp = exchange::dial(&addresses, target.port(), patience).await?;
        let answer = if target.is_encrypted() {
            let stream = self.tls.certified(&target.host(), tcp).await.map_err(|failure| match failure {
                Uncertified::Certificate(cause) => format!("its certificate will not do: {cause}"),
                Uncertified::Handshake(cause) => format!("no TLS: {cause}"),
            })?;
            exchange::ask(stream, request).await
        } else {
            exchange::ask(tcp, request).await
        };
        Ok(answer.map_err(|e| format!("no answer: {e}"))?)
    }

    /// The addresses of the host, each of which may be called: of one that leads anywhere else nothing is trusted.
    async fn addresses(&self, target: &Target, proven: bool) -> Result<Vec<IpAddr>, Uncalled> {
        if let Some(ip) = target.literal() {
            return Ok(vec![ip]);
        }
        let resolver = if proven { &self.proven } else { &self.unproven };
        let mut found = match resolver.addresses(&target.host()).await {
            Ok(found) => found.records,
            Err(DnsError::Unasked) => return Err(Uncalled::Unasked),
            Err(failure) => return Err(Uncalled::Failed(format!("its host is not found: {failure}"))),
        };
        found.iter().try_for_each(|&ip| target.check(ip))?;
        found.truncate(ADDRESSES_MAX);
        Ok(found)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("allow_insecure", &self.allow_insecure).finish_non_exhaustive()
    }
}

/// `is_kept`: whether there may be another over the same connection.
fn request(target: &Target, headers: &[Header], body: &str, is_kept: bool) -> Result<Request<String>, hyper::http::Error> {
    let mut request = Request::post(target.path())
        .header(HOST, target.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, AGENT);
    if !is_kept {
        request = request.header(CONNECTION, "close");
    }
    headers.iter().fold(request, |request, (name, value)| request.header(*name, value)).body(body.to_owned())
}

/// What the answer came to. Its head decides: whoever says 2xx has what was sent, whatever follows.
async fn told(answer: &mut Answer, until: Instant) -> Called {
    let status = answer.head().status();
    let mut beginning = Beginning::default();
    let until = until.min(Instant::now() + BODY_PATIENCE);
    let read = timeout_at(until, answer.read(&mut beginning, ANSWER_MAX, ANSWER_MAX)).await;
    if !beginning.has_ended {
        tracing::debug!(%status, ?read, "the rest of an answer was not read");
    }
    let error = match status.as_u16() {
        200..300 => None,
        300..400 => Some(format!("the answer is {status}; no other address is called")),
        _ => Some(format!("the answer is {status}")),
    };
    let answer = String::from_utf8_lossy(&beginning.octets).replace('\0', "\u{fffd}");
    Called { status: Some(status.as_u16()), latency: Duration::ZERO, answer, error }
}
