//! Migrations: one set of texts for both engines, and a second where they must differ.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::store::StoreError;
use crate::store::db::Db;

/// Number, name and text of those that both engines take.
const SHARED: &[(i64, &str, &str)] = &[
    (1, "book", include_str!("../../migrations/0001_book.sql")),
    (3, "suspects", include_str!("../../migrations/0003_suspects.sql")),
    (4, "dkim", include_str!("../../migrations/0004_dkim.sql")),
    (5, "pace", include_str!("../../migrations/0005_pace.sql")),
    (6, "returns", include_str!("../../migrations/0006_returns.sql")),
    (7, "waits", include_str!("../../migrations/0007_waits.sql")),
    (8, "flights", include_str!("../../migrations/0008_flights.sql")),
    (9, "status", include_str!("../../migrations/0009_status.sql")),
    (10, "templates", include_str!("../../migrations/0010_templates.sql")),
    (11, "search", include_str!("../../migrations/0011_search.sql")),
    (12, "return_labels", include_str!("../../migrations/0012_return_labels.sql")),
    (13, "suppressions_by_reason", include_str!("../../migrations/0013_suppressions_by_reason.sql")),
    (15, "tls_sessions", include_str!("../../migrations/0015_tls_sessions.sql")),
    (16, "sts_policies", include_str!("../../migrations/0016_sts_policies.sql")),
    (20, "pieces", include_str!("../../migrations/0020_pieces.sql")),
    (22, "webhooks", include_str!("../../migrations/0022_webhooks.sql")),
    (23, "engagement", include_str!("../../migrations/0023_engagement.sql")),
    (24, "unsubscribes", include_str!("../../migrations/0024_unsubscribes.sql")),
    (27, "webhook_pace", include_str!("../../migrations/0027_webhook_pace.sql")),
    (28, "outbox_by_team", include_str!("../../migrations/0028_outbox_by_team.sql")),
    (29, "webhooks_behind", include_str!("../../migrations/0029_webhooks_behind.sql")),
];
/// Those of PostgreSQL alone.
const POSTGRES: &[(i64, &str, &str)] = &[
    (2, "storage", include_str!("../../migrations/postgres/0002_storage.sql")),
    (21, "pieces_storage", include_str!("../../migrations/postgres/0021_pieces_storage.sql")),
];

fn migration(&(number, name, text): &(i64, &'static str, &'static str), without_rowid: &str) -> Migration {
    let text = text.replace("{without rowid}", without_rowid);
    Migration::new(number, name.into(), MigrationType::Simple, AssertSqlSafe(text).into_sql_str(), false)
}

/// Brings the schema up to date; processes that start together on one PostgreSQL take turns.
pub(super) async fn run(db: &Db) -> Result<(), StoreError> {
    let outcome = match db {
        Db::Sqlite { writer, .. } => {
            let texts = SHARED.iter().map(|m| migration(m, "WITHOUT ROWID")).collect();
            let mut seat = writer.take().await?;
            let mut connection = seat.lend()?;
            let outcome = Migrator::with_migrations(texts).run(&mut connection).await;
            if outcome.is_ok() {
                seat.put(connection, Ok(()))?;
            }
            outcome
        }
        Db::Postgres { writers, .. } => {
            let texts = SHARED.iter().chain(POSTGRES).map(|m| migration(m, "")).collect();
            let mut seat = writers.take().await?;
            // A large book takes longer than any other statement may; whoever waits for its turn meanwhile, too.
            seat.say("SET statement_timeout = 0; SET lock_timeout = 0").await?;
            let mut connection = seat.lend()?;
            let outcome = Migrator::with_migrations(texts).run(&mut connection).await;
            if outcome.is_ok() {
                seat.put(connection, Ok(()))?;
                seat.say("RESET statement_timeout; RESET lock_timeout").await?;
            }
            outcome
        }
    };
    outcome.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => error.into(),
        other => StoreError::Broken(format!("migration: {other}")),
    })
}
