//! Lines in and out of a blocking socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// A socket with what was read from it and is not used yet.
pub struct Wire {
    stream: TcpStream,
    held: Vec<u8>,
    used: usize,
}

impl Wire {
    pub fn connect(port: u16) -> io::Result<Self> {
        Self::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
    }

    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, held: Vec::with_capacity(16 * 1024), used: 0 })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Whether everything that was read has been used: the moment to answer.
    pub fn is_dry(&self) -> bool {
        self.used == self.held.len()
    }

    /// One line, its CRLF included.
    pub fn line(&mut self) -> io::Result<&[u8]> {
        self.until(b"\n")
    }

    /// Message data up to CRLF.CRLF: its length on the wire, and what `look` makes of it.
    pub fn data<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let data = self.until(b"\r\n.\r\n")?;
        Ok(look(&data[..data.len() - 3]))
    }

    /// So many octets.
    pub fn exactly(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.held.len() - self.used < length {
            self.more()?;
        }
        let start = self.used;
        self.used += length;
        Ok(&self.held[start..self.used])
    }

    fn until(&mut self, mark: &[u8]) -> io::Result<&[u8]> {
        let (start, mut looked) = (self.used, self.used);
        loop {
            if let Some(at) = find(&self.held[looked..], mark) {
                self.used = looked + at + mark.len();
                return Ok(&self.held[start..self.used]);
            }
            if start > 0 {
                self.held.drain(..start);
                self.used = 0;
                return self.until(mark);
            }
            looked = self.held.len().saturating_sub(mark.len() - 1);
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let length = self.held.len();
        self.held.resize(length + 16 * 1024, 0);
        let got = self.stream.read(&mut self.held[length..])?;
        self.held.truncate(length + got);
        if got == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Where `mark` begins; it goes by the mark's last octet, which is rare in what is looked through.
fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    let last = mark[mark.len() - 1];
    let mut from = mark.len() - 1;
    while let Some(at) = text.get(from..)?.iter().position(|&byte| byte == last) {
        let end = from + at + 1;
        if &text[end - mark.len()..end] == mark {
            return Some(end - mark.len());
        }
        from = end;
    }
    None
}
