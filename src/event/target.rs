//! The address of an endpoint, and whether it may be called at all.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use crate::net::guard;

/// Characters of an address.
const LENGTH_MAX: usize = 2048;
/// What listens above the well-known ports and takes commands from whoever connects: databases and the like. An endpoint has no need of
/// these, and what we send is not to reach one.
const FORBIDDEN_PORTS: [u16; 12] = [1433, 1521, 2049, 2375, 3306, 5432, 5984, 6379, 6380, 9200, 11211, 27017];

/// An address that may be called, as far as can be told without asking for its host's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host<String>,
    allow_insecure: bool,
}

impl Target {
    /// Reads an absolute `https://` address as browsers do, so that no spelling hides where it leads. `allow_insecure`: `http://`, and any
    /// host and port.
    pub fn parse(text: &str, allow_insecure: bool) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!("must not be longer than {LENGTH_MAX} characters"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("must not hold blanks or control characters".to_owned());
        }
        let url = Url::parse(text).map_err(|e| format!("is no absolute address: {e}"))?;
        match url.scheme() {
            "https" => {}
            "http" if allow_insecure => {}
            _ => return Err("must begin with https://".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user name or a password".to_owned());
        }
        if url.fragment().is_some() {
            return Err("must not hold a fragment (#)".to_owned());
        }
        let host = url.host().ok_or("has no host")?.to_owned();
        let target = Self { url, host, allow_insecure };
        target.check_port()?;
        target.literal().map_or(Ok(()), |ip| target.check(ip))?;
        Ok(target)
    }

    fn check_port(&self) -> Result<(), String> {
        let port = self.port();
        // Below 1024 speak the old protocols of lines, mail's among them.
        let is_sound = matches!(port, 80 | 443) || port >= 1024 && !FORBIDDEN_PORTS.contains(&port);
        if self.allow_insecure || is_sound { Ok(()) } else { Err(format!("must not lead to port {port}")) }
    }

    /// The address, where the host is one. `localhost` is one, and what lies below it (RFC 6761 section 6.3).
    pub fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Ipv4(ip) => Some((*ip).into()),
            Host::Ipv6(ip) => Some((*ip).into()),
            Host::Domain(_) => {
                let host = self.host();
                (host == "localhost" || host.ends_with(".localhost")).then_some(Ipv4Addr::LOCALHOST.into())
            }
        }
    }

    /// Whether it may be called at this address of its host.
    pub fn check(&self, ip: IpAddr) -> Result<(), String> {
        let may_be_called = guard::is_of_a_host(ip) && (self.allow_insecure || guard::is_public(ip));
        if may_be_called { Ok(()) } else { Err(format!("must not lead to {ip}, which is not on the Internet")) }
    }

    /// The host's name, or its address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        }
    }

    /// The port it leads to.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Whether TLS is spoken.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What stands in `Host`: the host, and its port where that is not the scheme's own.
    pub fn authority(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// What stands in the request line: path and query.
    pub fn path(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_called_is_refused_however_it_is_written() {
        for text in [
            "",
            "/hook",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "https://",
            "https://user@example.com/",
            "https://:secret@example.com/",
            "https://good@127.0.0.1/",
            "https://example.com/#part",
            "https://exa\nmple.com/",
            " https://example.com/",
            "https://example.com/\u{0}",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://①②⑦.0.0.1/",
            "https://127。0。0。1/",
            "https://%31%32%37.0.0.1/",
            "https://127.0.0.1\\@example.com/",
            "https:127.0.0.1",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://app.localhost/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fd00:ec2::254]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.100.100.200/",
            "https://192.0.0.192/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://example.com:25/",
            "https://example.com:22/",
            "https://example.com:587/",
            "https://example.com:6379/",
            "https://example.com:5432/",
            "https://example.com:65536/",
        ] {
            assert!(Target::parse(text, false).is_err(), "{text}");
        }
        assert!(Target::parse(&format!("https://example.com/{}", "x".repeat(LENGTH_MAX)), false).is_err());
    }

    #[test]
    fn what_may_be_called_is_taken_apart() {
        for (text, host, port, authority, path) in [
            ("https://example.com", "example.com", 443, "example.com", "/"),
            ("https://Example.com.:443/a?b=c", "example.com", 443, "example.com.", "/a?b=c"),
            ("https://b\u{fc}cher.example:8443/\u{e4}?", "xn--bcher-kva.example", 8443, "xn--bcher-kva.example:8443", "/%C3%A4?"),
            ("https://8.8.8.8:80/x", "8.8.8.8", 80, "8.8.8.8:80", "/x"),
            ("https://[2001:4860:4860::8888]/", "2001:4860:4860::8888", 443, "[2001:4860:4860::8888]", "/"),
        ] {
            let target = Target::parse(text, false).expect(text);
            let taken = (target.host(), target.port(), target.authority(), target.path());
            assert_eq!(taken, (host.to_owned(), port, authority, path), "{text}");
        }
    }

    #[test]
    fn in_a_laboratory_more_may_be_called() {
        for text in ["http://127.0.0.1:25/", "http://localhost:8080/hook", "https://10.0.0.1/"] {
            assert!(Target::parse(text, true).is_ok(), "{text}");
        }
        for text in ["http://0.0.0.0/", "http://user@127.0.0.1/", "ftp://127.0.0.1/", "http://224.0.0.1/"] {
            assert!(Target::parse(text, true).is_err(), "{text}");
        }
    }
}
