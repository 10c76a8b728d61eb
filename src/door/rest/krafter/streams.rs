//! `GET /streams`: the ways that mail may go, and what each does to it.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::new_email::StreamName;
use super::openapi::Failures;
use crate::door::rest::access::{Caller, MailRead};
use crate::model::stream::Stream;

/// A stream, as the key that asks may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamInfo {
    pub name: StreamName,
    /// Whether opens and clicks are tracked where a message does not say.
    pub tracking_enabled: bool,
    /// Whether its mail bears List-Unsubscribe.
    pub list_unsubscribe: bool,
    /// Whether this key may send on it.
    pub allowed: bool,
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(list_streams))
}

/// Lists the streams
#[utoipa::path(
    get,
    path = "/streams",
    tag = "streams",
    responses((status = 200, description = "All there are", body = Data<Vec<StreamInfo>>), Failures)
)]
async fn list_streams(caller: Caller<MailRead>) -> Data<Vec<StreamInfo>> {
    let info = |stream: Stream| StreamInfo {
        name: stream.into(),
        tracking_enabled: stream == Stream::Broadcast,
        list_unsubscribe: stream == Stream::Broadcast,
        allowed: caller.key.may_send_on(stream),
    };
    Data { data: Stream::ALL.into_iter().map(info).collect() }
}
