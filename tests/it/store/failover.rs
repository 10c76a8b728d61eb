//! A database whose place another takes.

use std::str::FromStr as _;

use posthouse::store::accept::Accepted;
use posthouse::store::{Location, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

#[test]
fn connections_to_a_server_that_only_reads_any_more_are_given_up() {
    on_every_engine(|book| async move {
        let Location::Postgres(url) = &book.location else { return };
        let team = book.store.create_team("t").await.unwrap().id;
        book.tamper(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
        )
        .await;
        book.tamper(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
        for _ in 0..10 {
            let refused = book.store.accept(acceptance(team, &["b@example.test"])).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        }
        // Who is connected goes on reading only; who connects anew may write.
        let options = PgConnectOptions::from_str(url).expect("the URL").options([("default_transaction_read_only", "off")]);
        let mut operator = options.connect().await.expect("a connection");
        let promoted =
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";
        sqlx::query(promoted).execute(&mut operator).await.expect("promoted");
        assert_eq!(book.store.accept(acceptance(team, &["b@example.test"])).await, Ok(Accepted::New));
    });
}
