//! A book with 200,000 messages, or with as many as `POSTHOUSE_TEST_MESSAGES` says: what a door asks of it is answered as fast as of a
//! small one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use posthouse::clock::{Clock, Timestamp};
use posthouse::id::{Id, Ids};
use posthouse::model::statistics::Day;
use posthouse::model::status::MessageStatus;
use posthouse::model::stream::Stream;
use posthouse::store::Store;
use posthouse::store::emails::{Filter, Page};

use crate::support::nouns::acceptance;
use crate::support::stores::{Book, on_every_engine};

const MESSAGES: usize = 200_000;
/// Of mail.
const DAYS: u64 = 100;
/// Of some answers to the same question the fastest counts: other tests may be at work.
const ANSWERS: usize = 5;

fn messages() -> usize {
    std::env::var("POSTHOUSE_TEST_MESSAGES").map_or(MESSAGES, |number| number.parse().expect("a number of messages"))
}

/// Mail of the last 100 days, of which one in seven bounced, entered in the index.
async fn fill(book: &Book, team: Id) -> Timestamp {
    let (messages, span) = (messages(), Duration::from_secs(DAYS * 86_400));
    let step = span / u32::try_from(messages).expect("a number of messages");
    let begin = book.clock.now().minus(span);
    let clock = Clock::manual(begin);
    let ids = Ids::random(clock.clone());
    for chunk in 0..messages / 200 {
        let offered = (0..200).map(|n| {
            clock.advance(step);
            let number = chunk * 200 + n;
            let mut one = acceptance(team, &[&format!("reader{}@host{}.example", number % 50_000, number % 300)]);
            let message = Arc::make_mut(&mut one.message);
            (message.id, message.created_at) = (ids.next(), clock.now());
            message.subject = format!("Order {} {}", 100_000 + number, if number % 1000 == 0 { "refunded" } else { "shipped" });
            message.stream = if number % 5_000 == 0 { Stream::Broadcast } else { Stream::Transactional };
            message.tags = vec![("batch".into(), (number % 100).to_string())];
            one
        });
        assert!(book.store.accept_all(offered.collect()).await.iter().all(Result::is_ok));
    }
    book.tamper("UPDATE outbound_messages SET status = CASE WHEN created_at % 7 = 0 THEN 'bounced' ELSE 'delivered' END").await;
    book.tamper(
        "INSERT INTO counters (team_id, name, day, committer, value)
         SELECT team_id, status, created_at / 86400000, 'test', COUNT(*) FROM outbound_messages GROUP BY 1, 2, 3",
    )
    .await;
    while book.store.index_messages().await.unwrap() {}
    book.tamper("ANALYZE").await;
    begin
}

async fn timed(what: &str, slow: &mut Vec<String>, ask: impl AsyncFn() -> u64) {
    let (mut best, mut answer) = (Duration::MAX, 0);
    for _ in 0..ANSWERS {
        let begun = Instant::now();
        answer = ask().await;
        best = best.min(begun.elapsed());
    }
    eprintln!("{what}: {answer} in {:.1} ms", best.as_secs_f64() * 1000.0);
    if best > Duration::from_millis(20) {
        slow.push(format!("{what}: {best:?}"));
    }
}

async fn lists(store: &Store, team: Id, begin: Timestamp, slow: &mut Vec<String>) {
    let first = Page::Number { page: 1, per_page: 25 };
    let search = |text: &str| Filter { search: Some(text.into()), ..Filter::default() };
    let middle = begin.plus(Duration::from_secs(DAYS / 2 * 86_400));
    for (what, filter, page) in [
        ("the newest", Filter::default(), first),
        ("page 400", Filter::default(), Page::Number { page: 400, per_page: 25 }),
        ("after the middle", Filter::default(), Page::After { id: Id::earliest_at(middle), per_page: 100 }),
        ("by status", Filter { status: Some(MessageStatus::Bounced), ..Filter::default() }, first),
        ("none of a status", Filter { status: Some(MessageStatus::Failed), ..Filter::default() }, first),
        ("what is queued", Filter { status: Some(MessageStatus::Queued), ..Filter::default() }, first),
        ("since the middle", Filter { since: Some(middle), ..Filter::default() }, first),
        ("a day by status", Filter { since: Some(middle), status: Some(MessageStatus::Bounced), ..Filter::default() }, first),
        ("an address", search("reader41000@host200.example"), first),
        ("the sender", search("a@example.test"), first),
        ("a domain", search("host7.example"), first),
        ("a number", search("100234"), first),
        ("a word of all", search("ord"), first),
        ("a rare word", search("refund"), first),
        ("two words", search("refunded 15"), first),
        ("nothing", search("nowhere"), first),
        ("a word, by status", Filter { status: Some(MessageStatus::Bounced), ..search("order") }, first),
        ("a stream of few", Filter { stream: Some(Stream::Broadcast), ..Filter::default() }, first),
        ("a stream of most", Filter { stream: Some(Stream::Transactional), ..Filter::default() }, first),
        ("a tag", Filter { tag: Some(("batch".into(), Some("17".into()))), ..Filter::default() }, first),
        ("a search after the middle", search("order"), Page::After { id: Id::earliest_at(middle), per_page: 25 }),
    ] {
        timed(what, slow, async || store.emails(team, &filter, page).await.unwrap().total).await;
    }
}

/// Run it with `cargo nextest run --release --run-ignored only -E 'test(store::big)' --no-capture`, where it has the machine for itself.
#[test]
#[ignore = "fills a book with 200,000 messages"]
fn every_question_of_a_door_is_answered_within_20_milliseconds() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let begun = Instant::now();
        let begin = fill(&book, team).await;
        eprintln!("{}: {} messages in {:?}", book.engine(), messages(), begun.elapsed());
        let mut slow = Vec::new();
        lists(store, team, begin, &mut slow).await;
        let some = store.emails(team, &Filter::default(), Page::Number { page: 1, per_page: 1 }).await.unwrap().emails.remove(0);
        timed("one", &mut slow, async || store.email(team, some.message.id).await.unwrap().map_or(0, |_| 1)).await;
        timed("statistics", &mut slow, async || store.statistics(team, Day(1)).await.unwrap().statuses.total()).await;
        timed("daily", &mut slow, async || store.daily_statistics(team, 365).await.unwrap().len() as u64).await;
        assert!(slow.is_empty(), "{slow:#?}");
    });
}
