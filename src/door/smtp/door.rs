//! What all connections of the SMTP door share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::{Config, SmtpLimits};
use crate::door::keyring::Keyring;
use crate::door::logins::Logins;
use crate::door::smtp::limits::Limits;
use crate::door::smtp::settings::Settings;
use crate::door::smtp::tls::Certificates;
use crate::intake::Intake;

/// The door: its rules, whom it asks, and what its connections share. Clones share it all.
#[derive(Clone, Debug)]
pub struct Door {
    pub settings: Arc<Settings>,
    pub bounds: Arc<SmtpLimits>,
    /// Load balancers whose PROXY header is read.
    pub balancers: Arc<[ipnet::IpNet]>,
    pub intake: Intake,
    pub keyring: Keyring,
    pub logins: Arc<Logins>,
    pub certificates: Certificates,
    pub limits: Limits,
    /// Message bytes, one permit an octet, that all doors and the engine hold together.
    pub budget: Arc<Semaphore>,
}

impl Door {
    /// The door of `config`. `budget` and `logins` are shared with the other doors.
    pub fn new(
        config: &Config,
        intake: Intake,
        keyring: Keyring,
        logins: Arc<Logins>,
        certificates: Certificates,
        budget: Arc<Semaphore>,
    ) -> Self {
        let bounds = config.smtp.limits.clone();
        Self {
            settings: Arc::new(Settings::from_config(config)),
            limits: Limits::new(bounds.connections, bounds.connections_per_address),
            bounds: Arc::new(bounds),
            balancers: config.smtp.proxy_protocol.clone().into(),
            intake,
            keyring,
            logins,
            certificates,
            budget,
        }
    }
}
