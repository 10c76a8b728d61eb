//! Command lines as typed commands (RFC 5321 section 4.1.1). No rule is applied here; an error names the bad part.

use std::fmt;

use crate::model::address::{Address, AddressError};
use crate::wire::parameter::{MailParameters, ParameterError, RcptParameters};
use crate::wire::path;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// What the client calls itself, as it came.
    Ehlo(String),
    Helo(String),
    StartTls,
    /// Mechanism, and the initial response still in base64 (RFC 4954 section 4).
    Auth {
        mechanism: String,
        initial: Option<InitialResponse>,
    },
    Mail(MailFrom),
    Rcpt(RcptTo),
    Data,
    Bdat(Chunk),
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
}

/// An initial response in base64. Its `Debug` form hides it, since it holds a key.
#[derive(Clone, PartialEq, Eq)]
pub struct InitialResponse(pub String);

impl fmt::Debug for InitialResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitialResponse(..)")
    }
}

/// MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailFrom {
    /// `None` is the null reverse-path.
    pub reverse_path: Option<Address>,
    pub parameters: MailParameters,
}

/// RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptTo {
    pub forward_path: Address,
    pub parameters: RcptParameters,
}

/// BDAT: the octets that follow the line (RFC 3030 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub octets: u64,
    pub last: bool,
}

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    UnknownVerb,
    /// HTTP speaks, or TLS.
    OtherProtocol,
    Syntax(&'static str),
    Argument(&'static str),
    ReversePath(AddressError),
    ForwardPath(AddressError),
    Parameter(ParameterError),
    /// A BDAT whose octets can't be counted: what follows can't be told from commands.
    ChunkSize,
}

impl From<ParameterError> for CommandError {
    fn from(error: ParameterError) -> Self {
        Self::Parameter(error)
    }
}

/// Methods of HTTP, with which a browser can be made to talk to this port.
const HTTP: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"];
/// The first octet of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether these first octets of a line are of another protocol: TLS, or HTTP with a blank after its method.
pub fn is_other_protocol(start: &[u8]) -> bool {
    if start.first() == Some(&TLS_HANDSHAKE) {
        return true;
    }
    let verb = start.split(|&b| b == b' ').next().unwrap_or_default();
    verb.len() < start.len() && HTTP.iter().any(|method| method.as_bytes() == verb)
}

/// Whether these first octets of a line announce a chunk, countable or not.
pub fn is_chunk(start: &[u8]) -> bool {
    start.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
}

impl Command {
    /// Reads a line without its CRLF.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        if is_other_protocol(line) {
            return Err(CommandError::OtherProtocol);
        }
        if line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            let error = CommandError::Syntax("the line holds a CR, LF or NUL of its own");
            return Err(if is_chunk(line) { CommandError::ChunkSize } else { error });
        }
        let line = line.trim_ascii_end();
        let split = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
        let (verb, rest) = line.split_at(split);
        Self::of(&verb.to_ascii_uppercase(), rest.trim_ascii_start())
    }

    fn of(verb: &[u8], rest: &[u8]) -> Result<Self, CommandError> {
        match verb {
            b"EHLO" => Ok(Self::Ehlo(String::from_utf8_lossy(rest).into_owned())),
            b"HELO" => Ok(Self::Helo(String::from_utf8_lossy(rest).into_owned())),
            b"MAIL" => mail(rest),
            b"RCPT" => rcpt(rest),
            b"BDAT" => bdat(rest),
            b"AUTH" => auth(rest),
            b"DATA" => alone(rest, Self::Data),
            b"RSET" => alone(rest, Self::Rset),
            b"QUIT" => alone(rest, Self::Quit),
            b"STARTTLS" => alone(rest, Self::StartTls),
            b"NOOP" => Ok(Self::Noop),
            b"HELP" => Ok(Self::Help),
            b"VRFY" => Ok(Self::Vrfy),
            b"EXPN" => Ok(Self::Expn),
            b"" => Err(CommandError::Syntax("the line begins with no command")),
            _ => Err(CommandError::UnknownVerb),
        }
    }
}

fn alone(rest: &[u8], command: Command) -> Result<Command, CommandError> {
    if rest.is_empty() { Ok(command) } else { Err(CommandError::Argument("this command takes no argument")) }
}

/// What stands after `FROM:` or `TO:`, in any case and with blanks about the colon.
fn after<'a>(rest: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let (head, rest) = rest.split_at_checked(word.len())?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    head.eq_ignore_ascii_case(word.as_bytes()).then(|| rest.trim_ascii_start())
}

fn mail(rest: &[u8]) -> Result<Command, CommandError> {
    let rest = after(rest, "FROM").ok_or(CommandError::Syntax("write MAIL FROM:<address>"))?;
    let text = str::from_utf8(rest).map_err(|_| CommandError::ReversePath(AddressError::LocalPart))?;
    let (reverse_path, rest) = path::parse(text).map_err(CommandError::ReversePath)?;
    Ok(Command::Mail(MailFrom { reverse_path, parameters: MailParameters::parse(rest)? }))
}

