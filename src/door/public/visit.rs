//! Who holds a link: which one, where they are, and whether they are a person at all.

use std::net::IpAddr;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::header::{HOST, USER_AGENT};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method};
use ipnet::IpNet;

use super::{Problem, Public};
use crate::config::Config;
use crate::door::caller::peer;
use crate::mime::text::clipped;
use crate::model::engagement::Visitor;
use crate::tracking::agents;
use crate::tracking::token::Token;

/// Octets of what a program calls itself that are kept.
const USER_AGENT_MAX: usize = 500;
/// Addresses that one request names as those it came through.
const HOPS_MAX: usize = 50;

/// A visit by a link of ours; without one there is none.
pub(super) struct Visit {
    pub token: Token,
    /// By which the link was asked for: lower case, no port.
    pub host: String,
    pub by: Visitor,
}

/// The networks that the operator told of.
#[derive(Debug)]
pub struct Networks {
    /// Of proxies that tell whom they ask for.
    trusted: Vec<IpNet>,
    /// Of programs that open and click by themselves.
    automated: Vec<IpNet>,
}

impl FromRequestParts<Public> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, public: &Public) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, public).await;
        // What is no text is no token either.
        let Path(text) = path.map_err(|_| Problem::NotFound)?;
        let host = host(parts);
        let token = public.read(&text, &host).await?;
        Ok(Self { token, host, by: public.networks.visitor(parts) })
    }
}

impl Networks {
    /// As the operator chose them.
    pub fn new(config: &Config) -> Self {
        Self { trusted: config.http.trusted_proxies.clone(), automated: config.tracking.automated_networks.clone() }
    }

    /// Who makes a request.
    pub fn visitor(&self, parts: &Parts) -> Visitor {
        let field = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let user_agent = parts.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let user_agent = clipped(user_agent.unwrap_or_default(), USER_AGENT_MAX);
        let ip = self.origin(peer(parts), &parts.headers);
        // No mail program asks for a picture's head alone.
        let automated = parts.method == Method::HEAD
            || agents::is_ahead(field)
            || agents::is_machine(&user_agent)
            || holds(&self.automated, ip);
        Visitor { ip, user_agent, automated }
    }

    /// Where the request comes from: of those whom X-Forwarded-For names, the last that is no proxy of ours. What a stranger writes there
    /// is not believed.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let fields = headers.get_all("x-forwarded-for").iter().rev();
        let named = fields.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).map(address).take(HOPS_MAX);
        let mut origin = peer;
        for hop in named {
            match hop.filter(|_| holds(&self.trusted, origin)) {
                Some(hop) => origin = hop,
                None => break,
            }
        }
        origin
    }
}

/// The host that was asked: lower case, no port; empty when none was named. A target in absolute form goes before the field (RFC 9112
/// section 3.2.2).
fn host(parts: &Parts) -> String {
    let field = parts.headers.get(HOST).and_then(|value| Authority::try_from(value.as_bytes()).ok());
    let named = parts.uri.host().or_else(|| field.as_ref().map(Authority::host)).unwrap_or_default();
    named.trim_end_matches('.').to_ascii_lowercase()
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse::<IpAddr>().ok().or_else(with_port).or_else(bracketed).map(|ip| ip.to_canonical())
}

fn holds(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use axum::http::Request;

    use super::*;

    fn visitor(peer: &str, headers: &[(&str, &str)]) -> Visitor {
        let net = |text: &str| text.parse().expect("a network");
        let networks = Networks {
            trusted: vec![net("127.0.0.0/8"), net("10.0.0.0/8"), net("::1/128")],
            automated: vec![net("192.0.2.0/24")],
        };
        let peer: IpAddr = peer.parse().expect("an address");
        let request = Request::get("/").extension(ConnectInfo(SocketAddr::from((peer, 1))));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        networks.visitor(&request.body(()).expect("a request").into_parts().0)
    }

    fn origin(peer: &str, fields: &[&str]) -> String {
        let headers: Vec<_> = fields.iter().map(|value| ("x-forwarded-for", *value)).collect();
        visitor(peer, &headers).ip.to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(origin("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(origin("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(origin("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(origin("::ffff:127.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(origin("::1", &["[2001:db8::1]", "10.1.2.3"]), "2001:db8::1");
        assert_eq!(
            origin("127.0.0.1", &["1.1.1.1, 198.51.100.1,10.0.0.9 , 10.0.0.8"]),
            "198.51.100.1",
            "what it made up stays unread"
        );
        for odd in ["", "unknown", "198.51.100.1, unknown", "_hidden"] {
            assert_eq!(origin("127.0.0.1", &[odd]), "127.0.0.1", "{odd}");
        }
        assert_eq!(origin("127.0.0.1", &[&format!("198.51.100.1,{}10.0.0.2", "10.0.0.1,".repeat(5000))]), "10.0.0.1");
    }

    #[test]
    fn programs_are_told_from_people() {
        let firefox = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
        assert!(!visitor("203.0.113.9", &[firefox]).automated);
        assert!(visitor("203.0.113.9", &[]).automated);
        assert!(visitor("203.0.113.9", &[firefox, ("sec-purpose", "prefetch;prerender")]).automated);
        assert!(visitor("192.0.2.9", &[firefox]).automated);
        assert!(visitor("127.0.0.1", &[firefox, ("x-forwarded-for", "192.0.2.9")]).automated);
        let long = visitor("203.0.113.9", &[("user-agent", &"x".repeat(2000))]);
        assert_eq!(long.user_agent.len(), USER_AGENT_MAX);
    }
}
