//! PEM files of certificates and private keys. Errors name the file, and never quote it: it may hold a key.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Every certificate of the file, in order. An error when there is none.
pub fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let mut file = open(path)?;
    let found: Result<Vec<_>, _> = rustls_pemfile::certs(&mut file).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(path, "holds no PEM certificate")),
    }
}

/// The first private key of the file: PKCS #8, PKCS #1 or SEC 1.
pub fn private_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    let mut file = open(path)?;
    rustls_pemfile::private_key(&mut file).ok().flatten().ok_or_else(|| unusable(path, "holds no PEM private key"))
}

fn open(path: &Path) -> io::Result<BufReader<File>> {
    let file = File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(BufReader::new(file))
}

fn unusable(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file_and_quotes_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mixed.pem");
        for text in [
            "",
            "canary",
            "-----BEGIN canary-----\ncanary\n",
            "-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----\n",
        ] {
            std::fs::write(&path, text).unwrap();
            for error in [certificates(&path).unwrap_err(), private_key(&path).unwrap_err()] {
                let error = error.to_string();
                assert!(error.contains("mixed.pem") && !error.contains("canary"), "{error}");
            }
        }
        let missing = folder.path().join("missing.pem");
        assert!(certificates(&missing).unwrap_err().to_string().contains("missing.pem"));
    }
}
