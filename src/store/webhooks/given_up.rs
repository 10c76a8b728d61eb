//! Endpoints that the house switched off, for who looks after their team.

use crate::id::Id;
use crate::model::webhook::Webhook;
use crate::store::sql::{Sql, values};
use crate::store::webhooks::{WebhookRow, select_webhooks};
use crate::store::{Store, StoreError};

pub(in crate::store) static GIVEN_UP: Sql = Sql::new(select_webhooks!(
    "WHERE hook.disabled_at IS NOT NULL AND (CAST($1 AS BYTEA) IS NULL OR hook.team_id = $1) ORDER BY hook.disabled_at DESC LIMIT $2"
));

impl Store {
    /// Endpoints of a team, or of all, that were given up and not switched on since, the latest first.
    pub async fn webhooks_given_up(&self, team: Option<Id>, most: usize) -> Result<Vec<Webhook>, StoreError> {
        self.db().fetch::<WebhookRow>(&GIVEN_UP, values![team, most]).await?.into_iter().map(WebhookRow::webhook).collect()
    }
}
