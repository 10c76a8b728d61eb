//! Who may see the log page. A handler that takes a [`Viewer`] as an argument can't be reached without a login.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{FORWARDED, HeaderName, VIA};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::context::Context;
use super::{console, host};
use crate::door::caller::{self, credentials, peer};
use crate::door::keyring::Denied;
use crate::id::Id;
use crate::model::key::{Scope, Secret};

/// Somebody who may read the log page: everything, or one team's messages.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// `None`: of every team.
    pub team: Option<Id>,
}

impl FromRequestParts<Arc<Context>> for Viewer {
    type Rejection = console::Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Self::Rejection> {
        if context.open_on_loopback && is_at_the_machine(parts) {
            let ours = host::is_ours(parts, context.public_host.as_deref());
            return if ours { Ok(Self { team: None }) } else { Err(console::Problem::Misdirected) };
        }
        let Some(secret) = basic_password(parts) else { return Err(console::Problem::LoginNeeded) };
        match caller::authenticate(&context.keyring, &context.logins, parts, &secret).await {
            Ok(key) if key.may(Scope::MAIL_READ) => Ok(Self { team: Some(key.team) }),
            // A browser asks for another login only after 401.
            Ok(_) => Err(console::Problem::ScopeMissing),
            Err(Denied::Unavailable) => Err(console::Problem::Away),
            Err(_) => Err(console::Problem::LoginWrong),
        }
    }
}

/// Whether whoever asks sits at this machine: the peer is loopback, and is not a proxy that asks for somebody else.
fn is_at_the_machine(parts: &Parts) -> bool {
    const TRACES: [HeaderName; 4] =
        [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];
    peer(parts).is_loopback() && !TRACES.iter().any(|name| parts.headers.contains_key(name))
}

/// The password of Basic authentication (RFC 7617); whatever user name goes with it.
fn basic_password(parts: &Parts) -> Option<Secret> {
    let decoded = STANDARD.decode(credentials(parts, "Basic")?).ok()?;
    let (_user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Secret::from_text(password))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use axum::http::Request;
    use axum::http::header::AUTHORIZATION;

    use super::*;

    fn parts(name: HeaderName, value: &str) -> Parts {
        Request::get("/")
            .header(name, value)
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))))
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn the_password_identifies_and_the_user_name_does_not() {
        for text in ["me:kr_live_x", ":kr_live_x"] {
            let header = format!("basic {}", STANDARD.encode(text));
            assert_eq!(basic_password(&parts(AUTHORIZATION, &header)), Some(Secret::from_text("kr_live_x")), "{text}");
        }
        for bad in ["Basic", "Basic ", "Basic !!", "Basic bm9jb2xvbg==", "Basic /zr/", "Bearer bWU6a2V5"] {
            assert_eq!(basic_password(&parts(AUTHORIZATION, bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_proxy_on_loopback_is_not_the_person_at_the_machine() {
        assert!(is_at_the_machine(&parts(AUTHORIZATION, "x")));
        assert!(!is_at_the_machine(&parts(FORWARDED, "for=203.0.113.9")));
        assert!(!is_at_the_machine(&parts(HeaderName::from_static("x-forwarded-for"), "203.0.113.9")));
    }
}
