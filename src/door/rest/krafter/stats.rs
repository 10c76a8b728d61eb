//! `/stats`: how a team's mail of the last days stands now. Sandbox mail is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::openapi::{AskedNumber, Failures};
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::model::statistics::{DailyCounts, Day, EngagementCounts};
use crate::model::status::MessageStatus;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days that are told of where no number is named.
const DAYS: usize = 30;
const DAYS_MAX: usize = 365;

/// Messages by status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    pub period: Period,
    /// The messages counted were accepted then or later: the midnight (UTC) before the period began.
    #[schema(format = DateTime)]
    pub since: String,
    /// Of all statuses.
    pub total: u64,
    /// The statuses that any message stands at.
    pub by_status: BTreeMap<&'static str, u64>,
    pub engagement: Engagement,
}

/// Messages that people opened, clicked in, or unsubscribed by; what programs do by themselves is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Engagement {
    pub opened: u64,
    pub clicked: u64,
    pub unsubscribed: u64,
}

/// How far back statistics go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub enum Period {
    #[serde(rename = "1d")]
    Day,
    #[default]
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
}

/// The messages accepted on one day (UTC), by the status they stand at now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DailyStatistics {
    #[schema(format = Date)]
    pub date: String,
    pub queued: u64,
    pub sent: u64,
    pub delivered: u64,
    pub bounced: u64,
    pub complained: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub rejected: u64,
    pub engagement: Engagement,
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(show_statistics)).routes(routes!(list_daily_statistics))
}

/// Counts messages by status
#[utoipa::path(
    get,
    path = "/stats",
    tag = "statistics",
    params(("period" = Option<String>, Query, description = "1d, 7d, 30d or 90d; anything else counts as 7d")),
    responses((status = 200, description = "The counts", body = Data<Statistics>), Failures)
)]
async fn show_statistics(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    mut asked: Parameters,
) -> Result<Data<Statistics>, Problem> {
    let period = asked.text("period").map_or(Period::default(), |word| Period::from_word(&word));
    asked.end()?;
    let since = Day::at(door.clock.now().minus(DAY * period.days()));
    let counts = door.store.statistics(caller.team(), since).await?;
    let (engagement, counts) = (counts.engagement.into(), counts.statuses);
    let by_status = counts.each().filter(|(_, messages)| *messages > 0).map(|(status, messages)| (status.as_str(), messages));
    let (since, total) = (since.begins().rfc3339(), counts.total());
    Ok(Data { data: Statistics { period, since, total, by_status: by_status.collect(), engagement } })
}

/// Counts messages by day and status, oldest day first
#[utoipa::path(
    get,
    path = "/stats/daily",
    tag = "statistics",
    params(("days" = inline(Option<AskedNumber>), Query, description = "Days up to today: 30 where it is left out, 365 at most")),
    responses((status = 200, description = "The counts of each day", body = Data<Vec<DailyStatistics>>), Failures)
)]
async fn list_daily_statistics(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    mut asked: Parameters,
) -> Result<Data<Vec<DailyStatistics>>, Problem> {
    let days = asked.number("days", DAYS, 1..=DAYS_MAX);
    asked.end()?;
    let days = u32::try_from(days).unwrap_or_default();
    let counts = door.store.daily_statistics(caller.team(), days).await?;
    Ok(Data { data: counts.into_iter().map(Into::into).collect() })
}

impl Period {
    /// Anything that is none of the words counts as the usual one.
    fn from_word(word: &str) -> Self {
        match word {
            "1d" => Self::Day,
            "30d" => Self::Month,
            "90d" => Self::Quarter,
            _ => Self::Week,
        }
    }

    fn days(self) -> u32 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
        }
    }
}

impl From<DailyCounts> for DailyStatistics {
    fn from(DailyCounts { day, counts }: DailyCounts) -> Self {
        let (engagement, counts) = (counts.engagement.into(), counts.statuses);
        Self {
            date: day.date(),
            queued: counts.of(MessageStatus::Queued),
            sent: counts.of(MessageStatus::Sent),
            delivered: counts.of(MessageStatus::Delivered),
            bounced: counts.of(MessageStatus::Bounced),
            complained: counts.of(MessageStatus::Complained),
            failed: counts.of(MessageStatus::Failed),
            cancelled: counts.of(MessageStatus::Cancelled),
            rejected: counts.of(MessageStatus::Rejected),
            engagement,
        }
    }
}

impl From<EngagementCounts> for Engagement {
    fn from(counts: EngagementCounts) -> Self {
        let EngagementCounts { opened, clicked, unsubscribed } = counts;
        Self { opened, clicked, unsubscribed }
    }
}
