//! What the two signatures cost, measured:
//! `cargo test --release --lib dkim::cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::num::NonZero;
use std::thread;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// What this thread has had of a core, in nanoseconds: whoever else is at work takes none of it.
fn spent() -> u128 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    u128::from(spent.tv_sec.unsigned_abs()) * 1_000_000_000 + u128::from(spent.tv_nsec.unsigned_abs())
}

/// Nanoseconds of this thread that `work` takes, the best of five rounds.
fn best(rounds: u32, mut work: impl FnMut()) -> u128 {
    let mut round = || {
        let before = spent();
        (0..rounds).for_each(|_| work());
        (spent() - before) / u128::from(rounds)
    };
    (0..5).map(|_| round()).min().unwrap_or(u128::MAX)
}

/// The same on every core at once, the slowest of them. Two cores may be one core's two threads, and a gateway that is busy has neither to itself.
fn crowded(rounds: u32, work: impl Fn() + Sync) -> u128 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let each: Vec<_> = (0..cores).map(|_| scope.spawn(|| best(rounds, &work))).collect();
        each.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or(u128::MAX)
    })
}

fn message(body: &str) -> Vec<u8> {
    let header = "From: A Sender <a@b.test>\r\nTo: Somebody <r@c.test>\r\nSubject: Your order\r\nMIME-Version: 1.0\r\n\
                  Date: Sat, 21 Nov 2026 01:20:21 +0000\r\nMessage-ID: <abc-1@b.test>\r\nContent-Type: text/plain\r\n\r\n";
    [header, body].concat().into_bytes()
}

#[test]
#[ignore = "a measurement: it says something in a release build"]
fn two_signatures() {
    let keys = tests::keys();
    let small = message(&"A line of text in the body of this message, of a usual length.\r\n".repeat(60));
    let text = message(&"A line of text in the body of this message, of a usual length.\r\n".repeat(400_000));
    let encoded = message(&format!("{}\r\n", "QUJD".repeat(19)).repeat(330_000));
    let cost = |rounds, message: &[u8], keys: &[SigningKey]| {
        best(rounds, || drop(black_box(sign(b"", message, keys, "b.test", Timestamp(0)))))
    };
    let (all, rsa, ed25519, none) =
        (cost(500, &small, &keys), cost(500, &small, &keys[..1]), cost(500, &small, &keys[1..]), cost(500, &small, &[]));
    println!("{all} ns a message of {} octets: RSA {}, Ed25519 {}, hashing {none}", small.len(), rsa - none, ed25519 - none);
    let crowded = crowded(2000, || drop(black_box(sign(b"", &small, &keys, "b.test", Timestamp(0)))));
    println!("{crowded} ns on each core when all of them sign");
    for (name, large) in [("text", &text), ("base64", &encoded)] {
        println!("{} us a message of {} octets of {name}", cost(1, large, &keys) / 1000, large.len());
    }
    assert!(cfg!(debug_assertions) || all < 2_000_000, "{all} ns");
}
