//! The inbound listener: what comes back about our mail. It takes bounces and complaints at the return addresses that we made, complaints
//! at the addresses that feedback loops know, and nothing else; it offers STARTTLS with the house's certificate, and neither AUTH nor a way on.

mod addressee;
mod clerk;
pub mod connection;
mod data;
pub mod listener;
mod session;

use std::sync::Arc;

use crate::config::Config;
use crate::door::smtp::limits::Limits;
use crate::door::smtp::tls::Certificates;
use crate::model::bounce::BounceClass;
use crate::model::outcome::Reply;
use crate::notices::Postmaster;
use crate::store::secrets::RETURN_ADDRESSES;
use crate::store::{Store, StoreError};
use crate::wire::token::Seal;
use addressee::Addresses;
use connection::Patience;
use session::Terms;

/// Gives a reply its class, by the rules in force.
pub type Classify = Arc<dyn Fn(&Reply) -> BounceClass + Send + Sync>;

/// Connections at once, in all and from one address; loopback addresses count in the total only.
const CONNECTIONS: usize = 200;
const CONNECTIONS_PER_ADDRESS: usize = 20;
/// Octets of a report besides the message that it returns.
const REPORT: u64 = 1 << 20;

/// What the listener needs of the house.
#[derive(Clone)]
pub struct Inbound {
    terms: Arc<Terms>,
    store: Store,
    classify: Classify,
    limits: Limits,
    patience: Patience,
    /// `None`: nobody is told anything by mail.
    postmaster: Option<Arc<Postmaster>>,
    /// `None`: STARTTLS is not offered.
    certificates: Option<Certificates>,
}

impl Inbound {
    /// A listener by the configuration; reads, or makes, the secret of the return addresses.
    pub async fn open(config: &Config, store: Store, classify: Classify) -> Result<Self, StoreError> {
        let seal = Seal::new(&store.secret(RETURN_ADDRESSES).await?);
        let terms = Terms {
            hostname: config.smtp.hostname.clone(),
            addresses: Addresses::new(seal, &config.inbound.abuse),
            // Whoever returns our largest message whole may have encoded it anew on its way.
            octets: config.smtp.max_message_size.0.saturating_mul(2).saturating_add(REPORT),
        };
        let limits = Limits::new(CONNECTIONS, CONNECTIONS_PER_ADDRESS);
        let patience = Patience::default();
        Ok(Self { terms: Arc::new(terms), store, classify, limits, patience, postmaster: None, certificates: None })
    }

    /// With other spans.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
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
