//! A report of TLS as mail (RFC 8460 section 5.3).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;

/// Characters of a line of base64 (RFC 2045 section 6.8).
const LINE: usize = 76;

/// One report to one domain.
#[derive(Clone, Debug)]
pub struct TlsReport<'a> {
    /// Its own id, of which Message-ID and boundary are made.
    pub id: Id,
    /// Who reports; its domain is the submitter.
    pub from: &'a Address,
    /// At least one.
    pub to: &'a [Address],
    pub at: Timestamp,
    /// The domain it is about: A-labels.
    pub domain: &'a str,
    /// `report-id` of the report, of the form of a Message-ID.
    pub report_id: &'a str,
    /// The time that it is about, in seconds since 1970 UTC.
    pub span: (i64, i64),
    pub json: &'a str,
}

impl TlsReport<'_> {
    /// The whole message, lines ended by CRLF; in ASCII, as its addresses are.
    pub fn compose(&self) -> String {
        let (boundary, submitter) = (format!("=_{}", self.id), self.from.ascii_domain());
        let mut text = String::new();
        self.header(&boundary, &submitter, &mut text);
        let domain = self.domain;
        let _ = write!(
            text,
            "--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This is a report of {submitter}: how TLS went in its sessions with\r\nthe mail hosts of {domain} in a day (RFC 8460).\r\n\r\n\
             --{boundary}\r\nContent-Type: application/tlsrpt+json\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n\tfilename=\"{submitter}!{domain}!{}!{}.json\"\r\n\r\n",
            self.span.0, self.span.1,
        );
        let encoded = STANDARD.encode(self.json);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(rest.len().min(LINE));
            let _ = write!(text, "{line}\r\n");
            rest = behind;
        }
        let _ = write!(text, "\r\n--{boundary}--\r\n");
        text
    }

    /// Its Message-ID, with angle brackets.
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.id, self.from.ascii_domain())
    }

    /// Its subject, in one line.
    pub fn subject(&self) -> String {
        format!("Report Domain: {} Submitter: {} Report-ID: <{}>", self.domain, self.from.ascii_domain(), self.report_id)
    }

    /// To whom it goes, as in the field.
    pub fn to(&self) -> String {
        self.to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(", ")
    }

    fn header(&self, boundary: &str, submitter: &str, out: &mut String) {
        // RFC 8460 section 5.3.1, RFC 8689: what is told of TLS that fails must not fail by it.
        let _ = write!(
            out,
            "From: <{}>\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: {}\r\nTLS-Report-Domain: {}\r\n\
             TLS-Report-Submitter: {submitter}\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=tlsrpt;\r\n\tboundary=\"{boundary}\"\r\n\r\n",
            self.from,
            self.to().replace(", ", ",\r\n "),
            self.subject().replace(" Submitter:", "\r\n Submitter:").replace(" Report-ID:", "\r\n Report-ID:"),
            self.at.rfc5322(),
            self.message_id(),
            self.domain,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::fields::{Bounds, Fields};
    use crate::mime::leaf;
    use crate::mime::parts::{self, Reach};

    #[test]
    fn a_report_is_found_by_its_fields_and_read_by_its_type() {
        let from = Address::parse("tls@us.example").unwrap();
        let to = [Address::parse("a@them.example").unwrap(), Address::parse("b@them.example").unwrap()];
        let json = format!("{{\"organization-name\":\"{}\"}}", "x".repeat(500));
        let report = TlsReport {
            id: Id([0; 16]),
            from: &from,
            to: &to,
            at: Timestamp(1_795_222_867_250),
            domain: "them.example",
            report_id: "2026-11-20_them.example@us.example",
            span: (1_795_132_800, 1_795_219_199),
            json: &json,
        };
        let text = report.compose();
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        let fields = Fields::split(text.as_bytes(), Bounds::STORED);
        for (name, value) in [
            ("TLS-Report-Domain", "them.example"),
            ("TLS-Report-Submitter", "us.example"),
            ("To", "<a@them.example>, <b@them.example>"),
            ("Subject", "Report Domain: them.example Submitter: us.example Report-ID: <2026-11-20_them.example@us.example>"),
            ("TLS-Required", "No"),
        ] {
            assert_eq!(fields.text(name), value);
        }
        let parts = parts::of(text.as_bytes(), Reach::STANDARD);
        let kinds: Vec<&str> = parts.iter().map(|part| part.kind.as_str()).collect();
        assert_eq!(kinds, ["multipart/report", "text/plain", "application/tlsrpt+json"]);
        assert_eq!(parts[2].name.as_deref(), Some("us.example!them.example!1795132800!1795219199.json"));
        assert_eq!(leaf::octets(text.as_bytes(), &parts[2]), json.as_bytes());
    }
}
