//! Delivery status notifications of our own (RFC 3461, RFC 3464): for people first, then for machines, then the message it is about.

use std::fmt::Write as _;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::mime::fields::{Bounds, Fields};
use crate::mime::report::delivery::Action;
use crate::model::address::Address;
use crate::model::envelope::DsnRet;
use crate::model::outcome::Reply;

/// Octets of a message that is returned whole; of a larger one the header section goes back.
const FULL_MAX: usize = 1 << 20;

/// One notification, about one recipient.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// Its own id, of which Message-ID and boundary are made.
    pub id: Id,
    /// The name of this system.
    pub reporting_mta: &'a str,
    /// To whom it goes: the reverse-path of the message.
    pub to: &'a Address,
    pub at: Timestamp,
    pub action: Action,
    pub recipient: &'a Address,
    /// As given, decoded, with its type: `rfc822;a@b`.
    pub orcpt: Option<&'a str>,
    pub envid: Option<&'a str>,
    pub reply: &'a Reply,
    /// When the message came.
    pub arrived: Timestamp,
    /// When trying ends, of one that is delayed.
    pub retry_until: Option<Timestamp>,
    pub ret: Option<DsnRet>,
    /// The message, lines ended by CRLF.
    pub message: &'a [u8],
}

impl Notice<'_> {
    /// The whole message, lines ended by CRLF. It goes out under the null reverse-path (RFC 3461 section 6.1).
    pub fn compose(&self) -> Vec<u8> {
        let (kind, returned) = self.returned();
        let boundary = format!("=_{}", self.id);
        let mut text = String::new();
        self.header(&boundary, &mut text);
        let _ = write!(text, "--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
        self.for_people(&mut text);
        let _ = write!(text, "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n");
        self.for_machines(&mut text);
        let _ = write!(text, "\r\n--{boundary}\r\nContent-Type: {kind}\r\n");
        if !returned.is_ascii() {
            text.push_str("Content-Transfer-Encoding: 8bit\r\n");
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(returned);
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        bytes
    }

    /// What goes back. RET speaks of failures alone (RFC 3461 section 4.3); else the header section tells which message it was.
    fn returned(&self) -> (&'static str, &[u8]) {
        let whole = self.ret == Some(DsnRet::Full) && self.action == Action::Failed && self.message.len() <= FULL_MAX;
        if whole {
            return ("message/rfc822", self.message);
        }
        let end = Fields::split(self.message, Bounds::STORED).separator.start;
        ("text/rfc822-headers", &self.message[..end])
    }

    /// Its Message-ID, with angle brackets.
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.id, self.reporting_mta)
    }

    fn header(&self, boundary: &str, out: &mut String) {
        let mta = self.reporting_mta;
        let _ = write!(
            out,
            "From: Mail Delivery System <MAILER-DAEMON@{mta}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: {}\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n",
            self.to,
            self.subject(),
            self.at.rfc5322(),
            self.message_id(),
        );
        // RFC 6152: what is inside may need eight bits, and then the whole does.
        if !self.returned().1.is_ascii() {
            out.push_str("Content-Transfer-Encoding: 8bit\r\n");
        }
        out.push_str("\r\nThis is a delivery report; your mail program does not show it as one.\r\n\r\n");
    }

    /// Its subject.
    pub fn subject(&self) -> &'static str {
        match self.action {
            Action::Failed => "Your message could not be delivered",
            Action::Delayed => "Your message is delayed",
            Action::Delivered => "Your message was delivered",
            Action::Relayed | Action::Expanded => "Your message was passed on",
        }
    }

    fn for_people(&self, out: &mut String) {
        let to = ascii(self.recipient.as_str());
        let arrived = self.arrived.rfc5322();
        let _ =
            write!(out, "This is the mail system at {}.\r\n\r\nYour message of {arrived}\r\nto <{to}>\r\n", self.reporting_mta);
        out.push_str(match self.action {
            Action::Failed => "could not be delivered, and will not be tried again.\r\n",
            Action::Delayed => "could not be delivered so far. It will be tried again; you need not send it again.\r\n",
            Action::Delivered => "was delivered.\r\n",
            Action::Relayed | Action::Expanded => {
                "was passed on to a mail system that sends no notice of delivery.\r\nYou may hear no more of it.\r\n"
            }
        });
        if let Some(until) = self.retry_until {
            let _ = write!(out, "If it can't be delivered by {}, you will be told.\r\n", until.rfc5322());
        }
        let said = ascii(&self.reply.line());
        if !said.is_empty() {
            let who = if self.reply.code == 0 { "The reason" } else { "What the other mail system said" };
            let _ = write!(out, "\r\n{who}:\r\n");
            folded("    ", "    ", &said, out);
        }
    }

    fn for_machines(&self, out: &mut String) {
        let mta = self.reporting_mta;
        if let Some(envid) = self.envid {
            let _ = write!(out, "Original-Envelope-Id: {}\r\n", ascii(envid));
        }
        let _ = write!(out, "Reporting-MTA: dns; {mta}\r\nArrival-Date: {}\r\n\r\n", self.arrived.rfc5322());
        if let Some((kind, address)) = self.orcpt.and_then(|orcpt| orcpt.split_once(';')) {
            let _ = write!(out, "Original-Recipient: {};{}\r\n", ascii(kind), typed(address).1);
        }
        let (kind, address) = typed(self.recipient.as_str());
        let _ = write!(out, "Final-Recipient: {kind};{address}\r\n");
        let _ = write!(out, "Action: {}\r\nStatus: {}\r\n", self.action.as_str(), self.status());
        if self.reply.code != 0 {
            folded("Diagnostic-Code: ", "   ", &format!("smtp; {}", ascii(&self.reply.line())), out);
        }
        if let Some(until) = self.retry_until {
            let _ = write!(out, "Will-Retry-Until: {}\r\n", until.rfc5322());
        }
    }

    /// The enhanced code that was given, if it fits the action; else one that says as much as we know (RFC 3463).
    fn status(&self) -> String {
        let (class, unknown) = match self.action {
            Action::Failed => (['5', '4'].as_slice(), if self.reply.code / 100 == 4 { "4.4.7" } else { "5.0.0" }),
            Action::Delayed => (['4'].as_slice(), "4.0.0"),
            Action::Delivered | Action::Relayed | Action::Expanded => (['2'].as_slice(), "2.0.0"),
        };
        self.reply.enhanced.clone().filter(|given| given.starts_with(class)).unwrap_or_else(|| unknown.to_owned())
    }
}

/// Printable ASCII, with `?` for what is not.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// The type of an address, and the address in ASCII (RFC 6533 section 3: utf-8-addr-xtext).
fn typed(address: &str) -> (&'static str, String) {
    if address.chars().all(|c| matches!(c, '!'..='~')) {
        return ("rfc822", address.to_owned());
    }
    let escaped = address.chars().map(|c| match c {
        '!'..='~' if !matches!(c, '\\' | '+' | '=') => c.to_string(),
        c => format!("\\x{{{:X}}}", u32::from(c)),
    });
    ("utf-8", escaped.collect())
}

/// Appends `text`, `first` before its first line and `next` before the others, in lines of at most 78 characters as far as there are
/// blanks to fold at.
fn folded(first: &str, next: &str, text: &str, out: &mut String) {
    let (mut line, mut words) = (first.to_owned(), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if words > 0 && line.len() + 1 + word.len() > 78 {
            let _ = write!(out, "{line}\r\n");
            (line, words) = (next.to_owned(), 0);
        }
        if words > 0 {
            line.push(' ');
        }
        line.push_str(word);
        words += 1;
    }
    let _ = write!(out, "{line}\r\n");
}