fn rcpt(rest: &[u8]) -> Result<Command, CommandError> {
    let rest = after(rest, "TO").ok_or(CommandError::Syntax("write RCPT TO:<address>"))?;
    let text = str::from_utf8(rest).map_err(|_| CommandError::ForwardPath(AddressError::LocalPart))?;
    let (path, rest) = path::parse(text).map_err(CommandError::ForwardPath)?;
    let forward_path = path.ok_or(CommandError::ForwardPath(AddressError::Empty))?;
    Ok(Command::Rcpt(RcptTo { forward_path, parameters: RcptParameters::parse(rest)? }))
}

fn bdat(rest: &[u8]) -> Result<Command, CommandError> {
    let mut words = rest.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    let octets = words.next().and_then(number).ok_or(CommandError::ChunkSize)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return Err(CommandError::ChunkSize),
    };
    if words.next().is_some() {
        return Err(CommandError::ChunkSize);
    }
    Ok(Command::Bdat(Chunk { octets, last }))
}

fn number(word: &[u8]) -> Option<u64> {
    if !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(word).ok()?.parse().ok()
}

fn auth(rest: &[u8]) -> Result<Command, CommandError> {
    let text = str::from_utf8(rest).map_err(|_| CommandError::Argument("write AUTH PLAIN or AUTH LOGIN"))?;
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(CommandError::Argument("write AUTH PLAIN or AUTH LOGIN"))?.to_ascii_uppercase();
    let initial = words.next().map(|word| InitialResponse(word.to_owned()));
    match words.next() {
        None => Ok(Command::Auth { mechanism, initial }),
        Some(_) => Err(CommandError::Argument("AUTH takes a mechanism and one initial response")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, CommandError> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn verbs_are_known_in_any_case_with_blanks_after_them() {
        for (line, command) in [
            ("EHLO a", Command::Ehlo("a".into())),
            ("ehlo [127.0.0.1] x ", Command::Ehlo("[127.0.0.1] x".into())),
            ("HELO", Command::Helo(String::new())),
            ("data  ", Command::Data),
            ("Noop whatever", Command::Noop),
            ("quit", Command::Quit),
            ("BDAT 5", Command::Bdat(Chunk { octets: 5, last: false })),
            ("bdat 0 last", Command::Bdat(Chunk { octets: 0, last: true })),
            ("AUTH plain =", Command::Auth { mechanism: "PLAIN".into(), initial: Some(InitialResponse("=".into())) }),
            ("auth login", Command::Auth { mechanism: "LOGIN".into(), initial: None }),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn mail_and_rcpt_are_read_as_clients_write_them() {
        let null = Ok(Command::Mail(MailFrom::default()));
        let from = |text: &str| {
            Ok(Command::Mail(MailFrom { reverse_path: Some(text.parse().unwrap()), parameters: MailParameters::default() }))
        };
        assert_eq!(parse("MAIL FROM:<>"), null);
        assert_eq!(parse("mail from: <a@b.test>"), from("a@b.test"));
        assert_eq!(parse("Mail From : a@b.test "), from("a@b.test"));
        assert_eq!(parse("MAIL  FROM:<root@cronhost>"), from("root@cronhost"));
        assert!(matches!(parse("rcpt to: u@x.test NOTIFY=NEVER"), Ok(Command::Rcpt(_))));
    }

    #[test]
    fn an_error_names_the_bad_part() {
        use CommandError as E;
        for (line, error) in [
            ("", E::Syntax("the line begins with no command")),
            ("XYZZY", E::UnknownVerb),
            ("MAILFROM:<a@b>", E::UnknownVerb),
            ("MAIL <a@b>", E::Syntax("write MAIL FROM:<address>")),
            ("RCPT FROM:<a@b>", E::Syntax("write RCPT TO:<address>")),
            ("MAIL FROM:", E::ReversePath(AddressError::Empty)),
            ("RCPT TO:<>", E::ForwardPath(AddressError::Empty)),
            ("RCPT TO:<postmaster>", E::ForwardPath(AddressError::NoDomain)),
            ("MAIL FROM:<a@b> X=1", E::Parameter(ParameterError::Unknown("X".into()))),
            ("DATA x", E::Argument("this command takes no argument")),
            ("GET / HTTP/1.1", E::OtherProtocol),
            ("\u{16}\u{3}\u{1}", E::OtherProtocol),
        ] {
            assert_eq!(parse(line), Err(error), "{line:?}");
        }
        assert!(matches!(parse("NOOP a\rb"), Err(E::Syntax(_))));
        assert!(matches!(Command::parse(b"NOOP \0"), Err(E::Syntax(_))));
        assert_eq!(Command::parse(b"MAIL FROM:<\xff@b.test>"), Err(E::ReversePath(AddressError::LocalPart)));
    }

    #[test]
    fn a_chunk_that_cannot_be_counted_is_told_apart() {
        for line in
            ["BDAT", "BDAT abc", "BDAT -1", "BDAT +1", "BDAT 99999999999999999999", "BDAT 5 LASTX", "BDAT 5 LAST 1", "BDAT LAST"]
        {
            assert_eq!(parse(line), Err(CommandError::ChunkSize), "{line}");
        }
        for line in [&b"BDAT 5\0"[..], b"bdat 5 LAST\n", b"BDAT\r 5"] {
            assert_eq!(Command::parse(line), Err(CommandError::ChunkSize), "{}", line.escape_ascii());
        }
    }
}
