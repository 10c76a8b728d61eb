//! Certificates, and clients that verify them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for `localhost` and its key, in two files.
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// Makes the files `cert.pem` and `key.pem` in `folder`.
    pub fn make(folder: &Path) -> (Self, CertificateDer<'static>) {
        let pair = Self { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        let certificate = pair.renew();
        (pair, certificate)
    }

    /// Puts a new certificate and its key in their place.
    pub fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&self.key, made.signing_key.serialize_pem()).expect("the key's file");
        std::fs::write(&self.cert, made.cert.pem()).expect("the certificate's file");
        made.cert.der().clone()
    }
}

/// A client that trusts these certificates and no others.
pub fn trusting(certificates: &[CertificateDer<'static>]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).expect("a certificate to trust");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Shakes hands, verifying the name `localhost`.
pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(connector: &TlsConnector, stream: S) -> std::io::Result<TlsStream<S>> {
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

/// The certificate that the server showed.
pub fn shown<S>(stream: &TlsStream<S>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned()
}
