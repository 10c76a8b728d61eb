//! TLS towards a next hop: verified where it is required, taken as it comes where it is opportunistic.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// The two ways in which we speak TLS.
#[derive(Clone)]
pub struct TlsClient {
    verified: TlsConnector,
    unverified: TlsConnector,
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
        let verified = builder(&provider)?.with_root_certificates(roots).with_no_client_auth();
        let anyone = Arc::new(Anyone(provider.clone()));
        let unverified = builder(&provider)?.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth();
        Ok(Self { verified: TlsConnector::from(Arc::new(verified)), unverified: TlsConnector::from(Arc::new(unverified)) })
    }

    /// The connector; `verify`: the certificate must be of the name, by somebody trusted.
    pub fn connector(&self, verify: bool) -> &TlsConnector {
        if verify { &self.verified } else { &self.unverified }
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder(provider: &Arc<CryptoProvider>) -> Result<Builder, String> {
    ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(|e| e.to_string())
}

/// Takes any certificate: opportunistic TLS keeps out those who only listen, and the alternative is no TLS (RFC 7435).
/// Signatures are checked all the same, so that the peer holds the key that it shows.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
