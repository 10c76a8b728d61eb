//! From what a local program writes to a submission: line ends, the lone dot, recipients out of fields, Bcc, a missing From.

use super::options::Options;
use super::{qualified, recipients, status};
use crate::cli::submit::{self, Failure};
use crate::mime::edit::Edit;
use crate::mime::fields::{Bounds, Fields};
use crate::model::address::Address;

/// An envelope and its content.
#[derive(Debug)]
pub struct Prepared {
    /// `None` is the null reverse-path.
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    /// Lines ended by CRLF.
    pub content: Vec<u8>,
}

const DESTINATIONS: [&str; 3] = ["To", "Cc", "Bcc"];
/// RFC 5322 section 3.6.6: when a message is sent again, these say to whom.
const RESENT: [&str; 3] = ["Resent-To", "Resent-Cc", "Resent-Bcc"];

/// Makes a submission of the input. `host`: the domain of addresses that have none.
pub fn prepare(input: &[u8], options: &Options, host: &str) -> Result<Prepared, Failure> {
    let message = lines(input, options.dots_are_text);
    let fields = Fields::split(&message, Bounds::STORED);
    let mut written = options.recipients.clone();
    let mut edit = Edit::default();
    if options.from_fields {
        written.extend(named_in(&fields)?);
        edit.remove = (0..fields.list.len()).filter(|&n| fields.list[n].is("Bcc") || fields.list[n].is("Resent-Bcc")).collect();
    }
    let recipients = distinct(&written, host)?;
    let author = author(&fields, host)?;
    if author.is_none() {
        edit.top = from_field(options, host)?;
    }
    let sender = match options.sender.as_deref() {
        Some("") => None,
        Some(given) => Some(qualified(given, host)?),
        None => Some(author.map_or_else(|| qualified(&submit::own_user(), host), Ok)?),
    };
    Ok(Prepared { sender, recipients, content: edit.apply(&message, &fields) })
}

/// The input with CRLF at the end of every line, up to a line with a single dot unless dots are text.
fn lines(input: &[u8], dots_are_text: bool) -> Vec<u8> {
    let mut message = Vec::with_capacity(input.len() + input.len() / 32 + 2);
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"." && !dots_are_text {
            break;
        }
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// What the fields name: To, Cc and Bcc, or their Resent- forms when there are any.
fn named_in(fields: &Fields<'_>) -> Result<Vec<String>, Failure> {
    let resent = RESENT.iter().any(|name| fields.first(name).is_some());
    let mut named = Vec::new();
    for name in if resent { RESENT } else { DESTINATIONS } {
        for field in fields.all(name) {
            let found = recipients::addresses(field.value);
            named.extend(found.map_err(|fault| Failure::new(status::DATA, format!("{name} {fault}")))?);
        }
    }
    Ok(named)
}

/// In the order written, each mailbox once.
fn distinct(written: &[String], host: &str) -> Result<Vec<Address>, Failure> {
    let mut seen = std::collections::HashSet::new();
    let mut addresses = Vec::with_capacity(written.len());
    for text in written {
        // A shell gives a quoted list as one argument.
        let found = recipients::addresses(text.as_bytes());
        for address in found.map_err(|fault| Failure::new(status::USAGE, format!("{text:?} {fault}")))? {
            let address = qualified(&address, host)?;
            if seen.insert(address.key()) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() {
        return Err(Failure::new(status::USAGE, "no recipient: name one, or say -t and put To, Cc or Bcc into the message"));
    }
    Ok(addresses)
}

/// The first address of From; none when there is no such field, or nothing in it that could be a reverse-path.
fn author(fields: &Fields<'_>, host: &str) -> Result<Option<Address>, Failure> {
    let Some(from) = fields.first("From") else { return Ok(None) };
    let named = recipients::addresses(from.value).map_err(|fault| Failure::new(status::DATA, format!("From {fault}")))?;
    let first = named.first().ok_or_else(|| Failure::new(status::DATA, "From holds no address"))?;
    qualified(first, host).map(Some)
}

/// A From for a message that has none.
fn from_field(options: &Options, host: &str) -> Result<Vec<u8>, Failure> {
    let user = options.sender.clone().filter(|sender| !sender.is_empty()).unwrap_or_else(submit::own_user);
    let address = qualified(&user, host)?;
    let name: Option<String> = options.full_name.as_ref().map(|name| name.chars().filter(|c| !c.is_control()).collect());
    let field = match name {
        Some(name) => format!("From: \"{}\" <{address}>\r\n", name.replace('\\', "\\\\").replace('"', "\\\"")),
        None => format!("From: {address}\r\n"),
    };
    Ok(field.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(from_fields: bool, recipients: &[&str]) -> Options {
        Options { from_fields, recipients: recipients.iter().map(|r| (*r).to_owned()).collect(), ..Options::default() }
    }

    fn all(addresses: &[Address]) -> Vec<&str> {
        addresses.iter().map(Address::as_str).collect()
    }

    #[test]
    fn bcc_is_honoured_and_removed() {
        let input = b"From: A <a@x.test>\nTo: b@x.test, B <B@x.test>\nBcc: c@x.test,\n root\nSubject: s\n\nbody\n.\nnot this\n";
        let prepared = prepare(input, &options(true, &["d@x.test"]), "h.test").unwrap();
        assert_eq!(all(&prepared.recipients), ["d@x.test", "b@x.test", "c@x.test", "root@h.test"]);
        assert_eq!(prepared.sender.unwrap().as_str(), "a@x.test");
        let content = String::from_utf8(prepared.content).unwrap();
        assert_eq!(content, "From: A <a@x.test>\r\nTo: b@x.test, B <B@x.test>\r\nSubject: s\r\n\r\nbody\r\n");
    }

    #[test]
    fn a_bare_text_becomes_a_message() {
        let mut options = options(false, &["root"]);
        options.sender = Some("cron".to_owned());
        options.full_name = Some("Cron \"D\"".to_owned());
        options.dots_are_text = true;
        let prepared = prepare(b"hi there\n.\n", &options, "h.test").unwrap();
        let content = String::from_utf8(prepared.content).unwrap();
        assert_eq!(content, "From: \"Cron \\\"D\\\"\" <cron@h.test>\r\n\r\nhi there\r\n.\r\n");
        assert_eq!(prepared.sender.unwrap().as_str(), "cron@h.test");
    }

    #[test]
    fn without_a_recipient_nothing_is_sent() {
        let failure = prepare(b"Subject: s\n\nb\n", &options(true, &[]), "h.test").unwrap_err();
        assert_eq!(failure.status, status::USAGE);
    }

    #[test]
    fn the_null_sender_and_resent_fields_are_obeyed() {
        let input = b"From: a@x.test\nTo: old@x.test\nResent-To: new@x.test\nResent-Bcc: hidden@x.test\n\nb\n";
        let mut options = options(true, &[]);
        options.sender = Some(String::new());
        let prepared = prepare(input, &options, "h.test").unwrap();
        assert_eq!(prepared.sender, None);
        assert_eq!(all(&prepared.recipients), ["new@x.test", "hidden@x.test"]);
        assert!(!String::from_utf8_lossy(&prepared.content).contains("hidden"));
    }
}
