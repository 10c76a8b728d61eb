//! Looks at the certificate that a host shows, and decides whether it will do.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::dane::{Dane, Usage};
use super::protection::Verified;
use super::requirement::Requirement;
use super::result::TlsResult;

/// A verifier for one handshake, which remembers what it found.
#[derive(Debug)]
pub struct Judge {
    requirement: Requirement,
    webpki: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    found: OnceLock<Result<Verified, (TlsResult, String)>>,
}

/// What is shown to us.
struct Shown<'a> {
    certificate: &'a CertificateDer<'a>,
    chain: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    now: UnixTime,
}

impl Judge {
    /// Asks for `requirement`; `webpki` holds those who are trusted.
    pub fn new(requirement: Requirement, webpki: Arc<WebPkiServerVerifier>, provider: Arc<CryptoProvider>) -> Self {
        Self { requirement, webpki, provider, found: OnceLock::new() }
    }

    /// What was found, once a certificate was shown.
    pub fn found(&self) -> Option<&Result<Verified, (TlsResult, String)>> {
        self.found.get()
    }

    fn judge(&self, shown: &Shown<'_>) -> Result<Verified, (TlsResult, String)> {
        let by_webpki = || self.webpki.verify_server_cert(shown.certificate, shown.chain, shown.name, &[], shown.now);
        match &self.requirement {
            Requirement::Dane(dane) => self.by_dane(dane, shown).map(|()| Verified::Dane),
            Requirement::Certified => match by_webpki() {
                Ok(_) => Ok(Verified::WebPki),
                Err(e) => Err((result_of(&e), e.to_string())),
            },
            // RFC 7435: encryption keeps out those who only listen, whoever it is with.
            Requirement::Opportunistic | Requirement::Encrypted => {
                Ok(by_webpki().map_or_else(|e| Verified::Not(result_of(&e), e.to_string()), |_| Verified::WebPki))
            }
        }
    }

    /// Any one record will do (RFC 6698 section 2.1).
    fn by_dane(&self, dane: &Dane, shown: &Shown<'_>) -> Result<(), (TlsResult, String)> {
        // RFC 7672 section 3.1.1: of the certificate itself neither name nor dates count.
        let is_told = |certificate: &CertificateDer<'_>, usage| {
            dane.records.iter().any(|record| record.usage == usage && record.tells_of(certificate))
        };
        if is_told(shown.certificate, Usage::EndEntity) {
            return Ok(());
        }
        let mut anchors: Vec<CertificateDer<'_>> =
            shown.chain.iter().filter(|c| is_told(c, Usage::TrustAnchor)).cloned().collect();
        anchors.extend(
            dane.records.iter().filter(|record| record.usage == Usage::TrustAnchor).filter_map(|record| record.certificate()),
        );
        let mut refusal = (TlsResult::ValidationFailure, "no TLSA record of the host tells of its certificate".to_owned());
        for anchor in anchors {
            match self.under(anchor, &dane.names, shown) {
                Ok(()) => return Ok(()),
                Err(e) => refusal = (result_of(&e), e.to_string()),
            }
        }
        Err(refusal)
    }

    /// RFC 7672 section 3.1.2: under a trust anchor, name and dates do count.
    fn under(&self, anchor: CertificateDer<'_>, names: &[String], shown: &Shown<'_>) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(anchor.into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let verifier = verifier.map_err(|e| Error::General(e.to_string()))?;
        let mut last = Error::InvalidCertificate(CertificateError::NotValidForName);
        for name in names.iter().filter_map(|name| ServerName::try_from(name.as_str()).ok()) {
            match verifier.verify_server_cert(shown.certificate, shown.chain, &name, &[], shown.now) {
                Ok(_) => return Ok(()),
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}

fn result_of(error: &Error) -> TlsResult {
    match error {
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            TlsResult::CertificateHostMismatch
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            TlsResult::CertificateExpired
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => TlsResult::CertificateNotTrusted,
        _ => TlsResult::ValidationFailure,
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = self.judge(&Shown { certificate, chain, name, now });
        let verdict = found.as_ref().map(|_| ServerCertVerified::assertion());
        let verdict = verdict.map_err(|_| Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        let _ = self.found.set(found);
        verdict
    }

    /// Whoever shows a certificate holds its key, whatever else is asked.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
