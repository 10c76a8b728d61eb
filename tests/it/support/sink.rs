//! A next hop on port 0 that records what came, and misbehaves by script.

mod session;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

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
        sessions.spawn(session::begin(tcp, connection, shared));
    }
}

impl Shared {
    fn note<T>(&self, act: impl FnOnce(&mut Record) -> T) -> T {
        let value = act(&mut self.record.lock().unwrap());
        self.changed.notify_waiters();
        value
    }
}
