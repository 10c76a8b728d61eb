//! Whether the links of a domain's own name lead here: one is followed as a reader would.
//!
//! A CNAME says where a name leads, and not whether a certificate of that name is shown there: links that are put below it too early end in a
//! warning, every one of them. What follows here can be answered by this house alone, and only when it is asked by that very name: a
//! link that is sealed for it, on to a target that nobody else knows of.

use std::net::IpAddr;
use std::time::Duration;

use hyper::header::{CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use url::{Position, Url};

use crate::config::Config;
use crate::delivery::client::tls::{TlsClient, Uncertified};
use crate::delivery::dns::Resolver;
use crate::id::Id;
use crate::net::{exchange, guard};
use crate::store::secrets::LINKS;
use crate::store::{Store, StoreError};
use crate::tracking::links::{Links, at_host};
use crate::tracking::token::{Purpose, Seal, Token};

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of that, for a connection to each address.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// Addresses that are tried.
const ADDRESSES_MAX: usize = 3;
const AGENT: &str = concat!("Posthouse/", env!("CARGO_PKG_VERSION"));

/// Follows links. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    tls: TlsClient,
    public_url: String,
    allow_private_addresses: bool,
}

impl Reader {
    /// From the configuration; reads the file of certificates that it names.
    pub fn new(config: &Config) -> Result<Self, String> {
        let ca = match config.tracking.ca.as_str() {
            "" => Vec::new(),
            file => std::fs::read(file).map_err(|e| format!("tracking.ca = {file:?}: {e}"))?,
        };
        let tls = TlsClient::new(&ca).map_err(|e| format!("tracking.ca: {e}"))?;
        let allow_private_addresses = config.delivery.direct.allow_private_addresses;
        Ok(Self { tls, public_url: config.public_url.clone(), allow_private_addresses })
    }

    /// Follows a link below `host`, as mail would have it; what a reader finds there instead is told in words. In the clear nothing has to
    /// be shown, and nothing is followed.
    pub async fn follow(&self, store: &Store, resolver: &Resolver, host: &str) -> Result<Result<(), String>, StoreError> {
        let Some(base) = at_host(&self.public_url, host).filter(|base| base.scheme() == "https") else { return Ok(Ok(())) };
        let seal = Seal::new(&store.secret(LINKS).await?);
        // Of no message, so that nothing is written of it. RFC 2606 section 2: nobody is there.
        let target = format!("https://{:016x}.invalid/", rand::random::<u64>());
        let token = Token { purpose: Purpose::Click(target.clone()), message: Id([0; 16]), recipient: None };
        let link = Links::new(base.as_str(), &seal).link(&token);
        let answered = timeout(PATIENCE, self.answer(resolver, &link, &target)).await;
        let answered = answered.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let place = &base[..Position::BeforePath];
        Ok(answered.map_err(|why| format!("the CNAME is there, but {place} does not lead here: {why}")))
    }

    async fn answer(&self, resolver: &Resolver, link: &str, target: &str) -> Result<(), String> {
        let link = Url::parse(link).map_err(|e| e.to_string())?;
        let stream = self.connect(resolver, &link).await?;
        let request = Request::get(link.path())
            .header(HOST, &link[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, "close");
        let request = request.body(String::new()).map_err(|e| e.to_string())?;
        let answer = exchange::ask(stream, request).await.map_err(|e| format!("no answer: {e}"))?;
        let (status, location) = (answer.head().status(), answer.head().headers().get(LOCATION));
        if status == StatusCode::FOUND && location.is_some_and(|location| location == target) {
            return Ok(());
        }
        Err(format!("the answer to a link is {status}, from elsewhere or to another Host than was asked for"))
    }

    async fn connect(&self, resolver: &Resolver, link: &Url) -> Result<TlsStream<TcpStream>, String> {
        let (host, port) = (link.host_str().unwrap_or_default(), link.port_or_known_default().unwrap_or(443));
        let found = resolver.addresses(host).await.map_err(|e| format!("its address is not found: {e}"))?.records;
        let reachable: Vec<IpAddr> = found.into_iter().filter(|&ip| self.may_be_reached(ip)).take(ADDRESSES_MAX).collect();
        if reachable.is_empty() {
            return Err("it has no address on the Internet".to_owned());
        }
        let tcp = exchange::dial(&reachable, port, CONNECT_PATIENCE).await?;
        self.tls.certified(host, tcp).await.map_err(|failure| match failure {
            Uncertified::Certificate(cause) => format!("its certificate will not do: {cause}"),
            Uncertified::Handshake(cause) => format!("no TLS: {cause}"),
        })
    }

    fn may_be_reached(&self, ip: IpAddr) -> bool {
        guard::is_of_a_host(ip) && (self.allow_private_addresses || guard::is_public(ip))
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}
