//! Certificates made on the spot, alone or under an authority.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server's certificate with the chain it shows, and its key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    /// Signed by nobody but itself.
    pub fn of(names: &[&str]) -> Self {
        let (params, key) = (params(names), KeyPair::generate().expect("a key"));
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![certificate.der().clone()], key }
    }

    /// Signed by nobody but itself, and over.
    pub fn expired(names: &[&str]) -> Self {
        let (mut params, key) = (params(names), KeyPair::generate().expect("a key"));
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![certificate.der().clone()], key }
    }

    /// Signed by an authority of its own, which stands last in the chain.
    pub fn under_authority(names: &[&str]) -> Self {
        let mut of_authority = params(&[]);
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(of_authority, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params(names).signed_by(&key, &authority).expect("a certificate");
        Self { chain: vec![certificate.der().clone(), authority.der().clone()], key }
    }

    /// The first of the chain.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// The SubjectPublicKeyInfo of the first of the chain, DER.
    pub fn public_key(&self) -> Vec<u8> {
        use rcgen::PublicKeyData as _;
        self.key.subject_public_key_info()
    }

    /// The last of the chain as PEM, to be trusted.
    pub fn anchor(&self) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(self.chain.last().expect("a certificate"));
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    /// A server that shows it to who asks for the host of this name, and nothing to others.
    pub fn server_named(&self, name: &str) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
        let mut named = rustls::server::ResolvesServerCertUsingSni::new();
        named.add(name, rustls::sign::CertifiedKey::new(self.chain.clone(), key)).expect("its certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(named)))
    }

    /// A server that shows it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        Arc::new(builder.with_no_client_auth().with_single_cert(self.chain.clone(), key).expect("a certificate and its key"))
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).expect("names")
}
