//! The inbound listener: what comes back about our mail. It takes bounces and complaints at the return addresses that we made, and
//! nothing else; it offers STARTTLS with the house's certificate, and neither AUTH nor a way on.

mod clerk;
mod connection;
pub mod listener;
mod session;

use std::sync::Arc;

use crate::door::smtp::limits::Limits;
use crate::door::smtp::tls::Certificates;
use crate::model::bounce::BounceClass;
use crate::model::outcome::Reply;
use crate::notices::Postmaster;
use crate::store::secrets::RETURN_ADDRESSES;
use crate::store::{Store, StoreError};
use crate::wire::token::Seal;

/// Gives a reply its class, by the rules in force.
pub type Classify = Arc<dyn Fn(&Reply) -> BounceClass + Send + Sync>;

/// Connections at once, in all and from one address; loopback addresses count in the total only.
const CONNECTIONS: usize = 200;
const CONNECTIONS_PER_ADDRESS: usize = 20;

/// What the listener needs of the house.
#[derive(Clone)]
pub struct Inbound {
    hostname: Arc<str>,
    seal: Seal,
    store: Store,
    classify: Classify,
    limits: Limits,
    /// `None`: nobody is told anything by mail.
    postmaster: Option<Arc<Postmaster>>,
    /// `None`: STARTTLS is not offered.
    certificates: Option<Certificates>,
}

impl Inbound {
    /// A listener that calls itself `hostname`; reads, or makes, the secret of the return addresses.
    pub async fn open(hostname: &str, store: Store, classify: Classify) -> Result<Self, StoreError> {
        let seal = Seal::new(&store.secret(RETURN_ADDRESSES).await?);
        let limits = Limits::new(CONNECTIONS, CONNECTIONS_PER_ADDRESS);
        Ok(Self { hostname: hostname.into(), seal, store, classify, limits, postmaster: None, certificates: None })
    }

    /// With somebody to tell senders of what comes back.
    pub fn telling_by(self, postmaster: Postmaster) -> Self {
        Self { postmaster: Some(Arc::new(postmaster)), ..self }
    }

    /// With certificates to offer STARTTLS by (RFC 3207), while there is one that can be loaded.
    pub fn certified_by(self, certificates: Certificates) -> Self {
        Self { certificates: Some(certificates), ..self }
    }

    fn offers_tls(&self) -> bool {
        self.certificates.as_ref().is_some_and(|certificates| certificates.acceptor().is_some())
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbound(..)")
    }
}
