//! One connection to the sink: a whole server, as far as clients can tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Act, Received, Shared, Turn};

/// Plays the script on a connection until its end.
pub(super) async fn begin(tcp: TcpStream, connection: usize, shared: Arc<Shared>) {
    let mut session =
        Session { connection, shared, encrypted: false, mail: String::new(), rcpt: Vec::new(), pending: None, over: false };
    let tls = session.shared.script.tls.clone().map(TlsAcceptor::from);
    match tls {
        Some(acceptor) if session.shared.script.implicit => {
            session.encrypted = true;
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            session.talk(BufReader::new(stream), true).await;
        }
        tls => {
            let Some(plain) = session.talk(BufReader::new(tcp), true).await else { return };
            let Some(acceptor) = tls else { return };
            session.encrypted = true;
            let Ok(stream) = acceptor.accept(plain.into_inner()).await else { return };
            session.talk(BufReader::new(stream), false).await;
        }
    }
}

struct Session {
    connection: usize,
    shared: Arc<Shared>,
    encrypted: bool,
    mail: String,
    rcpt: Vec<String>,
    /// What the final dot is to decide.
    pending: Option<Received>,
    /// It counts as open no longer.
    over: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

enum Next {
    Go,
    Content,
    StartTls,
    End,
}

impl Session {
    /// Counts as open no longer: who has said QUIT may connect anew as soon as it is answered.
    fn end(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.shared.note(|record| record.open -= 1);
        }
    }

    /// Talks until the end; returns the stream when STARTTLS was agreed on.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&mut self, mut stream: BufReader<S>, greets: bool) -> Option<BufReader<S>> {
        if greets && matches!(self.turn(&mut stream, "greeting", "220 sink ESMTP").await, Next::End) {
            return None;
        }
        loop {
            let mut line = Vec::new();
            if !matches!(stream.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            let ordinary = self.ordinary(&line);
            let next = match chunk(&line) {
                Some(octets) => self.chunk(&mut stream, &line, octets).await?,
                None => self.turn(&mut stream, &line, &ordinary).await,
            };
            match next {
                Next::Go => {}
                Next::StartTls => return Some(stream),
                Next::End => return None,
                Next::Content => {
                    if matches!(self.content(&mut stream).await, None | Some(Next::End)) {
                        return None;
                    }
                }
            }
        }
    }

