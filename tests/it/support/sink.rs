//! A next hop on port 0 that records what came, and misbehaves by script.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use super::IN_TIME;

/// What the sink does instead of the ordinary.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends this reply; several lines, or several replies, stand in one text.
    Say(String),
    /// Sends this, then hangs up.
    SayAndClose(String),
    /// Hangs up.
    Close,
    /// Sends the reply an octet at a time, with pauses, for ever from its beginning.
    Drip(String),
    /// Sends the text again and again.
    Endless(String),
    /// Says nothing and waits.
    Silence,
    /// Says the ordinary, after a while.
    Delay(Duration),
    /// Says the ordinary, once this is so.
    Once(watch::Receiver<bool>),
}

impl Act {
    pub fn say(text: &str) -> Self {
        Self::Say(text.to_owned())
    }
}

/// Where the script is asked.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Counts from 0.
    pub connection: usize,
    /// The command line, or `greeting`, or `.` at the end of the content, by whatever means it is told.
    pub line: String,
    /// How often a turn of this verb came before, on any connection.
    pub nth: usize,
}

impl Turn {
    pub fn verb(&self) -> String {
        self.line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase()
    }
}

type Reaction = dyn Fn(&Turn) -> Option<Act> + Send + Sync;

/// How the sink behaves.
#[derive(Clone)]
pub struct Script {
    /// What EHLO offers; STARTTLS is added when there is a certificate.
    pub offers: Vec<String>,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// TLS from the first octet.
    implicit: bool,
    react: Arc<Reaction>,
}

impl Default for Script {
    fn default() -> Self {
        let offers = ["PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "DSN"].map(str::to_owned).to_vec();
        Self { offers, tls: None, implicit: false, react: Arc::new(|_| None) }
    }
}

impl Script {
    /// Asks `react` at each turn; `None` is the ordinary.
    pub fn on(react: impl Fn(&Turn) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self { react: Arc::new(react), ..Self::default() }
    }

    /// Does `act` at each turn of `verb`.
    pub fn at(verb: &'static str, act: Act) -> Self {
        Self::on(move |turn| turn.verb().eq_ignore_ascii_case(verb).then(|| act.clone()))
    }

    pub fn offering(mut self, offers: &[&str]) -> Self {
        self.offers = offers.iter().map(|&o| o.to_owned()).collect();
        self
    }

    pub fn implicit(mut self) -> Self {
        self.implicit = true;
        self
    }

    pub fn with_tls(mut self, tls: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(tls);
        self
    }
}

/// One message that was answered with 250.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub connection: usize,
    pub mail: String,
    pub rcpt: Vec<String>,
    /// Dots taken off, the terminator gone.
    pub content: Vec<u8>,
    /// As it came after 354, terminator included, or after BDAT.
    pub raw: Vec<u8>,
    pub encrypted: bool,
}

#[derive(Default)]
struct Record {
    /// Where each came from.
    connections: Vec<IpAddr>,
    open: usize,
    most_at_once: usize,
    lines: Vec<(usize, String)>,
    received: Vec<Received>,
}

struct Shared {
    script: Script,
    record: Mutex<Record>,
    changed: Notify,
}

/// The running sink; it ends when this is dropped.
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink {
    /// A sink that takes everything.
    pub async fn willing() -> Self {
        Self::start(Script::default()).await
    }

    pub async fn start(script: Script) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    /// A sink at this address.
    pub async fn at(address: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { script, record: Mutex::default(), changed: Notify::new() });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, task }
    }

    pub fn connections(&self) -> usize {
        self.shared.record.lock().unwrap().connections.len()
    }

    /// Where this connection came from.
    pub fn peer(&self, connection: usize) -> IpAddr {
        self.shared.record.lock().unwrap().connections[connection]
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.record.lock().unwrap().received.clone()
    }

    /// The most connections that were open at a time.
    pub fn most_at_once(&self) -> usize {
        self.shared.record.lock().unwrap().most_at_once
    }

    /// Every command line, with its connection.
    pub fn lines(&self) -> Vec<(usize, String)> {
        self.shared.record.lock().unwrap().lines.clone()
    }

    /// How often a command of this verb came.
    pub fn said(&self, verb: &str) -> usize {
        self.lines().iter().filter(|(_, line)| line.to_ascii_uppercase().starts_with(verb)).count()
    }

    /// Waits until `count` messages were taken.
    pub async fn wait_received(&self, count: usize) -> Vec<Received> {
        self.wait(&format!("{count} messages"), |sink| sink.received().len() >= count).await;
        self.received()
    }

    /// Waits until `holds`.
    pub async fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(IN_TIME, waiting).await;
        assert!(in_time.is_ok(), "the sink waited for {what} in vain: {:?}", self.lines());
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((tcp, peer)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        let connection = shared.note(|record| {
            record.connections.push(peer.ip());
            record.open += 1;
            record.most_at_once = record.most_at_once.max(record.open);
            record.connections.len() - 1
        });
        let shared = shared.clone();
        sessions.spawn(begin(tcp, connection, shared));
    }
}

async fn begin(tcp: TcpStream, connection: usize, shared: Arc<Shared>) {
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

impl Shared {
    fn note<T>(&self, act: impl FnOnce(&mut Record) -> T) -> T {
        let value = act(&mut self.record.lock().unwrap());
        self.changed.notify_waiters();
        value
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
