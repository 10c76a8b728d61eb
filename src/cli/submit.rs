//! Submitting a message to a door by SMTP, as `sendmail` and `send` do: which server, under which key, and what its replies mean
//! to a program that only reads an exit status.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::ready::reachable;
use crate::cli::sendmail::status;
use crate::config::{Config, Listener, ListenerTls, RelayTls};
use crate::delivery::client::auth::Login;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::client::dial::{Hop, Terms};
use crate::delivery::client::mail::Mail;
use crate::delivery::client::reply::ServerReply;
use crate::delivery::client::tls::TlsClient;
use crate::delivery::client::{ClientError, Step};
use crate::model::address::Address;
use crate::model::envelope::ForwardPath;
use crate::model::stream::Stream;

/// Why nothing, or not all, was accepted: an exit status of sysexits.h, and words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub status: u8,
    pub text: String,
}

impl Failure {
    /// A failure with one of the statuses of sysexits.h.
    pub fn new(status: u8, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// Where to submit, and as whom; what is not given comes from the environment and the configuration.
#[derive(Default)]
pub struct Way<'a> {
    pub server: Option<&'a str>,
    pub key: Option<&'a str>,
    /// Named in the login.
    pub stream: Option<Stream>,
}

/// The port of a server that is named without one.
const PORT: u16 = 2525;

impl Way<'_> {
    /// The server as a next hop. The key goes over a network only by TLS.
    pub fn hop(&self, config: &Config) -> anyhow::Result<Hop> {
        let named = self.server.or(Some(config.sendmail.server.as_str()).filter(|server| !server.is_empty()));
        let (host, port, tls) = match named {
            Some(server) => named_server(server)?,
            None => first_listener(config)?,
        };
        let ca = if config.tls.cert.is_empty() { Vec::new() } else { std::fs::read(&config.tls.cert).unwrap_or_default() };
        Ok(Hop {
            host,
            port,
            addresses: Vec::new(),
            sources: Vec::new(),
            terms: Terms::Relay(tls),
            login: self.login(config),
            transactions_max: u32::MAX,
            hello: own_name(config),
            tls_client: TlsClient::new(&ca).map_err(anyhow::Error::msg)?,
            deadlines: Arc::new(Deadlines::default()),
        })
    }

