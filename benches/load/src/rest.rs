//! The HTTP door: a connection that is kept open, and one request on it, of one mail or of many.

use std::io::{self, Write};

use crate::mail::Template;
use crate::wire::Wire;

/// What a request needs to know.
pub struct Rest {
    pub key: String,
    /// Mails in one request; 1: not a batch.
    pub batch: u64,
}

impl Rest {
    /// One request, whose mails are numbered from `number`.
    pub fn send(&self, wire: &mut Wire, out: &mut Vec<u8>, template: &Template, number: u64) -> io::Result<()> {
        let body = self.body(template, number);
        let path = if self.batch == 1 { "/api/v1/emails" } else { "/api/v1/emails/batch" };
        out.clear();
        let _ = write!(
            out,
            "POST {path} HTTP/1.1\r\nHost: load.test\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.key,
            body.len()
        );
        out.extend_from_slice(&body);
        wire.write(out)?;
        created(wire)
    }

    fn body(&self, template: &Template, number: u64) -> Vec<u8> {
        let mut body = Vec::new();
        if self.batch == 1 {
            template.write_json(&mut body, number);
            return body;
        }
        body.extend_from_slice(br#"{"emails":["#);
        for place in 0..self.batch {
            if place > 0 {
                body.push(b',');
            }
            template.write_json(&mut body, number + place);
        }
        body.extend_from_slice(b"]}");
        body
    }
}

/// Reads one answer, which must be 201 and say how long it is.
fn created(wire: &mut Wire) -> io::Result<()> {
    let status = wire.line()?.to_vec();
    let mut length = None;
    loop {
        let line = wire.line()?;
        if line == b"\r\n" {
            break;
        }
        let line = String::from_utf8_lossy(line);
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let body = wire.exactly(length.ok_or_else(|| io::Error::other("an answer without Content-Length"))?)?;
    if status.starts_with(b"HTTP/1.1 201 ") {
        return Ok(());
    }
    Err(io::Error::other(format!("{} {}", String::from_utf8_lossy(&status).trim_end(), String::from_utf8_lossy(body))))
}
