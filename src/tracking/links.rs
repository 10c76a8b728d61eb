//! The links of one house, or of one domain: where they lie, and the seal they are made with.

use std::sync::Arc;

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
}

impl Links {
    /// Links below `base`, as in `https://mail.example`.
    pub fn new(base: &str, seal: Seal) -> Self {
        Self { base: base.trim_end_matches('/').into(), seal }
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

    /// Whether a target is a link of ours already.
    pub fn made(&self, target: &str) -> bool {
        let below = target.strip_prefix(&*self.base);
        below.is_some_and(|path| [OPEN, CLICK, UNSUBSCRIBE].iter().any(|page| path.starts_with(&format!("{page}/"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn a_link_lies_below_the_base() {
        let links = Links::new("https://mail.example/post/", Seal::new(b"secret"));
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
