//! Which host a request was meant for. A page elsewhere can point its own name at this machine (DNS rebinding) and then read
//! what loopback may read; the name it must send gives it away.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;

/// Whether the request names this machine (`localhost`, `127.0.0.1`, `[::1]`) or `public_host`, with any port. Of the Host field
/// there is exactly one (RFC 9112 section 3.2), and a target in absolute form names the same kind of host.
pub fn is_ours(request: &Parts, public_host: Option<&str>) -> bool {
    let mut fields = request.headers.get_all(HOST).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let Ok(authority) = Authority::try_from(field.as_bytes()) else { return false };
    let target = request.uri.host().is_none_or(|host| is_known(host, public_host));
    target && !field.as_bytes().contains(&b'@') && is_known(authority.host(), public_host)
}

fn is_known(host: &str, public_host: Option<&str>) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse() == Ok(Ipv4Addr::LOCALHOST)
        || bare.parse() == Ok(Ipv6Addr::LOCALHOST)
        || public_host.is_some_and(|public| host.eq_ignore_ascii_case(public))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(hosts: &[&str], target: &str) -> Parts {
        let request = hosts.iter().fold(Request::get(target), |request, host| request.header(HOST, *host));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn loopback_and_the_public_name_are_ours() {
        for host in ["localhost", "LOCALHOST:8025", "127.0.0.1:1", "[::1]", "[::1]:8025", "Mail.example:443"] {
            assert!(is_ours(&parts(&[host], "/"), Some("mail.example")), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_not() {
        let hosts =
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "2130706433", "a@localhost", "", "[::2]"];
        for host in hosts {
            assert!(!is_ours(&parts(&[host], "/"), Some("mail.example")), "{host}");
        }
        assert!(!is_ours(&parts(&[], "/"), None), "no Host");
        assert!(!is_ours(&parts(&["localhost", "localhost"], "/"), None), "two");
        assert!(!is_ours(&parts(&["localhost"], "http://evil.example/"), None), "absolute form");
    }
}
