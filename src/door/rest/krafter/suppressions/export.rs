//! `GET /suppressions/export`: all of them, as a file.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

use crate::door::rest::access::{Caller, SuppressionsRead};
use crate::door::rest::door::Door;
use crate::door::rest::download::{self, download};
use crate::door::rest::krafter::Resources;
use crate::door::rest::krafter::openapi::{AskedFormat, Failures};
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::store::StoreError;
use crate::suppressions::pages::{Pages, Shown};

pub fn routes() -> Resources {
    Resources::new().routes(routes!(export_suppressions))
}

impl download::Pages for Pages {
    type Row = Shown;

    async fn next(&mut self) -> Result<Vec<Shown>, StoreError> {
        self.next().await
    }
}

/// Exports suppressions
///
/// CSV under a line of column names, or a JSON object a line. A cell that a spreadsheet would take for a formula stands behind an
/// apostrophe, which an import takes away.
#[utoipa::path(
    get,
    path = "/suppressions/export",
    tag = "suppressions",
    params(
        ("format" = inline(Option<AskedFormat>), Query, description = "csv where it is not said"),
        ("reason" = Option<String>, Query, description = "The whole word"),
        ("address" = Option<String>, Query, description = "The whole address, in any spelling"),
    ),
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (String = "application/x-ndjson"))),
        Failures
    )
)]
async fn export_suppressions(
    State(door): State<Arc<Door>>,
    caller: Caller<SuppressionsRead>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let format = download::format(&mut asked);
    let filter = super::filter(&mut asked);
    asked.end()?;
    download("suppressions", format, Pages::new(door.store.clone(), caller.team(), filter)).await
}
