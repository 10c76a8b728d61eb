//! The load client: so many connections, each sending its next mail as soon as the last was answered, or when the next one is due.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::mail::{Content, Template};
use crate::rest::Rest;
use crate::smtp::Smtp;
use crate::wire::Wire;

const STACK: usize = 128 * 1024;

pub struct Plan {
    pub port: u16,
    pub connections: usize,
    pub seconds: f64,
    /// Mails a second over all connections; 0: as many as are answered.
    pub rate: f64,
    /// Of one mail, in octets.
    pub size: usize,
    /// Of the recipients: dest0.test and so on.
    pub domains: u64,
    pub content: Content,
    pub door: Door,
}

/// What is spoken.
pub enum Door {
    Smtp(Smtp),
    Rest(Rest),
}

impl Door {
    /// Mails of one exchange.
    fn mails(&self) -> u64 {
        match self {
            Self::Smtp(_) => 1,
            Self::Rest(rest) => rest.batch,
        }
    }

    fn open(&self, port: u16) -> io::Result<Wire> {
        match self {
            Self::Smtp(smtp) => smtp.open(port),
            Self::Rest(_) => Wire::connect(port),
        }
    }

    fn send(&self, wire: &mut Wire, out: &mut Vec<u8>, template: &Template, number: u64) -> io::Result<()> {
        match self {
            Self::Smtp(smtp) => smtp.send(wire, out, template, number),
            Self::Rest(rest) => rest.send(wire, out, template, number),
        }
    }

    fn close(&self, wire: &mut Wire) -> io::Result<()> {
        match self {
            Self::Smtp(smtp) => smtp.close(wire),
            Self::Rest(_) => Ok(()),
        }
    }
}

/// What came of it.
pub struct Outcome {
    /// Mails that were accepted.
    ok: u64,
    failed: u64,
    first_failure: String,
    seconds: f64,
    /// When the first mail was sent, in microseconds of Unix time.
    began_us: u128,
    /// Of each exchange: from MAIL to the answer to the dot, from the request to its answer.
    latencies_us: Vec<u32>,
}

struct Shared {
    plan: Plan,
    template: Template,
    next: AtomicU64,
    ready: Barrier,
    go: Barrier,
    failed: AtomicU64,
    first_failure: Mutex<String>,
}

/// Opens every session, starts the clock, sends until the time is over.
pub fn run(plan: Plan) -> Result<Outcome, String> {
    let shared = Shared {
        template: Template::new(unix_us() as u64, plan.size, plan.domains, plan.content),
        next: AtomicU64::new(0),
        ready: Barrier::new(plan.connections + 1),
        go: Barrier::new(plan.connections + 1),
        failed: AtomicU64::new(0),
        first_failure: Mutex::new(String::new()),
        plan,
    };
    let (began_us, began, mut latencies_us) = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || shared.connection());
        let threads: Vec<_> =
            (0..shared.plan.connections).map(spawn).collect::<io::Result<_>>().map_err(|error| error.to_string())?;
        shared.ready.wait();
        let (began_us, began) = (unix_us(), Instant::now());
        shared.go.wait();
        let latencies: Vec<u32> = threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect();
        Ok::<_, String>((began_us, began, latencies))
    })?;
    latencies_us.sort_unstable();
    Ok(Outcome {
        ok: latencies_us.len() as u64 * shared.plan.door.mails(),
        failed: shared.failed.into_inner(),
        first_failure: shared.first_failure.into_inner().unwrap_or_default(),
        seconds: began.elapsed().as_secs_f64(),
        began_us,
        latencies_us,
    })
}

impl Shared {
    /// One connection's life: how long each of its mails took.
    fn connection(&self) -> Vec<u32> {
        let session = self.plan.door.open(self.plan.port);
        self.ready.wait();
        self.go.wait();
        let mut latencies = Vec::new();
        let sent = session.and_then(|mut wire| self.send_until_over(&mut wire, &mut latencies));
        if let Err(error) = sent {
            self.failed.fetch_add(1, Relaxed);
            if let Ok(mut first) = self.first_failure.lock()
                && first.is_empty()
            {
                *first = error.to_string();
            }
        }
        latencies
    }

    fn send_until_over(&self, wire: &mut Wire, latencies: &mut Vec<u32>) -> io::Result<()> {
        let first = Instant::now();
        let end = first + Duration::from_secs_f64(self.plan.seconds);
        let mut out = Vec::with_capacity(self.template.size() + 1024);
        loop {
            let began = Instant::now();
            if began >= end {
                return self.plan.door.close(wire);
            }
            let number = self.next.fetch_add(self.plan.door.mails(), Relaxed);
            if self.plan.rate > 0.0 {
                thread::sleep((first + Duration::from_secs_f64(number as f64 / self.plan.rate)).saturating_duration_since(began));
            }
            let began = Instant::now();
            self.plan.door.send(wire, &mut out, &self.template, number)?;
            latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

fn unix_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros())
}

impl Outcome {
    pub fn json(&self) -> String {
        let Self { ok, failed, seconds, began_us, .. } = self;
        let failure = self.first_failure.replace(['"', '\\'], "'");
        let (p50, p99) = (self.quantile_ms(0.5), self.quantile_ms(0.99));
        format!(
            r#"{{"ok": {ok}, "failed": {failed}, "first_failure": "{failure}", "seconds": {seconds:.3}, "began_us": {began_us}, "p50_ms": {p50}, "p99_ms": {p99}}}"#
        )
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        let at = (self.latencies_us.len() as f64 * quantile) as usize;
        self.latencies_us.get(at).map_or(0.0, |&us| f64::from(us) / 1000.0)
    }
}
