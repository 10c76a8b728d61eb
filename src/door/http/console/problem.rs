//! Pages that say why there is no other.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};

use super::Page;
use crate::store::StoreError;

/// Why a page can't be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request came under a name that is not this house's.
    Misdirected,
    LoginNeeded,
    LoginWrong,
    /// A good key, without `mail:read`.
    ScopeMissing,
    /// There is none of that id, or it is another team's: one answer for both.
    NotFound,
    /// The message is on record, but its bytes are gone or can't be read.
    NoBytes,
    /// The store can't be asked now.
    Away,
}

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage {
    title: &'static str,
    advice: &'static str,
}

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::LoginNeeded | Self::LoginWrong | Self::ScopeMissing => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::NoBytes => StatusCode::NOT_FOUND,
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Misdirected => (
                "Another host was meant",
                "This page answers to localhost, 127.0.0.1, [::1] and the host of public_url. Open it by one of them.",
            ),
            Self::LoginNeeded => ("Log in with an API key", "Any user name; the password is a key that has the scope mail:read."),
            Self::LoginWrong => {
                ("That key does not open this page", "It is unknown, revoked or expired, or not allowed from your network.")
            }
            Self::ScopeMissing => ("That key may not read mail", "Use one that has the scope mail:read."),
            Self::NotFound => ("Not found", "There is no such page, or no such message of yours."),
            Self::NoBytes => ("The message's bytes are not here", "It is on record, but its content is no longer kept."),
            Self::Away => ("The store does not answer", "Nothing is lost. Try again in a moment."),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (title, advice) = self.words();
        let status = self.status();
        let challenge = (status == StatusCode::UNAUTHORIZED)
            .then_some([(WWW_AUTHENTICATE, r#"Basic realm="posthouse: an API key as the password", charset="UTF-8""#)]);
        let later = (self == Self::Away).then_some([(RETRY_AFTER, "5")]);
        (status, challenge, later, Page(ProblemPage { title, advice })).into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a page could not be shown");
        Self::Away
    }
}
