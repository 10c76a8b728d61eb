//! The links of one house, or of one domain: where they lie, and the seal they are made with.

use std::sync::Arc;

use url::Url;

use super::token::{Purpose, Seal, Token};

/// Below these stand the tokens.
pub const OPEN: &str = "/t/o";
pub const CLICK: &str = "/t/c";
pub const UNSUBSCRIBE: &str = "/u";

/// Makes links.
#[derive(Clone, Debug)]
pub struct Links {
    base: Arc<str>,
    seal: Seal,
    house: Arc<str>,
}

impl Links {
    /// Links below `base`, as in `https://mail.example`, by the seal of its host.
    pub fn new(base: &str, seal: &Seal) -> Self {
        Self { base: base.trim_end_matches('/').into(), seal: seal.at(&host(base)), house: seal.name().into() }
    }

    /// The link that says this.
    pub fn link(&self, token: &Token) -> String {
        let page = match token.purpose {
            Purpose::Open => OPEN,
            Purpose::Click(_) => CLICK,
            Purpose::Unsubscribe => UNSUBSCRIBE,
        };
        format!("{}{page}/{}", self.base, self.seal.text(token))
    }

    /// The name of the house that makes them, wherever they lie.
    pub fn house(&self) -> &str {
        &self.house
    }

    /// Whether they are followed by HTTPS.
    pub fn is_https(&self) -> bool {
        self.base.starts_with("https://")
    }

    /// Whether a target is a link of ours already.
    pub fn made(&self, target: &str) -> bool {
        let below = target.strip_prefix(&*self.base);
        below.is_some_and(|path| [OPEN, CLICK, UNSUBSCRIBE].iter().any(|page| path.starts_with(&format!("{page}/"))))
    }
}

/// The host that a URL leads to: lower case, no port; empty when it has none.
pub fn host(url: &str) -> String {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase)).unwrap_or_default();
    host.trim_end_matches('.').to_owned()
}

/// The same place under another name: who publishes a CNAME comes to the same listener. `None`: there is no such place.
pub fn at_host(base: &str, host: &str) -> Option<Url> {
    let mut url = Url::parse(base).ok()?;
    url.set_host(Some(host)).ok()?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn a_host_has_neither_port_nor_capitals() {
        for (url, expected) in [
            ("https://Mail.Example:8443/post", "mail.example"),
            ("http://mail.example./", "mail.example"),
            ("http://[::1]:8025", "[::1]"),
            ("mail.example", ""),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }

    #[test]
    fn only_the_host_is_another() {
        for (base, expected) in [
            ("http://127.0.0.1:8025", "http://track.example.com:8025/"),
            ("https://mail.example", "https://track.example.com/"),
            ("https://mail.example:8443/post", "https://track.example.com:8443/post"),
        ] {
            assert_eq!(at_host(base, "track.example.com").map(String::from).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_link_lies_below_the_base() {
        let links = Links::new("https://mail.example/post/", &Seal::new(b"secret"));
        let token = |purpose| Token::new(purpose, Id([1; 16]), 0);
        let click = Purpose::Click("https://mail.example/".to_owned());
        for (purpose, page) in [(Purpose::Open, "/t/o/b"), (click, "/t/c/Y"), (Purpose::Unsubscribe, "/u/d")] {
            let link = links.link(&token(purpose));
            assert!(link.starts_with(&format!("https://mail.example/post{page}")), "{link}");
            assert!(links.made(&link));
        }
        for other in ["https://mail.example/post/", "https://mail.example/u/x", "https://mail.example/post/user/u/x"] {
            assert!(!links.made(other), "{other}");
        }
    }
}
