//! Two engines, and a database that is away for longer than an engine may be silent.

use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::delivery::pace::Pace;
use posthouse::model::outcome::RecipientState;
use posthouse::store::{Location, Store};

use tokio::sync::watch;

use crate::support::postgres::Cluster;
use crate::support::sink::{Act, Script, Sink};

use super::{Running, accept, accept_many, arrivals, config, numbered, states, team, until, until_all};

/// Longer than `DEAD_AFTER`: each engine could find the other dead, and be wrong.
const AWAY: Duration = Duration::from_secs(23);

/// The first to be back looks for dead engines at once; the second comes long after it.
fn paces() -> [Pace; 2] {
    let (ms, sluggish) = (Duration::from_millis, Duration::from_secs(8));
    let hasty = Pace { poll: ms(100), takeover: ms(100), ..Pace::default() };
    [hasty, Pace { poll: sluggish, renew: sluggish, ..Pace::default() }]
}

#[test]
fn engines_that_lost_their_database_for_long_do_not_bury_each_other() {
    let Some(mut cluster) = Cluster::start_own() else { return };
    let location = Location::Postgres(cluster.database());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (go, gone) = watch::channel(false);
        // Nothing goes out before all is accepted, and from then on little by little.
        let held = move || if *gone.borrow() { Act::Delay(Duration::from_millis(300)) } else { Act::Once(gone.clone()) };
        let sink = Sink::start(Script::on(move |turn| (turn.verb() == ".").then(&held))).await;
        let one = Store::open(&location, Clock::System).await.expect("the book opens");
        let other = Store::open(&location, Clock::System).await.expect("the book opens");
        let team = team(&one).await;
        let config = config(&sink);
        let [hasty, sluggish] = paces();
        let engines = [(hasty, &one), (sluggish, &other)].map(|(p, store)| Running::at_pace(p, store, &config, &Clock::System));
        let (mut ids, more) = tokio::join!(accept_many(&one, team, 0..300), accept_many(&other, team, 300..600));
        ids.extend(more);
        go.send(true).expect("the sink waits for it");
        sink.wait_received(1).await;
        // First it does not answer, then it is gone.
        cluster.signal_all("-STOP");
        let before = sink.received().len();
        assert!(before < ids.len(), "some were on their way");
        tokio::time::sleep(AWAY / 2).await;
        cluster.signal_all("-CONT");
        cluster.stop();
        tokio::time::sleep(AWAY).await;
        let meanwhile = sink.received().len() - before;
        cluster.restart();
        // The sluggish one asks for its epoch every 8 s, in vain while the database recovers: only then its part of the mail goes out.
        until_all(&one, &ids, RecipientState::Sent).await;
        // Both live on, under the epochs that they had.
        assert_eq!((one.renew_epoch(1).await, other.renew_epoch(2).await), (Ok(true), Ok(true)));
        let late = accept(&other, numbered(team, 600, &["you@example.com"])).await;
        until("it is sent", || async { states(&other, late).await == [RecipientState::Sent] }).await;
        for engine in engines {
            engine.stop().await;
        }
        let arrivals = arrivals(&sink);
        let twice: Vec<_> = arrivals.iter().filter(|(_, times)| **times != 1).collect();
        assert_eq!(arrivals.len(), 601);
        assert!(twice.is_empty(), "{meanwhile} arrived meanwhile; not once: {twice:?}");
        one.close().await;
        other.close().await;
    });
}
