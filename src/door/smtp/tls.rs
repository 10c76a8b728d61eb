//! The certificate that TLS is spoken with: where it comes from, and how it is changed while connections stand.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Config, ListenerTls};
use crate::door::smtp::self_signed;
use crate::door::smtp::sockets::Socket;
use crate::pem;
use crate::shutdown::Shutdown;

/// A handshake takes a few round trips; one that takes longer is not meant.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// The pair of certificate and key in use. Clones share it.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Where the pair is kept; `None` when no listener needs one.
    files: Option<Arc<Files>>,
    configured: bool,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    /// How the files stood when they were last read.
    seen: Mutex<Option<[Stamp; 2]>>,
}

/// What changes when a file does: when it was written, and its length.
type Stamp = Option<(SystemTime, u64)>;

/// What the next handshake is answered with.
#[derive(Debug, Default)]
struct Current(RwLock<Option<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Current {
    /// One certificate for whatever name is asked for.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Certificates {
    /// The configured pair; else, when a listener speaks TLS in any case, a self-signed pair kept in `data_dir`; else none. A pair that
    /// can't be loaded is logged, and looked for again.
    pub fn open(config: &Config) -> Result<Self, rustls::Error> {
        let configured = !config.tls.cert.is_empty() || !config.tls.key.is_empty();
        let files = if configured {
            Some((PathBuf::from(&config.tls.cert), PathBuf::from(&config.tls.key)))
        } else if config.smtp.listener.iter().any(|l| matches!(l.tls, ListenerTls::Starttls | ListenerTls::Implicit)) {
            Some(self_signed::files(&config.data_dir, &config.smtp.hostname))
        } else {
            None
        };
        let current = Arc::new(Current::default());
        let files = files.map(|(cert, key)| Arc::new(Files { cert, key, seen: Mutex::default() }));
        let opened = Self { files, configured, config: server_config(current.clone())?, current };
        opened.reload();
        Ok(opened)
    }

    /// Whether the operator named a pair: then listeners with `tls = "auto"` offer STARTTLS.
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// What shakes hands. `None`: there is no pair, or it could never be loaded.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        let loaded = self.current.0.read().unwrap_or_else(PoisonError::into_inner).is_some();
        loaded.then(|| self.config.clone().into())
    }

    /// Lays TLS over a stream that was taken from a peer; the facts are version and cipher suite.
    pub async fn shake_hands<S: Socket>(&self, stream: S) -> io::Result<(Box<TlsStream<S>>, String)> {
        let acceptor = self.acceptor().ok_or_else(|| io::Error::other("there is no certificate"))?;
        let stream = Box::new(timeout(HANDSHAKE, acceptor.accept(stream)).await??);
        let facts = facts(stream.get_ref().1);
        Ok((stream, facts))
    }

    /// Reads the pair again. A pair that is broken or does not match leaves the old one in use. Blocks for two small files.
    pub fn reload(&self) {
        let Some(files) = &self.files else { return };
        // Noted before reading: what changes meanwhile is read again.
        *files.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(files.stamps());
        match load(&files.cert, &files.key) {
            Ok(pair) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
                tracing::info!(cert = %files.cert.display(), "certificate loaded");
            }
            Err(error) => tracing::error!(%error, "the certificate can't be loaded; what was in use stays in use"),
        }
    }

    /// Reads the pair again whenever its files change, until closing begins.
    pub async fn watch(self, shutdown: Shutdown) {
        let Some(files) = self.files.clone() else { return };
        let looking = async {
            loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                if *files.seen.lock().unwrap_or_else(PoisonError::into_inner) != Some(files.stamps()) {
                    self.reload();
                }
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = looking => {}
        }
    }
}

impl Files {
    fn stamps(&self) -> [Stamp; 2] {
        [&self.cert, &self.key].map(|path| {
            let facts = std::fs::metadata(path).ok()?;
            Some((facts.modified().ok()?, facts.len()))
        })
    }
}

fn load(cert: &Path, key: &Path) -> io::Result<CertifiedKey> {
    let (chain, key) = (pem::certificates(cert)?, pem::private_key(key)?);
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", cert.display())))
}

/// TLS 1.2 and 1.3, no client certificates. The provider is named here, so that no other part of the process decides it.
fn server_config(current: Arc<Current>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
    Ok(Arc::new(config.with_no_client_auth().with_cert_resolver(current)))
}

/// `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
fn facts(connection: &ServerConnection) -> String {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    match connection.negotiated_cipher_suite() {
        Some(suite) => format!("{version} {:?}", suite.suite()),
        None => version.to_owned(),
    }
}
