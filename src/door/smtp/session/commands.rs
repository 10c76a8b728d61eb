//! Each command to its place, and those that concern no mail.

use super::stage::Stage;
use super::{Action, Hello, Session, Tls, sasl};
use crate::door::smtp::replies;
use crate::wire::command::Command;

impl Session {
    pub(super) fn obey(&mut self, command: Command) -> Option<Action> {
        match command {
            Command::Ehlo(name) => self.greeted(Hello::Ehlo, &name),
            Command::Helo(name) => self.greeted(Hello::Helo, &name),
            Command::StartTls => self.starttls(),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Data => self.begin_data(),
            Command::Bdat(chunk) => self.begin_chunk(chunk),
            Command::Rset => {
                self.stage = Stage::Idle;
                self.idle_about(&replies::ok())
            }
            Command::Noop => self.idle_about(&replies::ok()),
            Command::Help => self.idle_about(&replies::help()),
            Command::Vrfy => self.idle_about(&replies::not_verified()),
            Command::Expn => self.fail(&replies::no_lists()),
            Command::Quit => self.end(&replies::bye()),
        }
    }

    /// Any name is taken: clients give container ids, file names and worse. It also ends a transaction (RFC 5321 section 4.1.4).
    fn greeted(&mut self, hello: Hello, name: &str) -> Option<Action> {
        tracing::debug!(peer = %self.peer.address, name = %name.escape_debug(), "greeted");
        self.stage = Stage::Idle;
        self.hello = Some(hello);
        let reply = match hello {
            Hello::Helo => replies::hello(&self.settings),
            Hello::Ehlo => replies::extensions(&self.settings, self.extensions()),
        };
        self.idle_about(&reply)
    }

    /// What is offered at this moment. BINARYMIME is not: every hop after this one would have to take it too.
    fn extensions(&self) -> Vec<String> {
        let mut lines = vec!["PIPELINING".to_owned(), format!("SIZE {}", self.settings.max_message_size)];
        lines.extend(["8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"].map(str::to_owned));
        if matches!(self.peer.tls, Tls::Offered { .. } | Tls::Broken) {
            lines.push("STARTTLS".to_owned());
        }
        if self.peer.may_authenticate() {
            // The second form is that of clients from before RFC 2554.
            lines.extend([format!("AUTH {}", sasl::MECHANISMS), format!("AUTH={}", sasl::MECHANISMS)]);
        }
        // RFC 9422.
        lines.push(format!("LIMITS RCPTMAX={}", self.settings.recipients));
        lines
    }

    /// RFC 3207. What the client sent beyond the command is thrown away: it would be taken for something said under TLS.
    fn starttls(&mut self) -> Option<Action> {
        let reply = match self.peer.tls {
            Tls::Active(_) => replies::out_of_order("TLS is in use already"),
            _ if !matches!(self.stage, Stage::Idle) => replies::out_of_order("a transaction is open"),
            Tls::Absent => replies::tls_not_offered(),
            Tls::Broken => replies::tls_broken(),
            Tls::Offered { .. } => {
                self.inbound.clear();
                self.say(&replies::go_ahead());
                return Some(Action::StartTls);
            }
        };
        self.fail(&reply)
    }
}
