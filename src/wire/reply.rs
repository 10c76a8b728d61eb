//! Replies as they stand on the wire (RFC 5321 section 4.2, RFC 2034).

use std::borrow::Cow;

use bytes::BytesMut;

/// Octets of one line, CRLF included. Clients that show replies show one line; RFC 5321 section 4.5.3.1.5 would allow 512.
pub const LINE_MAX: usize = 200;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// Enhanced status code (RFC 3463); greeting, EHLO's answer and SASL challenges have none.
    pub enhanced: Option<&'static str>,
    /// Lines before the last.
    pub remarks: Vec<String>,
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply of one line.
    pub fn new(code: u16, enhanced: Option<&'static str>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced, remarks: Vec::new(), text: text.into() }
    }

    /// The same with one more line before the last.
    pub fn remark(mut self, line: impl Into<String>) -> Self {
        self.remarks.push(line.into());
        self
    }

    /// Whether it refuses, for now or for good.
    pub fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// Appends its lines. What a client sent and is quoted here can't break a line: all but printable ASCII becomes `?`.
    pub fn write(&self, into: &mut BytesMut) {
        for remark in &self.remarks {
            self.line(b'-', remark, into);
        }
        self.line(b' ', &self.text, into);
    }

    fn line(&self, separator: u8, text: &str, into: &mut BytesMut) {
        let start = into.len();
        let code = [self.code / 100 % 10, self.code / 10 % 10, self.code % 10];
        into.extend(code.map(|digit| b'0' + digit as u8));
        into.extend_from_slice(&[separator]);
        if let Some(enhanced) = self.enhanced {
            into.extend_from_slice(enhanced.as_bytes());
            into.extend_from_slice(b" ");
        }
        into.extend(text.chars().map(|c| if matches!(c, ' '..='~') { c as u8 } else { b'?' }));
        if into.len() - start > LINE_MAX - 2 {
            into.truncate(start + LINE_MAX - 5);
            into.extend_from_slice(b"...");
        }
        into.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = BytesMut::new();
        reply.write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn every_line_carries_the_codes() {
        let reply = Reply::new(250, Some("2.0.0"), "Ok").remark("first");
        assert_eq!(written(&reply), "250-2.0.0 first\r\n250 2.0.0 Ok\r\n");
        assert_eq!(written(&Reply::new(334, None, "")), "334 \r\n");
    }

    #[test]
    fn a_line_is_short_and_cannot_be_broken() {
        let line = written(&Reply::new(550, Some("5.6.0"), "x".repeat(500)));
        assert_eq!((line.len(), line.ends_with("x...\r\n")), (200, true));
        assert_eq!(written(&Reply::new(550, Some("5.6.0"), "a\r\n250 ü\0")), "550 5.6.0 a??250 ??\r\n");
    }
}
