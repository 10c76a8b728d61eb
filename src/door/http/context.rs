//! What the door needs of the house.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Uri;

use crate::clock::Clock;
use crate::config::Config;
use crate::door::keyring::Keyring;
use crate::door::logins::Logins;
use crate::door::public::Public;
use crate::door::rest;
use crate::mime::parts::Reach;
use crate::store::Store;

/// The parts of the house this door reads, and what the operator chose for it.
#[derive(Clone, Debug)]
pub struct Context {
    /// The API, with what it needs; the rest of the door shares its store, keyring, logins and clock.
    pub api: rest::Door,
    /// What links in mail lead to.
    pub public: Public,
    pub store: Store,
    pub keyring: Keyring,
    pub logins: Arc<Logins>,
    pub clock: Clock,
    pub readiness: Readiness,
    /// Loopback looks without a login: nothing leaves the house (route `capture`).
    pub open_on_loopback: bool,
    /// The host of `public_url`, lower case; `None` when that has none.
    pub public_host: Option<String>,
    /// How far into a message the pages look.
    pub reach: Reach,
    /// Where mail comes in, for the page that shows how to send a first one.
    pub smtp: Option<SocketAddr>,
}

impl Context {
    /// The door's view of `config`.
    pub fn new(config: &Config, api: rest::Door, readiness: Readiness) -> Self {
        Self {
            public: Public::new(api.store.clone(), config),
            store: api.store.clone(),
            keyring: api.keyring.clone(),
            logins: api.logins.clone(),
            clock: api.clock.clone(),
            api,
            readiness,
            open_on_loopback: config.delivery.captures_all(),
            public_host: public_host(&config.public_url),
            reach: Reach::new(&config.smtp.limits),
            smtp: config.smtp.listener.first().map(|listener| listener.address),
        }
    }
}

fn public_host(url: &str) -> Option<String> {
    url.parse::<Uri>().ok()?.host().map(str::to_ascii_lowercase)
}

/// Whether every listener of the process is bound. Clones share the answer; it begins with no.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// All listeners are bound.
    pub fn announce(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// The process takes nothing new any more.
    pub fn withdraw(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether it was announced and not withdrawn.
    pub fn is_announced(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
