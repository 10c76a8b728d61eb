//! Statements that only write, run together: on SQLite one text of several statements, on PostgreSQL, as a whole transaction, one
//! statement of several parts.
//!
//! Only the parts that have rows are in the text; there is one text for each set of parts that occurs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};

use crate::store::sql::{self, Sql, Value};

/// Statements that take rows only, in their order.
pub(super) struct Script {
    parts: &'static [&'static Sql],
    /// The part that must change a row for each row that it takes; as a whole transaction the script fails otherwise.
    checked: Option<usize>,
    texts: Mutex<BTreeMap<(Form, u32), &'static str>>,
}

/// What a text is made for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Sqlite,
    SqliteWhole,
    PostgresWhole,
}

impl Script {
    /// A script of these statements. They may not take scalars.
    pub const fn new(parts: &'static [&'static Sql]) -> Self {
        Self { parts, checked: None, texts: Mutex::new(BTreeMap::new()) }
    }

    /// The same, with a part that must find what it changes. On PostgreSQL that part returns a row for each.
    pub const fn checked(parts: &'static [&'static Sql], part: usize) -> Self {
        Self { parts, checked: Some(part), texts: Mutex::new(BTreeMap::new()) }
    }

    /// The statements that have rows, with these.
    pub fn parts<'a>(&self, tables: &'a [Vec<Vec<Value>>]) -> impl Iterator<Item = (&'static Sql, &'a Vec<Vec<Value>>)> {
        self.parts.iter().copied().zip(tables).filter(|(_, rows)| !rows.is_empty())
    }

    /// For SQLite, inside a transaction.
    pub fn sqlite(&self, tables: &[Vec<Vec<Value>>]) -> Query<'static, Sqlite, SqliteArguments> {
        self.sqlite_as(Form::Sqlite, tables)
    }

    /// For SQLite, as a transaction of its own. After a failure that transaction may still be open.
    pub fn sqlite_whole(&self, tables: &[Vec<Vec<Value>>]) -> Query<'static, Sqlite, SqliteArguments> {
        self.sqlite_as(Form::SqliteWhole, tables)
    }

    /// Each table is a JSON text of its own, so that each statement parses what it needs; all blobs are in the last parameter.
    fn sqlite_as(&self, form: Form, tables: &[Vec<Vec<Value>>]) -> Query<'static, Sqlite, SqliteArguments> {
        let mut query = sqlx::query(self.text(form, tables));
        let octets: usize = tables.iter().flatten().flatten().map(Value::octets).sum();
        let mut blobs = Vec::with_capacity(octets);
        for (_, rows) in self.parts(tables) {
            query = query.bind(sql::json(&mut blobs, rows));
        }
        query.bind(blobs)
    }

    /// For PostgreSQL, as a transaction of its own.
    pub fn postgres_whole(&self, tables: &[Vec<Vec<Value>>]) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(self.text(Form::PostgresWhole, tables));
        self.parts(tables).fold(query, |query, (part, rows)| part.bind_postgres(query, rows))
    }

    fn text(&self, form: Form, tables: &[Vec<Vec<Value>>]) -> &'static str {
        let with_rows = tables.iter().enumerate().map(|(n, rows)| u32::from(!rows.is_empty()) << n);
        let set = with_rows.fold(0, |set, bit| set | bit);
        // Texts are only ever added.
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.entry((form, set)).or_insert_with(|| {
            let parts = self.parts.iter().copied().enumerate().filter(|(n, _)| set >> n & 1 == 1);
            sql::leaked(match form {
                Form::Sqlite => self.sqlite_text(parts, false),
                Form::SqliteWhole => format!("BEGIN IMMEDIATE;\n{};\nCOMMIT", self.sqlite_text(parts, true)),
                Form::PostgresWhole => self.postgres_text(parts),
            })
        })
    }

    fn sqlite_text(&self, parts: impl Iterator<Item = (usize, &'static Sql)> + Clone, check: bool) -> String {
        let blobs = parts.clone().count() + 1;
        let statement = |(table, (n, part)): (usize, (usize, &'static Sql))| {
            let json = format!("${}", table + 1);
            let text = part.expand_sqlite(&format!("jsonb_each({json})"), blobs);
            // A NULL where none may be: the shortest way to make a text fail.
            let failing = format!("INSERT INTO counters (team_id) SELECT NULL WHERE changes() <> json_array_length({json})");
            if check && self.checked == Some(n) { format!("{text};\n{failing}") } else { text }
        };
        parts.enumerate().map(statement).collect::<Vec<_>>().join(";\n")
    }

    fn postgres_text(&self, parts: impl Iterator<Item = (usize, &'static Sql)>) -> String {
        let (mut first, mut steps, mut verdict) = (1, Vec::new(), "1".to_owned());
        for (n, part) in parts {
            steps.push(format!("part_{n} AS (\n{})", part.expand_postgres(first)));
            if self.checked == Some(n) {
                // A division by zero: PostgreSQL has no shorter way to fail inside a statement.
                verdict = format!("1 / CASE WHEN (SELECT COUNT(*) FROM part_{n}) = cardinality(${first}) THEN 1 ELSE 0 END");
            }
            first += part.width();
        }
        format!("WITH {} SELECT {verdict} AS verdict", steps.join(",\n"))
    }
}