    fn login(&self, config: &Config) -> Option<Login> {
        let from_environment = std::env::var("POSTHOUSE_KEY").ok();
        let given = self.key.map(str::to_owned).or(from_environment).unwrap_or_else(|| config.sendmail.key.0.clone());
        let username = self.stream.map_or_else(|| "apikey".to_owned(), |stream| format!("apikey+{stream}"));
        (!given.is_empty()).then_some(Login { username, password: given })
    }
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`.
fn named_server(server: &str) -> anyhow::Result<(String, u16, RelayTls)> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().with_context(|| format!("server {server:?}: {port:?} is not a port"))?)
        }
        _ => (server, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    anyhow::ensure!(!host.is_empty(), "server {server:?} has no host");
    // RFC 8314 section 3.3: this port speaks TLS from the first octet.
    Ok((host, port, if port == 465 { RelayTls::Implicit } else { RelayTls::Opportunistic }))
}

/// The first listener that begins in the clear, else the first.
fn first_listener(config: &Config) -> anyhow::Result<(String, u16, RelayTls)> {
    let listeners = &config.smtp.listener;
    let clear = listeners.iter().find(|listener| listener.tls != ListenerTls::Implicit);
    let listener: &Listener = clear.or(listeners.first()).context("smtp.listener is empty: name a server")?;
    let address: SocketAddr = reachable(listener.address);
    let tls = if listener.tls == ListenerTls::Implicit { RelayTls::Implicit } else { RelayTls::Opportunistic };
    Ok((address.ip().to_string(), address.port(), tls))
}

/// Submits the content to each recipient. Returns the server's reply when it accepted it for all of them.
pub async fn submit(hop: &Hop, sender: Option<&Address>, recipients: &[Address], content: &[u8]) -> Result<ServerReply, Failure> {
    let paths: Vec<ForwardPath> = recipients.iter().cloned().map(ForwardPath::from).collect();
    let mut connection = hop.dial().await.map_err(|e| of_error(&e))?;
    let utf8 = sender.into_iter().chain(recipients).any(Address::needs_smtputf8);
    let mail = Mail {
        reverse_path: sender,
        recipients: &paths.iter().collect::<Vec<_>>(),
        head: &[],
        content,
        eight_bit: !content.is_ascii(),
        utf8,
        notify: None,
        ret: None,
        envid: None,
    };
    let answers = connection.send(&mail).await.map_err(|e| of_error(&e))?;
    connection.quit().await;
    verdict(recipients, answers)
}

/// One verdict from the answers to all recipients; the first failure is told.
fn verdict(recipients: &[Address], answers: Vec<Result<(Step, ServerReply), ClientError>>) -> Result<ServerReply, Failure> {
    let accepted = answers.iter().filter_map(|a| a.as_ref().ok()).find(|(step, r)| *step == Step::Dot && r.is_positive());
    let failed = recipients.iter().zip(&answers).find(|(_, answer)| !matches!(answer, Ok((_, reply)) if reply.is_positive()));
    match (accepted, failed) {
        (Some((_, reply)), None) => Ok(reply.clone()),
        (None, None) => Err(Failure::new(status::UNAVAILABLE, "the server accepted nothing")),
        (accepted, Some((recipient, answer))) => {
            let failure = match answer {
                Ok((step, reply)) => of_reply(*step, reply),
                Err(e) => of_error(e),
            };
            let text = format!("{recipient}: {}", failure.text);
            // Others have it: whoever tried again because of 75 would send it to them twice.
            let spoilt = accepted.is_some() && failure.status == status::TEMPORARY;
            Err(Failure::new(if spoilt { status::UNAVAILABLE } else { failure.status }, text))
        }
    }
}

fn of_error(error: &ClientError) -> Failure {
    match error {
        ClientError::Refused(step, reply) => of_reply(*step, reply),
        ClientError::Insecure(_) => Failure::new(status::CONFIGURATION, error.to_string()),
        ClientError::Tls(_) | ClientError::Untrusted(..) => Failure::new(status::UNAVAILABLE, error.to_string()),
        _ => Failure::new(status::TEMPORARY, error.to_string()),
    }
}

fn of_reply(step: Step, reply: &ServerReply) -> Failure {
    let enhanced = |class: &str| reply.text.starts_with(class);
    let status = match step {
        _ if reply.is_transient() => status::TEMPORARY,
        Step::Auth => status::NO_PERMISSION,
        _ if reply.code == 530 || enhanced("5.7.") => status::NO_PERMISSION,
        Step::Rcpt => status::NO_USER,
        _ if reply.code == 552 || enhanced("5.6.") => status::DATA,
        _ => status::UNAVAILABLE,
    };
    Failure::new(status, format!("{} {}", reply.code, reply.text.replace('\n', " ")))
}

/// This machine's name, for EHLO and for addresses without a domain.
pub fn own_name(config: &Config) -> String {
    if !config.delivery.hostname.is_empty() {
        return config.delivery.hostname.clone();
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The name of the user who runs this program, as the login left it.
pub fn own_user() -> String {
    let named = ["LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| if rustix::process::getuid().is_root() { "root".to_owned() } else { "nobody".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_in_every_form() {
        for (text, host, port, tls) in [
            ("mail.test", "mail.test", PORT, RelayTls::Opportunistic),
            ("mail.test:465", "mail.test", 465, RelayTls::Implicit),
            ("[::1]:25", "::1", 25, RelayTls::Opportunistic),
            ("::1", "::1", PORT, RelayTls::Opportunistic),
        ] {
            assert_eq!(named_server(text).unwrap(), (host.to_owned(), port, tls), "{text}");
        }
        assert!(named_server("mail.test:smtp").is_err() && named_server(":25").is_err());
    }

    #[test]
    fn replies_become_exit_statuses() {
        for (step, code, text, wanted) in [
            (Step::Auth, 535, "5.7.8 no", status::NO_PERMISSION),
            (Step::Auth, 454, "4.7.0 later", status::TEMPORARY),
            (Step::Mail, 530, "5.7.0 log in", status::NO_PERMISSION),
            (Step::Rcpt, 550, "5.1.1 who", status::NO_USER),
            (Step::Dot, 550, "5.7.1 domain_not_verified", status::NO_PERMISSION),
            (Step::Dot, 550, "5.6.0 invalid_header", status::DATA),
            (Step::Mail, 552, "5.3.4 too large", status::DATA),
            (Step::Dot, 452, "4.3.1 full", status::TEMPORARY),
            (Step::Dot, 554, "5.4.6 loop", status::UNAVAILABLE),
        ] {
            let reply = ServerReply { code, text: text.to_owned() };
            assert_eq!(of_reply(step, &reply).status, wanted, "{code} {text}");
        }
    }

    #[test]
    fn who_is_left_out_when_others_are_served_is_not_tried_again() {
        let recipients = [Address::parse("a@x.test").unwrap(), Address::parse("b@x.test").unwrap()];
        let reply = |code, text: &str| ServerReply { code, text: text.to_owned() };
        let answers = |second| vec![Ok((Step::Dot, reply(250, "2.0.0 Ok"))), second];
        assert!(verdict(&recipients, answers(Ok((Step::Dot, reply(250, "2.0.0 Ok"))))).is_ok());
        let failure = verdict(&recipients, answers(Ok((Step::Rcpt, reply(452, "4.5.3 many"))))).unwrap_err();
        assert_eq!((failure.status, failure.text.as_str()), (status::UNAVAILABLE, "b@x.test: 452 4.5.3 many"));
    }
}
