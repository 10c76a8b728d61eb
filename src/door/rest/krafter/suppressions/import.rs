//! `POST /suppressions/import`: a list of addresses, written in short transactions, with what came of it.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::{Buf as _, Bytes};
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::NewSuppression;
use crate::door::rest::access::{Caller, MailSend};
use crate::door::rest::body::{LINES, Sheet};
use crate::door::rest::door::Door;
use crate::door::rest::json::List;
use crate::door::rest::krafter::Resources;
use crate::door::rest::krafter::data::Data;
use crate::door::rest::krafter::openapi::FailuresOfBody;
use crate::door::rest::problem::Problem;
use crate::heavy;
use crate::suppressions::import::{Import, ImportError, Refused, Row, Tally, of_csv, of_lines};

/// Entries of a list in JSON, which is read as a whole; what is read by lines has no such bound.
const JSON_MAX: usize = 10_000;

/// A list in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSuppressions {
    #[schema(value_type = Vec<NewSuppression>, max_items = 10000)]
    pub suppressions: List<NewSuppression, JSON_MAX>,
}

/// What came of an import so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportReport {
    /// Whether all was read.
    pub done: bool,
    /// Lines with an entry.
    pub read: u64,
    pub added: u64,
    /// Suppressed before, or twice on the list: the first reason and evidence stay.
    pub already: u64,
    pub refused: u64,
    /// The first hundred that were refused, told when all is done.
    pub faults: Vec<LineFault>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineFault {
    /// From 1; of a list in JSON the entry.
    pub line: u64,
    pub error: String,
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(import_suppressions))
}

/// The entries of a list that came whole.
type Rows = Box<dyn Iterator<Item = io::Result<Row>> + Send>;

/// Suppresses the addresses of a list
///
/// CSV with a line of column names (`address` or `email`, and `reason` and `evidence`; others are passed over), or without one in
/// that order; or JSON lines, as an export has them. What is sound is written, what is not is told by its line. Whoever accepts `application/x-ndjson` alone is told after
/// each 500 lines how far it has come; the last line is the one that is `done`. An import that broke off may be made again.
#[utoipa::path(
    post,
    path = "/suppressions/import",
    tag = "suppressions",
    request_body(content((NewSuppressions = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What came of it", content((Data<ImportReport> = "application/json"), (String = "application/x-ndjson"))),
        FailuresOfBody
    )
)]
async fn import_suppressions(
    State(door): State<Arc<Door>>,
    caller: Caller<MailSend>,
    headers: HeaderMap,
    sheet: Sheet,
) -> Result<Response, Problem> {
    let team = super::changeable(&caller)?;
    let (rows, room) = rows(sheet)?;
    let mut import = Import::new(door.store.clone(), team, door.clock.now(), rows);
    if headers.get(ACCEPT).is_some_and(|accepted| accepted == LINES) {
        let reports = try_unfold(Some((import, room)), |under_way| async move {
            let Some((mut import, room)) = under_way else { return Ok(None) };
            let is_done = !import.step().await?;
            let line = line(&ImportReport::of(&import.tally, is_done));
            Ok::<_, ImportError>(Some((line, (!is_done).then_some((import, room)))))
        });
        return Ok(([(CONTENT_TYPE, LINES)], Body::from_stream(reports)).into_response());
    }
    while import.step().await? {}
    Ok(Data { data: ImportReport::of(&import.tally, true) }.into_response())
}

/// The entries, and the place of their bytes in the budget.
fn rows(sheet: Sheet) -> Result<(Rows, Arc<OwnedSemaphorePermit>), Problem> {
    match sheet {
        Sheet::Csv(payload) => {
            let (bytes, room) = payload.into_bytes();
            Ok((Box::new(of_csv(bytes.reader())), room))
        }
        Sheet::Lines(payload) => {
            let (bytes, room) = payload.into_bytes();
            Ok((Box::new(of_lines(bytes)), room))
        }
        Sheet::Json(payload) => {
            let (list, room) = heavy::run(payload.len(), || payload.json::<NewSuppressions>())?;
            let entries = list.suppressions.0.into_iter().zip(1..);
            Ok((Box::new(entries.map(|(new, line)| Ok(Row { line, entry: Ok(new.into()) }))), room))
        }
    }
}

fn line(report: &ImportReport) -> Bytes {
    let mut line = serde_json::to_vec(report).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

impl ImportReport {
    fn of(tally: &Tally, done: bool) -> Self {
        let &Tally { read, added, already, refused, ref faults } = tally;
        let told = if done { faults.as_slice() } else { &[] };
        let faults = told.iter().map(|Refused { line, error }| LineFault { line: *line, error: error.clone() }).collect();
        Self { done, read, added, already, refused, faults }
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Read(error) => Self::Malformed(error.to_string()),
            ImportError::Store(error) => error.into(),
        }
    }
}
