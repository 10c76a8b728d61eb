//! The envelope: who a message is from and for, as the session said it (RFC 5321 section 2.3.1).

use crate::model::address::Address;

/// What was given at MAIL and RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `None` is the null reverse-path, `MAIL FROM:<>`.
    pub reverse_path: Option<Address>,
    /// In the order given, without duplicates.
    pub recipients: Vec<ForwardPath>,
    /// `BODY=` (RFC 6152, RFC 3030).
    pub body: BodyType,
    /// `SMTPUTF8` was said (RFC 6531).
    pub smtputf8: bool,
    /// `RET=` (RFC 3461 section 4.3).
    pub ret: Option<DsnRet>,
    /// `ENVID=` decoded from xtext (RFC 3461 section 4.4).
    pub envid: Option<String>,
}

/// One RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardPath {
    pub address: Address,
    /// `NOTIFY=` (RFC 3461 section 4.1).
    pub notify: Option<DsnNotify>,
    /// `ORCPT=` as given, decoded from xtext, with its address type: `rfc822;a@b` (RFC 3461 section 4.2).
    pub orcpt: Option<String>,
}

impl From<Address> for ForwardPath {
    fn from(address: Address) -> Self {
        Self { address, notify: None, orcpt: None }
    }
}

/// The body the client announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    #[default]
    SevenBit,
    EightBitMime,
    BinaryMime,
}

/// How much of the message a DSN returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsnRet {
    Full,
    Headers,
}

impl DsnRet {
    /// The word of the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            DsnRet::Full => "FULL",
            DsnRet::Headers => "HDRS",
        }
    }
}

/// When a DSN is wanted; all false is `NEVER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DsnNotify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

impl DsnNotify {
    /// As the protocol writes it: `NEVER`, or a list.
    pub fn text(self) -> String {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let chosen: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        if chosen.is_empty() { "NEVER".to_owned() } else { chosen.join(",") }
    }

    /// From the protocol's form, in any case. `None` when it is not of that form.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(Self::default());
        }
        let mut notify = Self::default();
        for word in text.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => notify.success = true,
                "FAILURE" => notify.failure = true,
                "DELAY" => notify.delay = true,
                _ => return None,
            }
        }
        Some(notify)
    }
}
