//! Who asks. Every request of a dialect passes [`admit`] first: the key, then the requests of the minute; a handler then names by
//! its [`Caller`] the right without which it can't be reached. So 401 goes before 429, and 429 before 403.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::door::Door;
use super::problem::Problem;
use crate::door::caller::{authenticate, credentials};
use crate::door::keyring::Denied;
use crate::id::Id;
use crate::model::key::{ApiKey, Scope, Secret};
use crate::panics::{Panicked, guarded};

/// The key that a request came under, as [`admit`] leaves it for extractors.
#[derive(Clone, Debug)]
struct Admitted(Arc<ApiKey>);

/// Lets a request in whose key opens the door, and tells where its team stands on every answer.
pub async fn admit(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let key = match identify(&door, &parts).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    tracing::Span::current().record("team", tracing::field::display(key.team)).record("key", tracing::field::display(key.id));
    let standing = door.windows.count(&key, door.clock.now());
    let mut response = match standing.and_then(|standing| standing.exceeded()) {
        Some(wait) => Problem::TooManyRequests(wait).into_response(),
        None => {
            parts.extensions.insert(Admitted(key));
            answered(next.run(Request::from_parts(parts, body))).await
        }
    };
    if let Some(standing) = standing {
        standing.put_on(response.headers_mut());
    }
    response
}

/// The answer; a handler that panics ends alone, and is heard of.
async fn answered(answer: impl Future<Output = Response>) -> Response {
    guarded(answer).await.unwrap_or_else(|Panicked| {
        tracing::error!("a request made its handler panic");
        Problem::Broken.into_response()
    })
}

async fn identify(door: &Door, parts: &Parts) -> Result<Arc<ApiKey>, Problem> {
    let secret = Secret::from_text(credentials(parts, "Bearer").ok_or(Problem::KeyInvalid)?);
    authenticate(&door.keyring, &door.logins, parts, &secret).await.map_err(|denied| match denied {
        Denied::Unavailable => Problem::Away,
        Denied::Unknown | Denied::Expired | Denied::Network => Problem::KeyInvalid,
    })
}

/// A right that a handler asks for.
pub trait Right {
    /// Each of which gives it.
    const SCOPES: &'static [&'static str];
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $scopes:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Right for $name {
                const SCOPES: &'static [&'static str] = &$scopes;
            }
        )*
    };
}

rights! {
    /// To send mail, and to say whom none is to go to.
    MailSend = [Scope::MAIL_SEND];
    /// To see mail.
    MailRead = [Scope::MAIL_READ];
    /// To see whom no mail goes to, for which a sender need not see mail.
    SuppressionsRead = [Scope::MAIL_READ, Scope::MAIL_SEND];
    /// To do whatever the team may.
    Everything = [Scope::ALL];
    /// To see and change domains.
    DomainsManage = [Scope::DOMAINS_MANAGE];
    /// To see and change endpoints that are told of events.
    WebhooksManage = [Scope::MAIL_WEBHOOKS];
    /// To see and change templates.
    TemplatesManage = [Scope::TEMPLATES_MANAGE];
}

/// A program whose key has the right `R`.
#[derive(Clone, Debug)]
pub struct Caller<R> {
    pub key: Arc<ApiKey>,
    right: PhantomData<fn() -> R>,
}

impl<R> Caller<R> {
    /// Whose records it may see.
    pub fn team(&self) -> Id {
        self.key.team
    }
}

impl<R: Right, S: Sync> FromRequestParts<S> for Caller<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Admitted(key) = parts.extensions.get::<Admitted>().cloned().ok_or(Problem::KeyInvalid)?;
        if R::SCOPES.iter().any(|scope| key.may(scope)) {
            Ok(Self { key, right: PhantomData })
        } else {
            Err(Problem::ScopeMissing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        let answer = answered(async { panic!("as a test asks") }).await;
        assert_eq!(answer.extensions().get::<Problem>(), Some(&Problem::Broken));
    }
}
