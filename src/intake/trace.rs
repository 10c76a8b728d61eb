//! The fields we put on top: Received always, Date and Message-ID when they are missing.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::mime::fields::{Field, Fields};
use crate::model::address::Address;
use crate::model::submission::Transport;

/// The Received field (RFC 5321 section 4.4): by whom, how and under which id, but not from where, nor under whose name. An
/// application's mail must not tell its readers the address of the machine it runs on.
pub fn received(hostname: &str, transport: &Transport, id: Id, now: Timestamp) -> String {
    let protocol = if transport.protocol.is_empty() { "ESMTP" } else { transport.protocol };
    let tls = transport.tls.as_ref().map(|tls| format!("\r\n\t({tls})")).unwrap_or_default();
    format!("Received: by {hostname} with {protocol} id {id}{tls};\r\n\t{}\r\n", now.rfc5322())
}

/// The Date field.
pub fn date(now: Timestamp) -> String {
    format!("Date: {}\r\n", now.rfc5322())
}

/// A Message-ID in the sender's own domain (RFC 5322 section 3.6.4).
pub fn message_id(id: Id, sender: &Address) -> String {
    format!("<{id}@{}>", sender.ascii_domain())
}

/// The first field of this name that says something. One that is there but blank says nothing.
pub fn said<'f, 'a>(fields: &'f Fields<'a>, name: &str) -> Option<&'f Field<'a>> {
    fields.all(name).find(|field| !field.trimmed().is_empty())
}

/// Places of fields of this name that are there but blank.
pub fn blank<'f>(fields: &'f Fields<'_>, name: &'f str) -> impl Iterator<Item = usize> + 'f {
    let is_blank = move |field: &Field<'_>| field.is(name) && field.trimmed().is_empty();
    fields.list.iter().enumerate().filter(move |(_, field)| is_blank(field)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::fields::Bounds;

    #[test]
    fn received_names_tls_and_id_and_nobody() {
        let transport = Transport { protocol: "ESMTPSA", tls: Some("TLSv1.3 TLS13_AES_256_GCM_SHA384".to_owned()) };
        let field = received("mx.b.test", &transport, Id([0; 16]), Timestamp(1_795_222_867_250));
        assert_eq!(
            field,
            "Received: by mx.b.test with ESMTPSA id 00000000000000000000000000\r\n\t(TLSv1.3 TLS13_AES_256_GCM_SHA384);\r\n\
             \tSat, 21 Nov 2026 01:01:07 +0000\r\n"
        );
        assert_eq!(Fields::split(field.as_bytes(), Bounds::STORED).list.len(), 1);
        let field = received("mx.b.test", &Transport { protocol: "HTTP", tls: None }, Id([0; 16]), Timestamp(0));
        let by_http = "Received: by mx.b.test with HTTP id 00000000000000000000000000;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n";
        assert_eq!(field, by_http);
    }

    #[test]
    fn a_blank_field_says_nothing() {
        let message = b"Date: \r\nMessage-ID:\r\n \r\nmessage-id: <1@x>\r\n\r\n";
        let fields = Fields::split(message, Bounds::STORED);
        assert!(said(&fields, "Date").is_none());
        assert_eq!(said(&fields, "Message-ID").map(|f| f.trimmed()), Some(&b"<1@x>"[..]));
        assert_eq!(blank(&fields, "Message-ID").collect::<Vec<_>>(), [1]);
    }
}
