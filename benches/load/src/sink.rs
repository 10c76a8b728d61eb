//! The counting sink: the next hop that takes everything at once and stores nothing.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::mail;
use crate::wire::Wire;

#[derive(Default)]
struct Tally {
    seen: HashSet<Vec<u8>>,
    repeated: u64,
    damaged: u64,
    signed: u64,
    tracked: u64,
    /// When the last new one came, in microseconds of Unix time.
    last_us: u128,
}

impl Tally {
    fn count(&mut self, stuffed: &[u8]) {
        let Some((mark, whole)) = mail::inspect(stuffed) else {
            self.damaged += 1;
            return;
        };
        self.damaged += u64::from(!whole);
        self.signed += u64::from(stuffed.starts_with(b"DKIM-Signature: "));
        self.tracked += u64::from(mail::is_tracked(stuffed));
        if self.seen.insert(mark) {
            self.last_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        } else {
            self.repeated += 1;
        }
    }

    fn json(&self) -> String {
        let Self { seen, repeated, damaged, signed, tracked, last_us } = self;
        let unique = seen.len();
        format!(
            r#"{{"unique": {unique}, "repeated": {repeated}, "damaged": {damaged}, "signed": {signed}, "tracked": {tracked}, "last_us": {last_us}}}"#
        )
    }
}

/// Listens until the process ends: for each domain at an address of its own, and at 127.0.0.1, with one tally for all.
pub fn run(port: u16, domains: u8) -> io::Result<()> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    for domain in 1..=domains {
        let (listener, tally) = (TcpListener::bind((Ipv4Addr::new(127, 0, 1, domain), port))?, Arc::clone(&tally));
        thread::spawn(move || serve(&listener, &tally));
    }
    serve(&TcpListener::bind((Ipv4Addr::LOCALHOST, port))?, &tally)
}

fn serve(listener: &TcpListener, tally: &Arc<Mutex<Tally>>) -> io::Result<()> {
    for stream in listener.incoming() {
        let (stream, tally) = (stream?, Arc::clone(tally));
        // A next hop that goes away in the middle is nothing to report.
        thread::spawn(move || Wire::new(stream).and_then(|wire| session(wire, &tally)));
    }
    Ok(())
}

/// Replies to what came in one segment leave in one write.
fn session(mut wire: Wire, tally: &Mutex<Tally>) -> io::Result<()> {
    let mut out = b"220 sink.test ESMTP\r\n".to_vec();
    loop {
        if wire.is_dry() {
            wire.write(&out)?;
            out.clear();
        }
        let verb = wire.line()?.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" => out.extend(b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"),
            b"DATA" => {
                out.extend(b"354 go on\r\n");
                wire.write(&out)?;
                out.clear();
                wire.data(|data| tally.lock().unwrap_or_else(PoisonError::into_inner).count(data))?;
                out.extend(b"250 2.0.0 Ok: taken\r\n");
            }
            b"XSTA" => out.extend(format!("250 {}\r\n", tally.lock().unwrap_or_else(PoisonError::into_inner).json()).into_bytes()),
            b"QUIT" => return wire.write(b"221 2.0.0 bye\r\n"),
            _ => out.extend(b"250 2.0.0 Ok\r\n"),
        }
    }
}
