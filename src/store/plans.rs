//! What the planners make of statements that must stay fast however large the book grows: no table is read from end to end.

#[path = "../../tests/it/support/postgres.rs"]
mod postgres;

use sqlx::{Connection as _, Executor as _, Row as _, SqlSafeStr as _};

use super::sql::Sql;
use super::{
    Location, Store, barriers, cancel, claim, counters, email, emails, engagement, events, lanes, link_hosts, listing, operate,
    retention, search, statistics, status, templates, unsubscribes, webhooks,
};
use crate::clock::Clock;

/// Those behind the HTTP door, and those that keep what it reads.
static STATEMENTS: &[&Sql] = &[
    &barriers::LOOK_UP,
    &unsubscribes::PAGE,
    &unsubscribes::COUNT,
    &emails::IDS,
    &emails::IDS_BY_STATUS,
    &emails::COUNT,
    &emails::COUNT_BY_STATUS,
    &email::ROWS,
    &email::TIMES,
    &listing::RECIPIENTS,
    &events::OF_MESSAGE,
    &engagement::LOOK,
    &engagement::COUNT,
    &engagement::FIRST,
    &engagement::FORGET,
    &statistics::BY_DAY,
    &counters::SUM,
    &search::TAIL,
    &search::ADDRESSES,
    &search::index::NEXT,
    &search::index::INDEXED,
    &search::index::ADVANCE,
    &search::postings::OLDER,
    &search::postings::AROUND,
    &retention::OLD_BODIES,
    &retention::DELETE_PIECES,
    &retention::DELETE_BODIES,
    &retention::OLD_EVENTS,
    &retention::UNFINISHED,
    &retention::KEEP_FIRST,
    &retention::DELETE_EVENTS,
    &templates::ONE,
    &templates::PAGE,
    &templates::SIZES,
    &cancel::CHOSEN,
    &cancel::STILL_OPEN,
    &operate::CHANGE,
    &status::SET,
    &status::RECOUNT,
    &status::UPDATE,
    &claim::READY,
    &link_hosts::ANOTHERS,
    &lanes::DUE,
    &lanes::NEXT_DUE,
    &webhooks::outbox::INSERT,
    &webhooks::ONE,
    &webhooks::PAGE,
    &webhooks::COUNT,
    &webhooks::given_up::GIVEN_UP,
    &webhooks::noted::TEAMS,
    &webhooks::noted::OLDEST,
    &webhooks::noted::EVENTS,
    &webhooks::outbox::TELL,
    &webhooks::outbox::DELIVER,
    &webhooks::outbox::DELIVER_LATE,
    &webhooks::behind::CROWDED,
    &webhooks::behind::MARK,
    &webhooks::behind::WHERE_IT_IS,
    &webhooks::behind::NO_ROOM_FOR,
    &webhooks::behind::BEHIND_THESE,
    &webhooks::behind::FILL,
    &webhooks::outbox::FORGET,
    &webhooks::deliveries::DUE,
    &webhooks::deliveries::SETTLE,
    &webhooks::forward::BRING_FORWARD,
    &webhooks::set_back::NOW,
    &webhooks::removed::FORGET_PENDING,
    &webhooks::removed::FORGET_ENDED,
    &webhooks::removed::FORGET_ATTEMPTS,
    &webhooks::attempts::PAGE,
    &webhooks::attempts::COUNT,
    &webhooks::replay::WANTED,
    &webhooks::replay::MANY,
    &webhooks::replay::AGAIN,
    &webhooks::history::FORGET_ATTEMPTS,
    &webhooks::history::FORGET_DELIVERIES,
    &webhooks::history::FORGET_EVENTS,
];

#[tokio::test]
async fn sqlite_reads_no_table_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("book.db");
    Store::open(&Location::Sqlite(file.clone()), Clock::System).await.unwrap().close().await;
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    for statement in STATEMENTS {
        let text = statement.for_sqlite();
        let rows = connection.fetch_all(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")).into_sql_str()).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        // Tables of values, and what was selected before.
        let harmless = ["jsonb_each", "CONSTANT", "(subquery", "v", "q", "c", "w", "2-ROW", "left-most", "due", "lanes", "teams"];
        let scans = plan.iter().filter_map(|step| step.strip_prefix("SCAN ")).filter_map(|step| step.split(' ').next());
        let bad: Vec<_> = scans.filter(|table| !harmless.iter().any(|name| table == name || table.starts_with("(sub"))).collect();
        assert!(bad.is_empty(), "{text}\nreads all of {bad:?}:\n{}", plan.join("\n"));
    }
}

#[tokio::test]
async fn postgres_reads_no_table_from_end_to_end() {
    let Some(cluster) = postgres::Cluster::start() else { return };
    let url = cluster.database();
    Store::open(&Location::Postgres(url.clone()), Clock::System).await.unwrap().close().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await.unwrap();
    for statement in STATEMENTS {
        let text = statement.for_postgres();
        let places = statement.scalars() + statement.width();
        let nulls = if places == 0 { String::new() } else { format!("({})", vec!["NULL"; places].join(", ")) };
        for step in [format!("PREPARE one AS {text}"), format!("EXPLAIN EXECUTE one{nulls}"), "DEALLOCATE one".to_owned()] {
            let rows = connection.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(step).into_sql_str())).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            // It is chosen only where no index serves.
            assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{text}\n{}", plan.join("\n"));
        }
    }
}
