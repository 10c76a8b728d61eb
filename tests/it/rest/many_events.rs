//! A book with ten million events, and a year of counters as three committers leave them: totals are answered in milliseconds.

use std::time::{Duration, Instant};

use posthouse::clock::Clock;
use posthouse::id::Id;
use posthouse::model::statistics::Day;
use posthouse::store::Location;

use crate::support::api::Api;
use crate::support::stores::{Book, on_every_engine};

/// As many as `POSTHOUSE_EVENTS` says.
fn events() -> u64 {
    std::env::var("POSTHOUSE_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000)
}

/// Rows of one statement.
const AT_ONCE: u64 = 1_000_000;
/// Of some answers to the same question the fastest counts: other tests may be at work.
const ANSWERS: usize = 5;

impl Book {
    /// The numbers from `first` on, a table of one column `i`; and what makes 16 bytes of a number.
    fn numbers(&self, first: u64, count: u64) -> (String, fn(&str) -> String) {
        match &self.location {
            Location::Sqlite(_) => (
                format!("WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {first} + {count} - 1)"),
                |number| format!("unhex(printf('%032x', {number}))"),
            ),
            Location::Postgres(_) => {
                (format!("WITH n(i) AS (SELECT generate_series({first}, {first} + {count} - 1))"), |number| {
                    format!("decode(lpad(to_hex(({number})::bigint), 32, '0'), 'hex')")
                })
            }
        }
    }

    fn octets(&self, id: Id) -> String {
        let hex: String = id.0.iter().map(|octet| format!("{octet:02x}")).collect();
        match &self.location {
            Location::Sqlite(_) => format!("x'{hex}'"),
            Location::Postgres(_) => format!("'\\x{hex}'::bytea"),
        }
    }

    async fn run(&self, sql: String) {
        self.tamper(sql.leak()).await;
    }
}

/// Four events a message, and what has been counted of as many messages.
async fn fill(book: &Book, team: Id, events: u64) {
    let (team, now) = (book.octets(team), Clock::System.now());
    let (today, now) = (Day::at(now).0, now.0);
    for first in (0..events).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let (numbers, id) = book.numbers(first, AT_ONCE.min(events - first));
        let (message, event) = (id("i / 4"), id("i"));
        let insert = format!(
            "INSERT INTO events (message_id, id, team_id, recipient, kind, at, detail) {numbers}
             SELECT {message}, {event}, {team}, 0, CASE i % 4 WHEN 0 THEN 'sent' WHEN 1 THEN 'delivered' WHEN 2 THEN 'opened' ELSE 'clicked' END,
                 {now} - i, '{{\"reply\": \"250 2.0.0 Ok: queued as 4WYxyz\", \"attempt\": 1, \"host\": \"mx.example\"}}' FROM n"
        );
        book.run(insert).await;
    }
    let (days, _) = book.numbers(0, 365);
    let each = events / 4 / 365 / 3;
    for name in ["messages", "delivered", "bounced", "failed", "complained", "opened", "clicked", "unsubscribed"] {
        for committer in ["one", "two", "three"] {
            let share = if name == "messages" { each } else { each / 8 };
            let insert = format!(
                "INSERT INTO counters (team_id, name, day, committer, value) {days}
                 SELECT {team}, '{name}', {today} - i, '{committer}', {share} FROM n"
            );
            book.run(insert).await;
        }
    }
    book.tamper("ANALYZE").await;
}

/// Run it with `cargo nextest run --release --run-ignored only -E 'test(many_events)' --no-capture`.
#[test]
#[ignore = "fills a book with ten million events"]
fn statistics_are_answered_within_20_milliseconds() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let (events, begun) = (events(), Instant::now());
        fill(&book, api.ours, events).await;
        eprintln!("{events} events in {:?}", begun.elapsed());
        for path in ["stats?period=90d", "stats", "stats/daily?days=365", "stats/daily"] {
            let mut best = Duration::MAX;
            for _ in 0..ANSWERS {
                let begun = Instant::now();
                let answer = api.get(&api.key, &format!("/api/v1/mail/{path}")).await;
                best = best.min(begun.elapsed());
                assert!(answer.status == 200 && answer.json()["data"]["total"] != 0, "{answer:?}");
            }
            eprintln!("{path}: {:.1} ms", best.as_secs_f64() * 1000.0);
            // What is not optimised says nothing of how long it takes.
            assert!(cfg!(debug_assertions) || best < Duration::from_millis(20), "{path}: {best:?}");
        }
    });
}
