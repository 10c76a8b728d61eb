//! Migrations of a large book take their time.

use posthouse::clock::Clock;
use posthouse::model::webhook::{WebhookKind, WebhookSettings};
use posthouse::store::{Location, Store};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::nouns::acceptance;
use crate::support::postgres::Cluster;
use crate::support::stores::on_every_engine;

/// Has the server write down under which bound each table is made, and each team.
const WATCHED: &str = "
    CREATE TABLE bounds (what TEXT, statement TEXT);
    CREATE FUNCTION note_table() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO bounds VALUES ('table', current_setting('statement_timeout')); END $$;
    CREATE FUNCTION note_team() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO bounds VALUES ('team', current_setting('statement_timeout')); RETURN NEW; END $$;
    CREATE EVENT TRIGGER tables ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION note_table();";

#[tokio::test]
async fn a_migration_has_no_bound_and_all_else_has_one() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let mut observer = PgConnection::connect(&url).await.expect("a connection");
    observer.execute(WATCHED).await.expect("watched");
    let store = Store::open(&Location::Postgres(url), Clock::System).await.expect("the book opens");
    observer
        .execute("CREATE TRIGGER teams AFTER INSERT ON teams FOR EACH ROW EXECUTE FUNCTION note_team()")
        .await
        .expect("watched");
    for name in ["a", "b", "c", "d", "e"] {
        store.create_team(name).await.expect("a team");
    }
    let seen: Vec<(String, String)> = sqlx::query_as("SELECT DISTINCT what, statement FROM bounds ORDER BY what")
        .fetch_all(&mut observer)
        .await
        .expect("what was seen");
    assert_eq!(seen, [("table".to_owned(), "0".to_owned()), ("team".to_owned(), "30s".to_owned())]);
    store.close().await;
}

#[test]
fn what_waited_to_be_told_of_waits_as_before_when_the_outbox_is_by_team() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let settings = WebhookSettings {
            url: "https://hook.example/".into(),
            kinds: [WebhookKind::Rejected].into_iter().collect(),
            enabled: true,
            description: String::new(),
        };
        book.store.create_webhook(team, settings, 1).await.unwrap().unwrap();
        let mut offered = acceptance(team, &["gone@example.test"]);
        offered.recipients[0].rejected = Some("it bounced before".to_owned());
        let message = offered.message.id;
        book.store.accept(offered).await.unwrap();
        for sql in [
            "CREATE TABLE former (event_id BYTEA PRIMARY KEY, message_id BYTEA NOT NULL)",
            "INSERT INTO former SELECT event_id, message_id FROM webhook_outbox",
            "DROP TABLE webhook_outbox",
            "ALTER TABLE former RENAME TO webhook_outbox",
            "DROP INDEX webhooks_given_up",
            "DELETE FROM _sqlx_migrations WHERE version = 28",
        ] {
            book.tamper(sql).await;
        }
        let again = book.again().await;
        let keys = again.take_noted(None, 10).await.unwrap().keys;
        assert_eq!(keys.iter().map(|key| (key.team, key.message)).collect::<Vec<_>>(), [(team, message)]);
        again.close().await;
    });
}
