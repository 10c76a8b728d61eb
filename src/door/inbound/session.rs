//! The inbound session: bytes in, replies out. No I/O, no clock, no store. The limits are small and fixed, since what is said here is.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};

use crate::door::inbound::addressee::{Addressee, Addresses};
use crate::door::inbound::data::Data;
use crate::wire::command::{Command, MailFrom, RcptTo};
use crate::wire::line::{self, Line};
use crate::wire::reply::Reply;

/// Octets of a command line.
const LINE: usize = 2048;
/// Addresses of one message.
const RECIPIENTS: usize = 10;
/// Errors of one connection, and commands of any kind.
const ERRORS: usize = 20;
const COMMANDS: usize = 2000;
const TOO_LARGE: &str = "no message of ours comes back so large";

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Read,
    /// A message for these, its beginning when it is long; [`Session::entered`] answers.
    Enter(Vec<Addressee>, Vec<u8>),
    /// Write what waits, lay TLS over the connection, and go on with [`Session::secured`].
    StartTls,
    /// Write what waits, and close.
    Close,
}

/// What is taken, of all connections alike.
#[derive(Debug)]
pub struct Terms {
    /// As this system calls itself.
    pub hostname: String,
    pub addresses: Addresses,
    /// Of one message, at most.
    pub octets: u64,
}

/// One connection's conversation.
#[derive(Debug)]
pub struct Session {
    terms: Arc<Terms>,
    inbound: BytesMut,
    outbound: BytesMut,
    offers_tls: bool,
    greeted: bool,
    /// An address of ours was named.
    has_business: bool,
    transaction: Option<Vec<Addressee>>,
    data: Option<Data>,
    errors: usize,
    commands: usize,
    closed: bool,
}

impl Session {
    /// A session that begins with the greeting.
    pub fn new(terms: Arc<Terms>, offers_tls: bool) -> Self {
        let greeting = Reply::new(220, None, format!("{} ESMTP Posthouse; reports only", terms.hostname));
        let mut session = Self::silent(terms, offers_tls);
        greeting.write(&mut session.outbound);
        session
    }

    fn silent(terms: Arc<Terms>, offers_tls: bool) -> Self {
        Self {
            terms,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            offers_tls,
            greeted: false,
            has_business: false,
            transaction: None,
            data: None,
            errors: 0,
            commands: 0,
            closed: false,
        }
    }

    /// After the handshake of [`Step::StartTls`]: of the conversation in the clear only what it has cost is known (RFC 3207 section 4.2).
    pub fn secured(self) -> Self {
        Self { errors: self.errors, commands: self.commands, ..Self::silent(self.terms, false) }
    }

    /// Whether the peer has said any address of ours. Nobody makes one up.
    pub fn has_business(&self) -> bool {
        self.has_business
    }

    /// Takes bytes read from the peer.
    pub fn input(&mut self, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
    }

