//! Who calls over HTTP: the peer, the credentials that came along, and whose key they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::keyring::{Denied, Keyring};
use super::logins::Logins;
use crate::model::key::{ApiKey, Secret};

/// Asks the keyring. A wrong key is answered later and later; nobody else waits for that.
pub async fn authenticate(keyring: &Keyring, logins: &Logins, parts: &Parts, secret: &Secret) -> Result<Arc<ApiKey>, Denied> {
    let peer = peer(parts);
    let found = keyring.authenticate(secret, peer).await;
    if let Err(denied) = &found
        && *denied != Denied::Unavailable
    {
        tracing::info!(%peer, ?denied, "a key was refused over HTTP");
        tokio::time::sleep(logins.failed(peer, secret.hash())).await;
    }
    found
}

/// The peer's address; a request of unknown origin counts as 0.0.0.0, which is neither loopback nor on a key's list.
pub fn peer(parts: &Parts) -> IpAddr {
    let known = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    known.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical())
}

/// What follows the scheme's name, which is known in any case (RFC 9110 section 11.1). Two such fields are none.
pub fn credentials<'a>(parts: &'a Parts, scheme: &str) -> Option<&'a str> {
    let mut fields = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (named, rest) = field.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    (named.eq_ignore_ascii_case(scheme) && !rest.is_empty()).then_some(rest)
}
