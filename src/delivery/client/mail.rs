//! The envelope of one transaction, as MAIL and RCPT lines.

use crate::delivery::client::extensions::Extensions;
use crate::model::address::Address;
use crate::model::envelope::{DsnNotify, DsnRet, ForwardPath};

/// Content is turned into what is written in pieces of this size.
pub(super) const PIECE: usize = 64 * 1024;

/// One transaction: a message on its way to recipients at one next hop.
#[derive(Clone, Debug)]
pub struct Mail<'a> {
    /// `None` is the null reverse-path.
    pub reverse_path: Option<&'a Address>,
    pub recipients: &'a [&'a ForwardPath],
    /// Whole lines that go before the content: what was put on top of a message that is kept apart.
    pub head: &'a [u8],
    /// The content, lines ended by CRLF, not dot-stuffed.
    pub content: &'a [u8],
    /// The content has octets above 127.
    pub eight_bit: bool,
    /// The envelope or the header fields need SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// Asked for every recipient, whatever their senders asked for: the reverse-path is ours, and so is what comes back.
    pub notify: Option<DsnNotify>,
    pub ret: Option<DsnRet>,
    pub envid: Option<&'a str>,
}

impl Mail<'_> {
    /// Head and content, as they are written.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.head.chunks(PIECE).chain(self.content.chunks(PIECE))
    }

    /// Appends the MAIL line, with the parameters that the peer knows.
    pub fn write_mail(&self, offered: &Extensions, out: &mut Vec<u8>) {
        out.extend_from_slice(b"MAIL FROM:<");
        if let Some(path) = self.reverse_path {
            self.write_address(path, out);
        }
        out.push(b'>');
        if offered.size.is_some() {
            out.extend_from_slice(format!(" SIZE={}", self.head.len() + self.content.len()).as_bytes());
        }
        if self.eight_bit && offered.eight_bit_mime {
            out.extend_from_slice(b" BODY=8BITMIME");
        }
        if self.utf8 {
            out.extend_from_slice(b" SMTPUTF8");
        }
        if offered.dsn {
            self.write_dsn(out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// RFC 3461 section 4.3 and 4.4.
    fn write_dsn(&self, out: &mut Vec<u8>) {
        if let Some(ret) = self.ret {
            out.extend_from_slice(format!(" RET={}", ret.as_str()).as_bytes());
        }
        if let Some(envid) = self.envid {
            out.extend_from_slice(b" ENVID=");
            write_xtext(envid, out);
        }
    }

    /// Appends the RCPT line of one recipient.
    pub fn write_rcpt(&self, path: &ForwardPath, offered: &Extensions, out: &mut Vec<u8>) {
        out.extend_from_slice(b"RCPT TO:<");
        self.write_address(&path.address, out);
        out.push(b'>');
        if offered.dsn {
            if let Some(notify) = self.notify.or(path.notify) {
                out.extend_from_slice(format!(" NOTIFY={}", notify.text()).as_bytes());
            }
            if let Some((kind, original)) = path.orcpt.as_deref().and_then(|orcpt| orcpt.split_once(';')) {
                out.extend_from_slice(b" ORCPT=");
                out.extend(kind.bytes().filter(u8::is_ascii_graphic));
                out.push(b';');
                write_xtext(original, out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// As written where UTF-8 is spoken, else with the domain in A-labels.
    fn write_address(&self, address: &Address, out: &mut Vec<u8>) {
        if self.utf8 || address.is_ascii() {
            out.extend_from_slice(address.as_str().as_bytes());
        } else {
            out.extend_from_slice(address.local_part().as_bytes());
            out.push(b'@');
            out.extend_from_slice(address.ascii_domain().as_bytes());
        }
    }
}

/// `xtext` of RFC 3461 section 4: printable ASCII but `+` and `=`, the rest as `+XX`.
fn write_xtext(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'+' && byte != b'=' => out.push(byte),
            _ => out.extend_from_slice(format!("+{byte:02X}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(offered: &Extensions, utf8: bool) -> String {
        let from = Address::parse("bounce@b\u{fc}cher.example").unwrap();
        let path = ForwardPath {
            address: Address::parse("you@example.com").unwrap(),
            notify: Some(DsnNotify { failure: true, ..DsnNotify::default() }),
            orcpt: Some("rfc822;y+u@example.com".to_owned()),
        };
        let mail = Mail {
            reverse_path: Some(&from),
            recipients: &[&path],
            head: b"",
            content: b"1234",
            eight_bit: true,
            utf8,
            notify: None,
            ret: Some(DsnRet::Headers),
            envid: Some("a=b c"),
        };
        let mut out = Vec::new();
        mail.write_mail(offered, &mut out);
        mail.write_rcpt(&path, offered, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parameters_are_said_only_where_they_are_known() {
        assert_eq!(
            lines(&Extensions::default(), false),
            "MAIL FROM:<bounce@xn--bcher-kva.example>\r\nRCPT TO:<you@example.com>\r\n"
        );
        let all = Extensions { size: Some(None), eight_bit_mime: true, smtputf8: true, dsn: true, ..Extensions::default() };
        assert_eq!(
            lines(&all, true),
            "MAIL FROM:<bounce@b\u{fc}cher.example> SIZE=4 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+3Db+20c\r\n\
             RCPT TO:<you@example.com> NOTIFY=FAILURE ORCPT=rfc822;y+2Bu@example.com\r\n"
        );
    }
}