    /// Replies that wait to be written.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.outbound
    }

    /// Goes on as far as the input reaches.
    pub fn next_step(&mut self) -> Step {
        loop {
            if self.closed {
                return Step::Close;
            }
            let step = if self.data.is_some() { self.read_data() } else { self.read_line() };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Answers [`Step::Enter`]. `taken`: it is durable, or needs nothing to be.
    pub fn entered(&mut self, taken: bool) {
        match taken {
            true => self.say(250, "2.0.0", "Ok: taken"),
            false => self.say(451, "4.3.0", "this can't be entered now; try again later"),
        }
    }

    /// The house closes: 421, and the next step is `Close`.
    pub fn close_down(&mut self) {
        self.end(421, "4.3.2", "the server is closing down; connect again");
    }

    /// The peer took too long: 421, and the next step is `Close`.
    pub fn too_slow(&mut self) {
        self.end(421, "4.4.2", "nothing was heard for too long; closing");
    }

    fn read_line(&mut self) -> Option<Step> {
        match line::take(&mut self.inbound, LINE) {
            Line::Partial => Some(Step::Read),
            Line::TooLong => {
                self.end(500, "5.5.2", "the line is too long; closing");
                None
            }
            Line::Whole(line) => {
                self.commands += 1;
                match Command::parse(&line) {
                    _ if self.commands > COMMANDS => self.end(421, "4.7.0", "too many commands; closing"),
                    Ok(Command::StartTls) if self.offers_tls => return self.start_tls(),
                    Ok(command) => self.obey(command),
                    Err(error) => self.refuse(&error),
                }
                None
            }
        }
    }

    fn refuse(&mut self, error: &crate::wire::command::CommandError) {
        use crate::wire::command::CommandError as E;
        match error {
            E::UnknownVerb => self.fail(500, "5.5.1", "command not known"),
            E::OtherProtocol | E::ChunkSize => self.end(554, "5.5.1", "this port speaks SMTP; closing"),
            E::Syntax(what) => self.fail(501, "5.5.2", what),
            E::Argument(what) => self.fail(501, "5.5.4", what),
            E::ReversePath(_) => self.fail(501, "5.1.7", "bad sender address"),
            E::ForwardPath(_) => self.no_such_address(),
            E::Parameter(_) => self.fail(555, "5.5.4", "parameter not known, or not well formed"),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ehlo(_) => self.greet(true),
            Command::Helo(_) => self.greet(false),
            Command::Mail(mail) => self.mail(&mail),
            Command::Rcpt(rcpt) => self.rcpt(&rcpt),
            Command::Data => self.data(),
            Command::Rset => {
                self.transaction = None;
                self.say(250, "2.0.0", "Ok");
            }
            Command::Noop => self.say(250, "2.0.0", "Ok"),
            Command::Quit => self.end(221, "2.0.0", "Bye"),
            // Its octets would be taken for commands.
            Command::Bdat(_) => self.end(502, "5.5.1", "BDAT is not offered; closing"),
            Command::Auth { .. } | Command::StartTls | Command::Vrfy | Command::Expn | Command::Help => {
                self.fail(502, "5.5.1", "not offered here");
            }
        }
    }

    fn greet(&mut self, extended: bool) {
        (self.greeted, self.transaction) = (true, None);
        let reply = match extended {
            true => {
                let reply = Reply::new(250, None, "ENHANCEDSTATUSCODES")
                    .remark(self.terms.hostname.clone())
                    .remark("PIPELINING")
                    .remark(format!("SIZE {}", self.terms.octets))
                    .remark("8BITMIME");
                if self.offers_tls { reply.remark("STARTTLS") } else { reply }
            }
            false => Reply::new(250, None, self.terms.hostname.clone()),
        };
        reply.write(&mut self.outbound);
    }

    /// RFC 3207. What came after it in the clear is thrown away, not run under TLS.
    fn start_tls(&mut self) -> Option<Step> {
        if self.transaction.is_some() {
            self.fail(503, "5.5.1", "STARTTLS comes before MAIL");
            return None;
        }
        self.inbound.clear();
        self.say(220, "2.0.0", "go ahead");
        Some(Step::StartTls)
    }

    /// Reports come from the null reverse-path, complaints mostly not: neither is judged.
    fn mail(&mut self, mail: &MailFrom) {
        if !self.greeted || self.transaction.is_some() {
            return self.fail(503, "5.5.1", "MAIL comes after EHLO, and once");
        }
        if mail.parameters.size.is_some_and(|size| size > self.terms.octets) {
            return self.fail(552, "5.3.4", TOO_LARGE);
        }
        self.transaction = Some(Vec::new());
        self.say(250, "2.1.0", "Ok");
    }

    fn rcpt(&mut self, rcpt: &RcptTo) {
        let addressee = self.terms.addresses.addressee(&rcpt.forward_path);
        match (&mut self.transaction, addressee) {
            (None, _) => self.fail(503, "5.5.1", "MAIL first"),
            (Some(_), None) => self.no_such_address(),
            (Some(known), Some(_)) if known.len() == RECIPIENTS => self.fail(452, "4.5.3", "too many recipients"),
            (Some(known), Some(addressee)) => {
                known.push(addressee);
                self.has_business = true;
                self.say(250, "2.1.5", "Ok");
            }
        }
    }

    fn no_such_address(&mut self) {
        self.fail(550, "5.1.1", "no such address: only reports about mail that we sent are taken here");
    }

    fn data(&mut self) {
        match &self.transaction {
            Some(addressees) if !addressees.is_empty() => {
                self.data = Some(Data::default());
                Reply::new(354, None, "go ahead").write(&mut self.outbound);
            }
            _ => self.fail(554, "5.5.1", "no valid recipients"),
        }
    }

    fn read_data(&mut self) -> Option<Step> {
        let data = self.data.as_mut()?;
        let progress = data.read(&self.inbound);
        self.inbound.advance(progress.used);
        if data.octets() > self.terms.octets {
            self.end(552, "5.3.4", TOO_LARGE);
            return None;
        }
        if !progress.ended {
            return Some(Step::Read);
        }
        let message = self.data.take()?.into_kept();
        Some(Step::Enter(self.transaction.take().unwrap_or_default(), message))
    }

    fn say(&mut self, code: u16, enhanced: &'static str, text: &'static str) {
        Reply::new(code, Some(enhanced), text).write(&mut self.outbound);
    }

    fn fail(&mut self, code: u16, enhanced: &'static str, text: &'static str) {
        self.say(code, enhanced, text);
        self.errors += 1;
        if self.errors > ERRORS {
            self.end(421, "4.7.0", "too many errors; closing");
        }
    }

    fn end(&mut self, code: u16, enhanced: &'static str, text: &'static str) {
        self.say(code, enhanced, text);
        self.closed = true;
    }
}
