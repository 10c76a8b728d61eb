//! Why a request has no better answer, whatever the dialect it was asked in.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::model::refusal::Refusal;
use crate::store::StoreError;

/// Why. A dialect gives it status, headers and body; until then it travels in the extensions of an empty response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No key, or one that opens nothing: unknown, revoked, expired, of another network.
    KeyInvalid,
    ScopeMissing,
    /// The team's requests of this minute are used up; seconds until the next.
    TooManyRequests(u64),
    /// There is none of that name or id, or it is another team's: one answer for all.
    NotFound,
    /// It was there, and has been kept for as long as it is.
    NotKept,
    MethodNotAllowed,
    /// What came is not what is read here, before any field of it is looked at.
    Malformed(String),
    MediaType(&'static str),
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    Invalid(Details),
    /// It is told in words alone what can't be done with what came.
    Unprocessable(String),
    /// What is asked for does not go with how things stand; the code is the dialects' word for it.
    Conflict {
        code: &'static str,
        text: &'static str,
    },
    Refused(Refusal),
    /// The store can't be asked, or there is no room for the body, now.
    Away,
    /// Answering it failed in a way that was not foreseen.
    Broken,
}

/// What is wrong with fields, by their paths: `attachments[0].content`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Details(BTreeMap<String, Vec<String>>);

/// Faults that are told at once; whoever has more mends these first.
const TOLD: usize = 50;
/// Characters of a path, or of a text that may quote what came.
const LENGTH: usize = 200;

impl Details {
    /// One fault alone.
    pub fn one(path: impl Into<String>, text: impl Into<String>) -> Self {
        let mut details = Self::default();
        details.add(path, text);
        details
    }

    /// Adds what is wrong with the field at `path`.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        if self.0.len() < TOLD {
            self.0.entry(clipped(path.into())).or_default().push(clipped(text.into()));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bounded, and cut between characters.
pub(super) fn clipped(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LENGTH) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a request over HTTP could not be answered");
        Self::Away
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Details> for Problem {
    fn from(details: Details) -> Self {
        Self::Invalid(details)
    }
}
