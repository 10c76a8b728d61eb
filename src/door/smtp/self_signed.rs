//! The pair that stands in where TLS is asked for and no certificate is configured.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the pair is kept in `data_dir`. Made for `hostname` and loopback when it is not there; a failure to make it is logged.
pub fn files(data_dir: &Path, hostname: &str) -> (PathBuf, PathBuf) {
    let (cert, key) = (data_dir.join("self-signed.crt"), data_dir.join("self-signed.key"));
    if !(cert.exists() && key.exists()) {
        match make(data_dir, &cert, &key, hostname) {
            Ok(()) => tracing::warn!(
                cert = %cert.display(),
                "no certificate is configured: made a self-signed one, which clients that verify will refuse; set [tls] cert and key"
            ),
            Err(error) => tracing::error!(%error, "a self-signed certificate can't be made"),
        }
    }
    (cert, key)
}

fn make(data_dir: &Path, cert: &Path, key: &Path, hostname: &str) -> io::Result<()> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if hostname.is_ascii() && !names.iter().any(|name| name == hostname) {
        names.insert(0, hostname.to_owned());
    }
    let pair = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    fs::create_dir_all(data_dir)?;
    write(key, 0o600, &pair.signing_key.serialize_pem())?;
    write(cert, 0o644, &pair.cert.pem())
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_is_made_once_and_its_key_is_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let (cert, key) = files(&data_dir, "mail.example.test");
        let first = fs::read(&cert).unwrap();
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files(&data_dir, "mail.example.test"), (cert.clone(), key));
        assert_eq!(fs::read(&cert).unwrap(), first);
    }
}
