//! DANE for SMTP (RFC 7672): a host says in its own signed zone which certificates are its.

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256, Sha512};

use crate::delivery::dns::{DnsError, Resolver, TLSA};

/// What a host's certificate has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dane {
    /// The name that the records stand under: an alias's end, or the host's own.
    pub base: String,
    /// At least one.
    pub records: Vec<Tlsa>,
    /// Names that a certificate under a trust anchor may be of (RFC 7672 section 3.2.2).
    pub names: Vec<String>,
}

/// A TLSA record that can be used for SMTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    pub usage: Usage,
    /// Whether it tells of the public key alone.
    of_key: bool,
    matching: Matching,
    data: Vec<u8>,
}

/// RFC 7672 section 3.1: the other two usages of RFC 6698 are unusable with SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// 2: an authority that the certificate must be under.
    TrustAnchor,
    /// 3: the certificate itself.
    EndEntity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matching {
    Whole,
    Sha256,
    Sha512,
}

impl Tlsa {
    /// `None`: unusable.
    pub fn new(record: &TLSA) -> Option<Self> {
        let usage = match u8::from(record.cert_usage) {
            2 => Usage::TrustAnchor,
            3 => Usage::EndEntity,
            _ => return None,
        };
        let of_key = match u8::from(record.selector) {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (matching, length) = match u8::from(record.matching) {
            0 => (Matching::Whole, None),
            1 => (Matching::Sha256, Some(32)),
            2 => (Matching::Sha512, Some(64)),
            _ => return None,
        };
        let data = record.cert_data.clone();
        (length.is_none_or(|length| data.len() == length) && !data.is_empty()).then_some(Self { usage, of_key, matching, data })
    }

    /// Whether the record tells of this certificate.
    pub fn tells_of(&self, certificate: &CertificateDer<'_>) -> bool {
        if !self.of_key {
            return self.is_of(certificate);
        }
        ParsedCertificate::try_from(certificate).is_ok_and(|parsed| self.is_of(&parsed.subject_public_key_info()))
    }

    fn is_of(&self, octets: &[u8]) -> bool {
        match self.matching {
            Matching::Whole => self.data == octets,
            Matching::Sha256 => self.data == Sha256::digest(octets).as_slice(),
            Matching::Sha512 => self.data == Sha512::digest(octets).as_slice(),
        }
    }

    /// The certificate that stands in the record itself: it need not be in the chain that is shown.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        (self.matching == Matching::Whole && !self.of_key).then(|| CertificateDer::from(self.data.clone()))
    }
}

/// As in a zone's file: `3 1 1 0d6f...`.
impl std::fmt::Display for Tlsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let usage = if self.usage == Usage::TrustAnchor { 2 } else { 3 };
        let matching = match self.matching {
            Matching::Whole => 0,
            Matching::Sha256 => 1,
            Matching::Sha512 => 2,
        };
        write!(f, "{usage} {} {matching} ", u8::from(self.of_key))?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What the TLSA records of a host came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// None, or none that DNSSEC vouches for.
    Nothing,
    /// Some, and all of them unusable (RFC 7672 section 2.2: TLS all the same).
    Unusable,
    /// Those that can be used, and the base name they stand under.
    Usable(String, Vec<Tlsa>),
}

/// Looks for TLSA records under each base name, the first that has some decides. To be asked only when DNSSEC vouches for the
/// host's addresses and for the MX that named it: where zones are not signed, broken servers are not worth a deferral.
pub async fn find(resolver: &Resolver, port: u16, bases: &[&str]) -> Result<Found, DnsError> {
    for base in bases {
        match resolver.tlsa(&format!("_{port}._tcp.{base}")).await {
            Ok(answer) if answer.secure => {
                let usable: Vec<Tlsa> = answer.records.iter().filter_map(Tlsa::new).collect();
                return Ok(if usable.is_empty() { Found::Unusable } else { Found::Usable((*base).to_owned(), usable) });
            }
            Ok(_) | Err(DnsError::NoSuchDomain | DnsError::NoRecords) => {}
            // RFC 7672 section 2.1.1: an answer that can't be had may be one that somebody holds back.
            Err(failure) => return Err(failure),
        }
    }
    Ok(Found::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: (u8, u8, u8), data: &[u8]) -> TLSA {
        TLSA::new(fields.0.into(), fields.1.into(), fields.2.into(), data.to_vec())
    }

    #[test]
    fn only_what_smtp_can_use_is_used() {
        for (fields, length, usable) in [
            ((3, 1, 1), 32, true),
            ((3, 0, 2), 64, true),
            ((2, 0, 1), 32, true),
            ((3, 0, 0), 500, true),
            ((0, 0, 1), 32, false),
            ((1, 1, 1), 32, false),
            ((3, 2, 1), 32, false),
            ((3, 1, 3), 32, false),
            ((3, 1, 1), 31, false),
            ((3, 1, 2), 32, false),
            ((3, 0, 0), 0, false),
            ((255, 255, 255), 32, false),
        ] {
            assert_eq!(Tlsa::new(&record(fields, &vec![7; length])).is_some(), usable, "{fields:?} {length}");
        }
    }

    #[test]
    fn certificates_and_keys_are_matched_whole_or_by_digest() {
        let made = rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.der(), rcgen::PublicKeyData::subject_public_key_info(&made.signing_key));
        let digest = |octets: &[u8], matching| match matching {
            0 => octets.to_vec(),
            1 => Sha256::digest(octets).to_vec(),
            _ => Sha512::digest(octets).to_vec(),
        };
        for matching in 0..3 {
            for (selector, octets) in [(0, certificate.as_ref()), (1, key.as_slice())] {
                let right = Tlsa::new(&record((3, selector, matching), &digest(octets, matching))).unwrap();
                assert!(right.tells_of(certificate), "{selector} {matching}");
                let wrong = Tlsa::new(&record((3, 1 - selector, matching), &digest(octets, matching))).unwrap();
                assert!(!wrong.tells_of(certificate), "{selector} {matching}");
            }
        }
    }
}
