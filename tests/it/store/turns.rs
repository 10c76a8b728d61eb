//! What it costs that teams take turns: claims while the mail of one team waits, and while that of many does.

use std::time::{Duration, Instant};

use posthouse::id::Id;
use posthouse::store::Store;
use posthouse::store::claim::Lane;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

const MESSAGES: usize = 12_000;

/// Messages of these teams, by turns.
async fn fill(store: &Store, teams: &[Id]) {
    for chunk in 0..MESSAGES / 200 {
        let of = |n: usize| acceptance(teams[(chunk * 200 + n) % teams.len()], &["you@example.com"]);
        assert!(store.accept_all((0..200).map(of).collect()).await.iter().all(Result::is_ok));
    }
}

/// How long it takes to claim everything, so many at a time, with a look at what is due next after each.
async fn drained(store: &Store, limit: usize) -> Duration {
    let epoch = store.open_epoch("test").await.expect("an epoch");
    let (begun, mut claimed) = (Instant::now(), 0);
    while claimed < MESSAGES {
        let claims = store.claim(epoch, Lane::FreshTransactional, limit).await.expect("claims").len();
        assert!(claims > 0, "something waits");
        claimed += claims;
        store.next_due().await.expect("an answer");
    }
    let took = begun.elapsed();
    store.close_epoch(epoch).await.expect("closed");
    took
}

/// Run it with `cargo nextest run --release --run-ignored only -E 'test(store::turns)' --no-capture`, where it has the machine for itself.
#[test]
#[ignore = "fills a book with 72,000 messages"]
fn claims_from_many_teams_take_less_than_four_times_as_long() {
    on_every_engine(|book| async move {
        let (store, mut many) = (&book.store, Vec::new());
        for n in 0..500 {
            many.push(store.create_team(&format!("team {n}")).await.expect("a team").id);
        }
        for limit in [50, 500] {
            let mut took = Vec::new();
            for teams in [&many[..1], &many[..30], &many] {
                fill(store, teams).await;
                book.tamper("ANALYZE").await;
                took.push(drained(store, limit).await);
                eprintln!("{}: {limit} at a time of {} teams: {:?}", book.engine(), teams.len(), took[took.len() - 1]);
                book.tamper("UPDATE outbound_recipients SET state = 'cancelled'").await;
            }
            assert!(took.iter().all(|one| *one < took[0] * 4), "{took:?}");
        }
    });
}
