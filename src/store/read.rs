//! Reading the queue: lists, one message, its bytes.

use bytes::Bytes;

use crate::id::Id;
use crate::model::outcome::RecipientState;
use crate::store::claim::Lane;
use crate::store::rows::{FoundMessage, select_messages};
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, counters, lanes};

pub use crate::store::listing::{DAMAGED, Damage, Listed};

/// Which messages to list. Newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `None`: of every team (the operator's view).
    pub team: Option<Id>,
    /// Only those older than this one.
    pub before: Option<Id>,
    /// Only those with an open recipient.
    pub open_only: bool,
    pub limit: usize,
}

/// Domains that [`QueueStats`] names.
const DOMAINS_MAX: i64 = 20;

/// Open and ended recipients, by state, and the queued ones more closely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    pub by_state: Vec<(RecipientState, u64)>,
    /// Queued recipients; a lane without any is left out.
    pub by_lane: Vec<(Lane, u64)>,
    /// Open recipients of the domains that have most of them, most first.
    pub by_domain: Vec<(String, u64)>,
    /// Recipients whose state is no word of ours.
    pub damaged: u64,
    /// Open recipients that are due.
    pub due: u64,
    pub messages: u64,
}

static NEWEST: Sql = Sql::new(select_messages!("outbound_messages m WHERE m.id < $1 ORDER BY m.id DESC LIMIT $2"));
static NEWEST_OF_TEAM: Sql =
    Sql::new(select_messages!("outbound_messages m WHERE m.id < $1 AND m.team_id = $3 ORDER BY m.id DESC LIMIT $2"));
static OPEN: Sql = Sql::new(select_messages!(
    "outbound_messages m WHERE m.id < $1
       AND EXISTS (SELECT 1 FROM outbound_recipients r WHERE r.message_id = m.id AND r.state IN ('queued', 'held'))
     ORDER BY m.id DESC LIMIT $2"
));
static OPEN_OF_TEAM: Sql = Sql::new(select_messages!(
    "outbound_messages m WHERE m.id < $1 AND m.team_id = $3
       AND EXISTS (SELECT 1 FROM outbound_recipients r WHERE r.message_id = m.id AND r.state IN ('queued', 'held'))
     ORDER BY m.id DESC LIMIT $2"
));
static ONE: Sql = Sql::new(select_messages!("outbound_messages m WHERE m.id = $1"));
static BY_STATE: Sql = Sql::new("SELECT state, COUNT(*) AS recipients FROM outbound_recipients GROUP BY state");
static BY_LANE: Sql =
    Sql::new("SELECT lane, COUNT(*) AS recipients FROM outbound_recipients WHERE state = 'queued' GROUP BY lane");
/// What is left of the address without its domain is what remains when everything but `@` is taken from its end.
static BY_DOMAIN: Sql = Sql::new(
    "SELECT lower(substr(address, length(rtrim(address, replace(address, '@', ''))) + 1)) AS domain, COUNT(*) AS recipients
     FROM outbound_recipients WHERE state IN ('queued', 'held') GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1",
);
static DUE: Sql =
    Sql::new("SELECT COUNT(*) AS number FROM outbound_recipients WHERE state = 'queued' AND epoch = 0 AND next_attempt_at <= $1");
static MESSAGES: Sql = Sql::new("SELECT COUNT(*) AS number FROM outbound_messages");

record!(StateRow { state: String, recipients: i64 });
record!(LaneRow { lane: i64, recipients: i64 });
record!(DomainRow { domain: String, recipients: i64 });
record!(NumberRow { number: i64 });

/// Above every id.
const LAST: Id = Id([0xff; 16]);

impl Store {
    /// A page of messages with their recipients. What is damaged is listed as such.
    pub async fn messages(&self, filter: &Filter) -> Result<Vec<Listed>, StoreError> {
        let mut scalars = values![filter.before.unwrap_or(LAST), i64::try_from(filter.limit).unwrap_or(i64::MAX)];
        let sql = match (filter.team, filter.open_only) {
            (None, false) => &NEWEST,
            (None, true) => &OPEN,
            (Some(_), false) => &NEWEST_OF_TEAM,
            (Some(_), true) => &OPEN_OF_TEAM,
        };
        scalars.extend(filter.team.map(Into::into));
        let found = self.db().fetch::<FoundMessage>(sql, scalars).await?;
        self.with_recipients(found).await
    }

    /// One message, as far as it can be read. `team`: only if it is that team's.
    pub async fn message(&self, team: Option<Id>, id: Id) -> Result<Option<Listed>, StoreError> {
        let found = self.db().fetch::<FoundMessage>(&ONE, values![id]).await?;
        let listed = self.with_recipients(found).await?.pop();
        Ok(listed.filter(|l| team.is_none_or(|team| l.message.team == team)))
    }

    /// A message's bytes as accepted, with our Received.
    pub async fn body(&self, team: Option<Id>, id: Id) -> Result<Option<Bytes>, StoreError> {
        if team.is_some() && self.message(team, id).await?.is_none() {
            return Ok(None);
        }
        Ok(self.bodies([id].into_iter()).await?.remove(&id))
    }

    /// Open recipients of a team's messages, for the queue limit.
    pub async fn queued(&self, team: Id) -> Result<u64, StoreError> {
        self.counter(team, counters::OPEN).await
    }

    /// Totals for the operator.
    pub async fn queue_stats(&self) -> Result<QueueStats, StoreError> {
        let mut stats = QueueStats::default();
        let count = |recipients| u64::try_from(recipients).unwrap_or(0);
        for row in self.db().fetch::<StateRow>(&BY_STATE, Vec::new()).await? {
            match RecipientState::from_word(&row.state) {
                Some(state) => stats.by_state.push((state, count(row.recipients))),
                None => stats.damaged += count(row.recipients),
            }
        }
        stats.by_state.sort_unstable_by_key(|(state, _)| RecipientState::ALL.iter().position(|s| s == state));
        let lanes = self.db().fetch::<LaneRow>(&BY_LANE, Vec::new()).await?;
        let of =
            |lane: Lane| lanes.iter().filter(|row| lanes::kind(row.lane) == lane as i64).map(|row| count(row.recipients)).sum();
        stats.by_lane = Lane::ALL.map(|lane| (lane, of(lane))).into_iter().filter(|(_, number)| *number > 0).collect();
        let domains = self.db().fetch::<DomainRow>(&BY_DOMAIN, values![DOMAINS_MAX]).await?;
        stats.by_domain = domains.into_iter().map(|row| (row.domain, count(row.recipients))).collect();
        stats.due = self.number(&DUE, values![self.desk().clock().now()]).await?;
        stats.messages = self.number(&MESSAGES, Vec::new()).await?;
        Ok(stats)
    }

    async fn number(&self, sql: &Sql, scalars: Vec<crate::store::sql::Value>) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<NumberRow>(sql, scalars).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}
