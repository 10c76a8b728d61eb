//! PROXY protocol version 2: the line before the first that tells whom a load balancer speaks for.
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;
/// Octets that may follow the fixed part. Addresses take at most 216; the rest is for the balancer's own notes.
const LONGEST: usize = 4096;

/// Reads the header and nothing beyond it. `None`: the balancer speaks for itself (LOCAL, or an address family without ports).
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    if fixed[..12] != SIGNATURE {
        return Err(malformed("no PROXY protocol v2 signature"));
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > LONGEST {
        return Err(malformed("the header is too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    source(fixed[12], fixed[13], &rest)
}

/// The source address, from the octets of version and command, of family and transport, and what follows the fixed part.
fn source(version_command: u8, family: u8, rest: &[u8]) -> io::Result<Option<SocketAddr>> {
    match version_command {
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(malformed("unknown version or command")),
    }
    let source = match family {
        0x00 => return Ok(None),
        0x11 => tcp4(rest),
        0x21 => tcp6(rest),
        _ => return Err(malformed("not TCP")),
    };
    source.map(Some).ok_or_else(|| malformed("the addresses are cut short"))
}

/// Source and destination address of 4 octets each, then both ports.
fn tcp4(rest: &[u8]) -> Option<SocketAddr> {
    let address: [u8; 4] = rest.first_chunk().copied()?;
    let port: [u8; 2] = rest.get(8..12)?.first_chunk().copied()?;
    Some((Ipv4Addr::from(address), u16::from_be_bytes(port)).into())
}

/// Source and destination address of 16 octets each, then both ports.
fn tcp6(rest: &[u8]) -> Option<SocketAddr> {
    let address: [u8; 16] = rest.first_chunk().copied()?;
    let port: [u8; 2] = rest.get(32..36)?.first_chunk().copied()?;
    Some((Ipv6Addr::from(address), u16::from_be_bytes(port)).into())
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version_command, family], &length, rest].concat()
    }

    /// What is read, and what is left unread.
    async fn read_all(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, usize) {
        let mut unread = bytes;
        let read = read(&mut unread).await;
        (read, unread.len())
    }

    #[tokio::test]
    async fn addresses_are_read_and_nothing_beyond_the_header() {
        let four = [&[192, 0, 2, 7][..], &[10, 0, 0, 1], &[0x30, 0x39], &[9, 221], b"\x03\0\x04abcd"].concat();
        let bytes = [header(0x21, 0x11, &four), b"EHLO x\r\n".to_vec()].concat();
        let (read, left) = read_all(&bytes).await;
        assert_eq!(read.unwrap(), Some("192.0.2.7:12345".parse().unwrap()));
        assert_eq!(left, 8);

        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        six[15] = 1;
        six[32..34].copy_from_slice(&[0x30, 0x39]);
        assert_eq!(read_all(&header(0x21, 0x21, &six)).await.0.unwrap(), Some("[2001:db8::1]:12345".parse().unwrap()));
        assert_eq!(read_all(&header(0x20, 0, &[])).await.0.unwrap(), None, "LOCAL");
        assert_eq!(read_all(&header(0x21, 0, b"notes")).await.0.unwrap(), None, "UNSPEC");
    }

    #[tokio::test]
    async fn what_is_no_header_is_an_error() {
        let long = header(0x21, 0x11, &[0; LONGEST + 1]);
        let cut = &header(0x21, 0x11, &[1; 12])[..20];
        let bad: [&[u8]; 7] = [
            b"EHLO a.test\r\nMAIL FROM:<a@b.test>\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            &header(0x11, 0x11, &[0; 12]),
            &header(0x21, 0x12, &[0; 12]),
            &header(0x21, 0x11, &[0; 11]),
            &long,
            cut,
        ];
        for bytes in bad {
            assert!(read_all(bytes).await.0.is_err(), "{}", bytes.escape_ascii());
        }
    }
}
