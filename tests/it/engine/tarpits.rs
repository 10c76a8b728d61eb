//! Many destinations that take all the time they are given, and one that does not.

use std::time::Duration;

use posthouse::delivery::pace::Pace;
use posthouse::model::outcome::RecipientState;

use crate::support::dns::{Dns, Records};
use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::{Book, on_every_engine};

use super::direct::{beside, config, here};
use super::{Running, accept, brisk, numbered, states, team, until, until_all};

/// Attempts in flight.
const WORKERS: usize = 6;

/// Mail for as many destinations that are silent from this step on, then for one that answers.
async fn silent_from(book: &Book, step: &'static str, tarpits: usize) {
    let sink = Sink::willing().await;
    let tarpit = beside(&sink, 2, Script::on(move |turn| turn.line.starts_with(step).then_some(Act::Silence))).await;
    let mut records = Records::default().mx("good.example", 10, "mx.good.example").address("mx.good.example", here(1));
    for n in 0..tarpits {
        let (domain, host) = (format!("slow{n}.example"), format!("mx.slow{n}.example"));
        records = records.mx(&domain, 10, &host).address(&host, here(2));
    }
    let dns = Dns::start(records).await;
    let mut config = config(&dns, &sink);
    config.delivery.workers = WORKERS;
    let pace = Pace { patience: Duration::from_millis(300), ..brisk() };
    let engine = Running::at_pace(pace, &book.store, &config, &book.clock);
    let (team, mut slow) = (team(&book.store).await, Vec::new());
    for n in 0..tarpits {
        slow.push(accept(&book.store, numbered(team, n, &[&format!("you@slow{n}.example")])).await);
    }
    // All but the last few had their turn, and keep it.
    until("they are silent", || async { tarpit.connections() >= tarpits }).await;
    let good = accept(&book.store, numbered(team, tarpits, &["you@good.example"])).await;
    until_all(&book.store, &[good], RecipientState::Delivered).await;
    for id in slow {
        assert_eq!(states(&book.store, id).await, [RecipientState::Queued], "they were not waited for");
    }
    engine.shutdown.begin();
    engine.shutdown.finished(Duration::ZERO).await;
}

#[test]
fn more_tarpits_than_there_are_attempts_hold_up_nobody_else() {
    on_every_engine(|book| async move { silent_from(&book, "MAIL", WORKERS + 4).await });
}

#[test]
fn more_hosts_that_never_greet_than_may_be_dialled_at_once_hold_up_nobody_else() {
    on_every_engine(|book| async move { silent_from(&book, "greeting", 5 * WORKERS).await });
}
