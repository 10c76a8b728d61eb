//! One SQL text for two engines, and the values it takes.
//!
//! A text is written once, with `$1` placeholders. Four marks in it become what each engine calls them: `{rows}` a table of values
//! bound as one set of parameters (`unnest` on PostgreSQL, `jsonb_each` on SQLite), `{skip locked}` and `{lock}` the row locks
//! that SQLite, with its one writer, does not need, and `{now}` the database's own clock in milliseconds. `{lock}` locks table `r`.
//! `{or fail}` tells SQLite not to keep a journal for undoing the one statement: a batch that fails is undone as a whole.
//! `{postgres: ...}` holds what SQLite must not see.
//!
//! On SQLite every call and every row that it returns wakes a thread and is waited for, on PostgreSQL every call is an exchange with another
//! process: statements of the hot path return no rows, or one, and those that only write are run together ([`super::script`]).

use std::sync::OnceLock;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Postgres, Sqlite};

use crate::id::Id;

/// A statement, expanded for each engine at its first use.
pub struct Sql {
    text: &'static str,
    columns: &'static [Column],
    sqlite: OnceLock<&'static str>,
    postgres: OnceLock<&'static str>,
}

/// A column of `{rows}`: its name and what it holds.
pub type Column = (&'static str, Kind);

/// What a column of `{rows}` holds; each may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Text,
    /// A few bytes, such as an id.
    Bytes,
    /// Many bytes, bound without conversion; at most one such column.
    Blob,
}

/// One bound value.
#[derive(Clone, Debug)]
pub enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Blob(bytes::Bytes),
}

impl Sql {
    /// A statement with scalar parameters only.
    pub const fn new(text: &'static str) -> Self {
        Self::rows(text, &[])
    }

    /// A statement that takes a table of values at `{rows}`, under the alias `v`, beside its scalar parameters.
    pub const fn rows(text: &'static str, columns: &'static [Column]) -> Self {
        Self { text, columns, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    pub(super) fn for_sqlite(&self) -> &'static str {
        self.sqlite.get_or_init(|| {
            let scalars = self.scalars();
            leaked(self.expand_sqlite(&format!("jsonb_each(${})", scalars + 1), scalars + 2))
        })
    }

    /// The text for SQLite, with its rows drawn from `json` and its blobs from parameter `blobs`.
    pub(super) fn expand_sqlite(&self, json: &str, blobs: usize) -> String {
        let field = |(place, (name, kind)): (usize, &Column)| match kind {
            Kind::Int | Kind::Text => format!("value->>{place} AS {name}"),
            Kind::Bytes => format!("unhex(value->>{place}) AS {name}"),
            Kind::Blob => format!("substr(${blobs}, value->>'$[{place}][0]', value->>'$[{place}][1]') AS {name}"),
        };
        let fields: Vec<String> = self.columns.iter().enumerate().map(field).collect();
        let text = self.for_engine(false).replace("{rows}", &format!("(SELECT {} FROM {json}) AS v", fields.join(", ")));
        let text = text.replace("{skip locked}", "").replace("{lock}", "").replace("{or fail}", "OR FAIL");
        text.replace("{now}", "CAST(unixepoch('subsec') * 1000 AS INTEGER)")
    }

    pub(super) fn for_postgres(&self) -> &'static str {
        self.postgres.get_or_init(|| leaked(self.expand_postgres(self.scalars() + 1)))
    }

