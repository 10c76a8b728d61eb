//! The SMTP door over a store of its own, on ports of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use posthouse::clock::Clock;
use posthouse::config::{Config, Listener, ListenerTls};
use posthouse::door::keyring::Keyring;
use posthouse::door::smtp::door::Door;
use posthouse::door::smtp::session::{Peer, Tls};
use posthouse::door::smtp::tls::Certificates;
use posthouse::door::smtp::{connection, listener};
use posthouse::id::{Id, Ids};
use posthouse::intake::Intake;
use posthouse::model::key::{ApiKey, KeyRights, Secret};
use posthouse::shutdown::Shutdown;
use posthouse::store::keys::NewKey;
use posthouse::store::read::Filter;
use posthouse::store::{Location, Store};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::support::IN_TIME;
use crate::support::smtp::Client;
use crate::support::tls::Pair;

/// A store with a team, a key that may send transactional mail, and the configuration of a door.
pub struct House {
    pub dir: TempDir,
    pub config: Config,
    pub store: Store,
    pub clock: Clock,
    pub team: Id,
    pub key: ApiKey,
    pub secret: Secret,
    pub shutdown: Shutdown,
}

impl House {
    /// With the defaults, as they are changed here.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut config = Config::defaults();
        config.data_dir = dir.path().to_owned();
        config.limits.min_free = posthouse::config::units::ByteSize(0);
        change(&mut config);
        let clock = Clock::System;
        let location = Location::from_config(&config.database.0, &config.data_dir).expect("a location");
        let store = Store::open(&location, clock.clone()).await.expect("a store");
        let team = match store.team("default").await.expect("the store answers") {
            Some(team) => team.id,
            None => store.create_team("default").await.expect("a team").id,
        };
        let (key, secret) = make_key(&store, team, "first", transactional()).await;
        Self { dir, config, store, clock, team, key, secret, shutdown: Shutdown::default() }
    }

    /// With the defaults.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a certificate in the configuration. Clients find it in the returned pair.
    pub async fn with_certificate(change: impl FnOnce(&mut Config)) -> (Self, Pair, rustls::pki_types::CertificateDer<'static>) {
        let mut made = None;
        let house = Self::with(|config| {
            let (pair, certificate) = Pair::make(&config.data_dir);
            config.tls.cert = pair.cert.display().to_string();
            config.tls.key = pair.key.display().to_string();
            change(config);
            made = Some((pair, certificate));
        })
        .await;
        let (pair, certificate) = made.expect("a pair");
        (house, pair, certificate)
    }

    /// Another key of the team.
    pub async fn key(&self, name: &str, rights: KeyRights) -> (ApiKey, Secret) {
        make_key(&self.store, self.team, name, rights).await
    }

    /// The door of this house.
    pub fn door(&self) -> Door {
        let intake = Intake::new(self.store.clone(), &self.config, self.clock.clone(), Ids::random(self.clock.clone()));
        let keyring = Keyring::new(self.store.clone(), self.clock.clone());
        let certificates = Certificates::open(&self.config).expect("TLS can be set up");
        let budget = Arc::new(Semaphore::new(self.config.smtp.limits.buffered.as_usize()));
        Door::new(&self.config, intake, keyring, Arc::default(), certificates, budget)
    }

    /// Serves one listener with these rules on a free port of 127.0.0.1.
    pub async fn listen(&self, door: &Door, rules: Listener) -> SocketAddr {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(listener::run(vec![(socket, rules)], door.clone(), self.shutdown.clone()));
        address
    }

    /// Serves a connection in memory, from a loopback peer in the clear.
    pub fn converse(&self, door: &Door) -> Client<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: Tls::Absent, cleartext_auth: true, trusted: None };
        self.shutdown.spawn(connection::serve(Arc::new(door.clone()), theirs, peer, self.shutdown.clone()));
        Client::over(ours)
    }

    /// How many messages were accepted.
    pub async fn accepted(&self) -> usize {
        self.store.messages(&Filter { limit: 100, ..Filter::default() }).await.expect("the store answers").len()
    }
}

/// A loopback listener with the default rules and this TLS.
pub fn rules(tls: ListenerTls) -> Listener {
    Listener { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls, cleartext_auth: Default::default(), trusted: Vec::new() }
}

/// The rights of a first key: transactional mail and nothing to choose.
pub fn transactional() -> KeyRights {
    let streams = KeyRights::default().streams.into_iter().filter(|s| s.0.as_str() == "transactional").collect();
    KeyRights { streams, ..KeyRights::default() }
}

async fn make_key(store: &Store, team: Id, name: &str, rights: KeyRights) -> (ApiKey, Secret) {
    let secret = Secret::generate();
    let new = NewKey { team, name: name.to_owned(), secret: secret.clone(), rights, expires_at: None };
    (store.create_key(new).await.expect("a key"), secret)
}

/// Waits until `holds`; fails the test when it does not come to that.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + IN_TIME;
        while !holds() {
            assert!(Instant::now() < end, "{caller}: {what}");
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
