//! TLS towards a next hop: each handshake is judged by what is required of it.

use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::delivery::security::Requirement;
use crate::delivery::security::judge::Judge;

/// Those whom we trust, and the ways in which we speak TLS. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    webpki: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl TlsClient {
    /// Trusts the public roots (WebPKI) and the certificates in `ca`, a PEM text; empty: none.
    pub fn new(ca: &[u8]) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in rustls_pemfile::certs(&mut &ca[..]) {
            let certificate = certificate.map_err(|e| format!("no PEM certificate: {e}"))?;
            roots.add(certificate).map_err(|e| format!("no certificate to trust: {e}"))?;
        }
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        Ok(Self { webpki: webpki.map_err(|e| e.to_string())?, provider })
    }

    /// A connector for one handshake, and the judge that will know what it came to. No session is resumed: the judge would not be
    /// asked, and one host's sessions may be held to different requirements.
    pub fn connector(&self, requirement: Requirement) -> Result<(TlsConnector, Arc<Judge>), String> {
        let judge = Arc::new(Judge::new(requirement, self.webpki.clone(), self.provider.clone()));
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
        let mut config = builder.dangerous().with_custom_certificate_verifier(judge.clone()).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok((TlsConnector::from(Arc::new(config)), judge))
    }

    /// TLS with a host that shows a certificate of its name by one we trust.
    pub async fn certified(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Uncertified> {
        let name = ServerName::try_from(host.to_owned()).map_err(|e| Uncertified::Handshake(e.to_string()))?;
        let (connector, judge) = self.connector(Requirement::Certified).map_err(Uncertified::Handshake)?;
        connector.connect(name, tcp).await.map_err(|e| match judge.found() {
            Some(Err((_, cause))) => Uncertified::Certificate(cause.clone()),
            _ => Uncertified::Handshake(e.to_string()),
        })
    }
}

/// Why there is no TLS with a certified host, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncertified {
    /// The certificate will not do.
    Certificate(String),
    Handshake(String),
}