    /// The text for PostgreSQL, with the columns of its rows bound from parameter `first` on.
    pub(super) fn expand_postgres(&self, first: usize) -> String {
        let array = |(place, (_, kind)): (usize, &Column)| {
            let array = match kind {
                Kind::Int => "bigint[]",
                Kind::Text => "text[]",
                Kind::Bytes | Kind::Blob => "bytea[]",
            };
            format!("${}::{array}", first + place)
        };
        let arrays: Vec<String> = self.columns.iter().enumerate().map(array).collect();
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let source = format!("unnest({}) AS v ({})", arrays.join(", "), names.join(", "));
        let text = self.for_engine(true).replace("{rows}", &source).replace("{or fail}", "");
        let text = text.replace("{skip locked}", "FOR UPDATE SKIP LOCKED").replace("{lock}", "FOR UPDATE OF r");
        text.replace("{now}", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")
    }

    /// The text with `{postgres: ...}` opened, or left out.
    fn for_engine(&self, postgres: bool) -> String {
        let Some((before, rest)) = self.text.split_once("{postgres:") else { return self.text.to_owned() };
        let (inside, after) = rest.split_once('}').unwrap_or((rest, ""));
        if postgres { format!("{before}{inside}{after}") } else { format!("{before}{after}") }
    }

    /// How many columns its rows have.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The highest `$n` in the text.
    pub(super) fn scalars(&self) -> usize {
        let numbers = self.text.split('$').skip(1);
        numbers.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).max().unwrap_or(0)
    }

    /// Bound for SQLite.
    pub(super) fn sqlite(&self, scalars: &[Value], rows: &[Vec<Value>]) -> Query<'static, Sqlite, SqliteArguments> {
        let mut query = sqlx::query(self.for_sqlite());
        for value in scalars {
            query = match value.clone() {
                Value::Int(v) => query.bind(v),
                Value::Text(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
                Value::Blob(v) => query.bind(v.to_vec()),
            };
        }
        if self.columns.is_empty() {
            return query;
        }
        let mut blobs = Vec::new();
        query = query.bind(json(&mut blobs, rows));
        if self.columns.iter().any(|(_, kind)| *kind == Kind::Blob) { query.bind(blobs) } else { query }
    }

    /// Bound for PostgreSQL.
    pub(super) fn postgres(&self, scalars: &[Value], rows: &[Vec<Value>]) -> Query<'static, Postgres, PgArguments> {
        let mut query = sqlx::query(self.for_postgres());
        for value in scalars {
            query = match value {
                Value::Int(v) => query.bind(*v),
                Value::Text(v) => query.bind(v.as_deref()),
                Value::Bytes(v) => query.bind(v.as_deref()),
                Value::Blob(v) => query.bind(&v[..]),
            };
        }
        self.bind_postgres(query, rows)
    }

    /// Adds the columns of the rows, an array each. Values are encoded where they lie: the only copy is the one that is sent.
    pub(super) fn bind_postgres(
        &self,
        mut query: Query<'static, Postgres, PgArguments>,
        rows: &[Vec<Value>],
    ) -> Query<'static, Postgres, PgArguments> {
        for (place, (_, kind)) in self.columns.iter().enumerate() {
            let column = rows.iter().filter_map(|row| row.get(place));
            query = match kind {
                Kind::Int => query.bind(column.map(Value::int).collect::<Vec<_>>()),
                Kind::Text => query.bind(column.map(Value::text).collect::<Vec<_>>()),
                Kind::Bytes | Kind::Blob => query.bind(column.map(Value::bytes).collect::<Vec<_>>()),
            };
        }
        query
    }
}

impl Value {
    /// How much it adds to the parameter for blobs.
    pub(super) fn octets(&self) -> usize {
        if let Self::Blob(v) = self { v.len() } else { 0 }
    }

    /// About how much it takes in JSON: a large text that grows as it is written is copied, and what it leaves behind costs more yet.
    fn room_in_json(&self) -> usize {
        let own = match self {
            Self::Int(_) | Self::Blob(_) => 16,
            // A few octets more for what is escaped, above all the quotes of JSON in JSON.
            Self::Text(v) => v.as_ref().map_or(4, |text| text.len() + text.len() / 4),
            Self::Bytes(v) => v.as_ref().map_or(4, |bytes| bytes.len() * 2),
        };
        own + 4
    }

    fn int(&self) -> Option<i64> {
        if let Self::Int(v) = self { *v } else { None }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(v) = self { v.as_deref() } else { None }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(v) => v.as_deref(),
            Self::Blob(v) => Some(v),
            _ => None,
        }
    }
}

