//! The SMTP door: a session that is open, and one mail in it.

use std::io::{self, Write};

use crate::mail::Template;
use crate::wire::Wire;

/// What a session needs to know.
pub struct Smtp {
    /// The base64 argument of AUTH PLAIN.
    pub auth: Option<String>,
}

impl Smtp {
    pub fn open(&self, port: u16) -> io::Result<Wire> {
        let mut wire = Wire::connect(port)?;
        expect(&mut wire, b"220")?;
        command(&mut wire, "EHLO load.test", b"250")?;
        if let Some(auth) = &self.auth {
            command(&mut wire, &format!("AUTH PLAIN {auth}"), b"235")?;
        }
        Ok(wire)
    }

    /// One mail: MAIL, RCPT and DATA in one write, the data in another.
    pub fn send(&self, wire: &mut Wire, out: &mut Vec<u8>, template: &Template, number: u64) -> io::Result<()> {
        out.clear();
        let recipient = template.recipient(number);
        let _ = write!(out, "MAIL FROM:<sender@example.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
        wire.write(out)?;
        for code in [b"250", b"250", b"354"] {
            expect(wire, code)?;
        }
        out.clear();
        template.write(out, number);
        wire.write(out)?;
        expect(wire, b"250")
    }

    pub fn close(&self, wire: &mut Wire) -> io::Result<()> {
        command(wire, "QUIT", b"221")
    }
}

fn command(wire: &mut Wire, line: &str, code: &[u8; 3]) -> io::Result<()> {
    wire.write(format!("{line}\r\n").as_bytes())?;
    expect(wire, code)
}

/// Reads one reply, of as many lines as it has.
fn expect(wire: &mut Wire, code: &[u8; 3]) -> io::Result<()> {
    loop {
        let line = wire.line()?;
        if !line.starts_with(code) {
            return Err(io::Error::other(String::from_utf8_lossy(line).trim_end().to_owned()));
        }
        if line.get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}