    fn ordinary(&mut self, line: &str) -> String {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let mut lines = vec!["sink greets you".to_owned()];
                lines.extend(self.shared.script.offers.clone());
                if self.shared.script.tls.is_some() && !self.encrypted {
                    lines.push("STARTTLS".to_owned());
                }
                let last = lines.len() - 1;
                let mark = |(place, text): (usize, &String)| format!("250{}{text}", if place == last { ' ' } else { '-' });
                lines.iter().enumerate().map(mark).collect::<Vec<_>>().join("\r\n")
            }
            "STARTTLS" => "220 go ahead".to_owned(),
            "DATA" if self.rcpt.is_empty() => "503 5.5.1 nobody receives".to_owned(),
            "DATA" => "354 go ahead".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            "AUTH" => "235 2.7.0 welcome".to_owned(),
            _ => "250 2.0.0 fine".to_owned(),
        }
    }

    /// Does what the script or the ordinary has for this turn.
    async fn turn<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, line: &str, ordinary: &str) -> Next {
        let connection = self.connection;
        let mut turn = Turn { connection, line: line.to_owned(), nth: 0 };
        let verb = turn.verb();
        turn.nth = self.shared.note(|record| {
            let nth = record.lines.iter().filter(|(_, l)| l.to_ascii_uppercase().starts_with(&verb)).count();
            record.lines.push((connection, line.to_owned()));
            nth
        });
        let act = (self.shared.script.react)(&turn);
        let said = match act {
            None => ordinary.to_owned(),
            Some(Act::Say(text)) => text,
            Some(Act::Delay(span)) => {
                tokio::time::sleep(span).await;
                ordinary.to_owned()
            }
            Some(Act::Once(mut so)) => {
                let _ = so.wait_for(|so| *so).await;
                ordinary.to_owned()
            }
            Some(Act::SayAndClose(text)) => {
                self.record_taken(&text);
                let _ = stream.write_all(format!("{text}\r\n").as_bytes()).await;
                let _ = stream.shutdown().await;
                return Next::End;
            }
            Some(Act::Close) => return Next::End,
            Some(Act::Drip(text)) => drip(stream, &text).await,
            Some(Act::Endless(text)) => endless(stream, &text).await,
            Some(Act::Silence) => std::future::pending().await,
        };
        self.record_taken(&said);
        if verb == "QUIT" {
            self.end();
        }
        if said.is_empty() || stream.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
            return Next::End;
        }
        self.after(&verb, line, &said)
    }

    /// What the reply did to the transaction.
    fn after(&mut self, verb: &str, line: &str, said: &str) -> Next {
        match (verb, said.as_bytes().first()) {
            ("MAIL", Some(b'2')) => (self.mail, self.rcpt) = (line.to_owned(), Vec::new()),
            ("RCPT", Some(b'2')) if !self.mail.is_empty() => self.rcpt.push(line.to_owned()),
            ("RSET" | "EHLO" | "HELO", _) => (self.mail, self.rcpt) = (String::new(), Vec::new()),
            ("DATA", Some(b'3')) => return Next::Content,
            ("STARTTLS", Some(b'2')) => return Next::StartTls,
            ("QUIT", _) => return Next::End,
            _ => {}
        }
        Next::Go
    }

    /// Reads up to CRLF.CRLF, and nothing else ends it.
    async fn content<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> Option<Next> {
        let mut raw = Vec::new();
        while raw != b".\r\n" && !raw.ends_with(b"\r\n.\r\n") {
            if !matches!(stream.read_until(b'\n', &mut raw).await, Ok(n) if n > 0) {
                return None;
            }
        }
        let (mail, rcpt) = (std::mem::take(&mut self.mail), std::mem::take(&mut self.rcpt));
        let (connection, encrypted) = (self.connection, self.encrypted);
        self.pending = Some(Received { connection, mail, rcpt, content: unstuffed(&raw), raw, encrypted });
        Some(self.turn(stream, ".", "250 2.0.0 taken").await)
    }

    /// Reads one chunk, the message's only one (RFC 3030), unless the script answers it at once.
    async fn chunk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        line: &str,
        octets: usize,
    ) -> Option<Next> {
        let turn = Turn { connection: self.connection, line: line.to_owned(), nth: 0 };
        if (self.shared.script.react)(&turn).is_some() {
            return Some(self.turn(stream, line, "").await);
        }
        self.shared.note(|record| record.lines.push((self.connection, line.to_owned())));
        let mut raw = vec![0; octets];
        stream.read_exact(&mut raw).await.ok()?;
        let (mail, rcpt) = (std::mem::take(&mut self.mail), std::mem::take(&mut self.rcpt));
        if rcpt.is_empty() {
            return Some(self.turn(stream, ".", "503 5.5.1 nobody receives").await);
        }
        let (connection, encrypted) = (self.connection, self.encrypted);
        self.pending = Some(Received { connection, mail, rcpt, content: raw.clone(), raw, encrypted });
        Some(self.turn(stream, ".", "250 2.0.0 taken").await)
    }

    /// Recorded before it is answered, so that whoever saw the answer finds it.
    fn record_taken(&mut self, said: &str) {
        if let Some(received) = self.pending.take()
            && said.starts_with('2')
        {
            self.shared.note(|record| record.received.push(received));
        }
    }
}

/// The octets that `BDAT n LAST` announces.
fn chunk(line: &str) -> Option<usize> {
    line.strip_prefix("BDAT ")?.strip_suffix(" LAST")?.parse().ok()
}

fn unstuffed(raw: &[u8]) -> Vec<u8> {
    let raw = raw.strip_suffix(b".\r\n").unwrap_or(raw);
    let mut content = Vec::with_capacity(raw.len());
    let mut at_start = true;
    for &octet in raw {
        if !(at_start && octet == b'.') {
            content.push(octet);
        }
        at_start = octet == b'\n';
    }
    content
}

async fn drip<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> String {
    for octet in text.bytes().cycle() {
        if stream.write_all(&[octet]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    String::new()
}

async fn endless<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> String {
    while stream.write_all(text.as_bytes()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    String::new()
}