/// An expanded text lives as long as the program: there is one for each statement written in this module's neighbours, and one for each
/// set of them that is run together.
pub(super) fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The rows as a JSON array of arrays: bytes in hex, blobs as `[place, length]` in the parameter for blobs, counted from 1.
pub(super) fn json(blobs: &mut Vec<u8>, rows: &[Vec<Value>]) -> String {
    let room: usize = rows.iter().flatten().map(Value::room_in_json).sum();
    let mut json = Vec::with_capacity(room + rows.len() * 3 + 2);
    json.push(b'[');
    for (place, row) in rows.iter().enumerate() {
        json.extend_from_slice(if place == 0 { &b"["[..] } else { &b",["[..] });
        for (column, value) in row.iter().enumerate() {
            if column > 0 {
                json.push(b',');
            }
            push_json(&mut json, blobs, value);
        }
        json.push(b']');
    }
    json.push(b']');
    String::from_utf8(json).expect("JSON is UTF-8")
}

fn push_json(json: &mut Vec<u8>, blobs: &mut Vec<u8>, value: &Value) {
    // Numbers and texts can all be said in JSON, and a Vec takes all that is written.
    let _ = match value {
        Value::Int(v) => serde_json::to_writer(json, v),
        Value::Text(v) => serde_json::to_writer(json, v),
        Value::Bytes(Some(v)) => {
            push_hex(json, v);
            Ok(())
        }
        Value::Bytes(None) => serde_json::to_writer(json, &()),
        Value::Blob(v) => {
            let place = blobs.len() + 1;
            blobs.extend_from_slice(v);
            serde_json::to_writer(json, &(place, v.len()))
        }
    };
}

fn push_hex(json: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.push(b'"');
    json.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
    json.push(b'"');
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Int(Some(v))
    }
}

impl From<Option<i64>> for Value {
    fn from(v: Option<i64>) -> Self {
        Self::Int(v)
    }
}

impl From<usize> for Value {
    fn from(v: usize) -> Self {
        Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)))
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Text(Some(v.to_owned()))
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Text(Some(v))
    }
}

impl From<Option<String>> for Value {
    fn from(v: Option<String>) -> Self {
        Self::Text(v)
    }
}

impl From<Id> for Value {
    fn from(v: Id) -> Self {
        Self::Bytes(Some(v.0.to_vec()))
    }
}

impl From<Option<Id>> for Value {
    fn from(v: Option<Id>) -> Self {
        Self::Bytes(v.map(|id| id.0.to_vec()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(v: Vec<u8>) -> Self {
        Self::Bytes(Some(v))
    }
}

impl From<[u8; 32]> for Value {
    fn from(v: [u8; 32]) -> Self {
        Self::Bytes(Some(v.to_vec()))
    }
}

impl From<Option<[u8; 32]>> for Value {
    fn from(v: Option<[u8; 32]>) -> Self {
        Self::Bytes(v.map(|bytes| bytes.to_vec()))
    }
}

impl From<crate::clock::Timestamp> for Value {
    fn from(v: crate::clock::Timestamp) -> Self {
        Self::Int(Some(v.0))
    }
}

impl From<Option<crate::clock::Timestamp>> for Value {
    fn from(v: Option<crate::clock::Timestamp>) -> Self {
        Self::Int(v.map(|t| t.0))
    }
}

/// A list of values, each converted.
macro_rules! values {
    ($($value:expr),* $(,)?) => { Vec::from([$($crate::store::sql::Value::from($value)),*]) };
}
pub(crate) use values;

/// A record that either engine's rows can be read into.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Declares a record whose fields are the columns of the same names. (sqlx's own derive would build the database drivers twice.)
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $name { $(pub(super) $field: $type),* }
        $crate::store::sql::record!(@from sqlx::sqlite::SqliteRow, $name { $($field),* });
        $crate::store::sql::record!(@from sqlx::postgres::PgRow, $name { $($field),* });
    };
    (@from $row:ty, $name:ident { $($field:ident),* }) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),* })
            }
        }
    };
}
pub(crate) use record;
