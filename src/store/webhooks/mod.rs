//! Endpoints: what a team chose of them, and how they fare.

pub mod attempts;
pub mod behind;
pub mod deliveries;
pub mod forward;
pub(super) mod given_up;
pub mod history;
pub mod leases;
pub mod noted;
pub mod outbox;
pub(super) mod removed;
pub mod replay;
pub mod set_back;
pub(super) mod turns;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::webhook::{Kinds, Webhook, WebhookHealth, WebhookSecret, WebhookSecrets, WebhookSettings};
use crate::store::db::repeated;
use crate::store::emails::LAST;
use crate::store::search::FOUND_MAX;
use crate::store::sql::{Sql, record, values};
use crate::store::webhooks::forward::Waited;
use crate::store::{Store, StoreError, rows};

/// The columns of [`WebhookRow`], spliced into each text that reads one.
macro_rules! select_webhooks {
    ($rest:literal) => {
        concat!(
            "SELECT hook.id, hook.team_id, hook.url, hook.description, hook.kinds, hook.enabled, hook.secret, hook.previous_secret,
                 hook.previous_until, hook.failures, hook.failing_since, hook.paused_until, hook.succeeded_at, hook.slow_until,
                 hook.behind_from, hook.disabled_at, hook.disabled_reason, hook.created_at, hook.updated_at
             FROM webhooks hook ",
            $rest
        )
    };
}
use select_webhooks;

static INSERT: Sql = Sql::new(
    "INSERT INTO webhooks (id, team_id, url, description, kinds, enabled, secret, created_at, updated_at)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8 WHERE (SELECT COUNT(*) FROM webhooks WHERE team_id = $2) < $9",
);
/// Only as it was when it was read: what somebody changed meanwhile stays, and so does it when the house gave it up. Who is switched on again, or is elsewhere now, begins anew.
/// `updated_at` never stands still: by it, whoever works at the endpoint knows.
static UPDATE: Sql = Sql::new(
    "UPDATE webhooks SET url = $3, description = $4, kinds = $5, enabled = $6,
         updated_at = CASE WHEN updated_at < $7 THEN $7 ELSE updated_at + 1 END,
         failures = CASE WHEN enabled < $6 OR url <> $3 THEN 0 ELSE failures END,
         failing_since = CASE WHEN enabled < $6 OR url <> $3 THEN NULL ELSE failing_since END,
         paused_until = CASE WHEN enabled < $6 OR url <> $3 THEN NULL ELSE paused_until END,
         succeeded_at = CASE WHEN url <> $3 THEN NULL ELSE succeeded_at END,
         slow_until = CASE WHEN url <> $3 THEN NULL ELSE slow_until END,
         disabled_at = CASE WHEN enabled < $6 THEN NULL ELSE disabled_at END,
         disabled_reason = CASE WHEN enabled < $6 THEN NULL ELSE disabled_reason END
     WHERE team_id = $1 AND id = $2 AND updated_at = $8 AND enabled = $9",
);
/// At most two sign. While an overlap lasts the older one is in use: whoever asks again may never have heard of the other.
static ROTATE: Sql = Sql::new(
    "UPDATE webhooks SET previous_secret = CASE WHEN previous_until > $5 THEN previous_secret ELSE secret END,
         secret = $3, previous_until = $4,
         updated_at = CASE WHEN updated_at < $5 THEN $5 ELSE updated_at + 1 END
     WHERE team_id = $1 AND id = $2",
);
static DELETE: Sql = Sql::new("DELETE FROM webhooks WHERE team_id = $1 AND id = $2");
static NOTE_REMOVED: Sql = Sql::new("INSERT INTO webhooks_removed (webhook_id, removed_at) VALUES ($1, $2)");
pub(super) static ONE: Sql = Sql::new(select_webhooks!("WHERE hook.team_id = $1 AND hook.id = $2"));
pub(super) static PAGE: Sql =
    Sql::new(select_webhooks!("WHERE hook.team_id = $1 AND hook.id < $2 ORDER BY hook.id DESC LIMIT $3 OFFSET $4"));
pub(super) static COUNT: Sql =
    Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM webhooks WHERE team_id = $1 LIMIT $2) AS q");

record!(WebhookRow {
    id: Vec<u8>,
    team_id: Vec<u8>,
    url: String,
    description: String,
    kinds: i64,
    enabled: i64,
    secret: String,
    previous_secret: Option<String>,
    previous_until: Option<i64>,
    failures: i64,
    failing_since: Option<i64>,
    paused_until: Option<i64>,
    succeeded_at: Option<i64>,
    slow_until: Option<i64>,
    behind_from: Option<Vec<u8>>,
    disabled_at: Option<i64>,
    disabled_reason: Option<String>,
    created_at: i64,
    updated_at: i64,
});

record!(NumberRow { number: i64 });

impl WebhookRow {
    fn webhook(self) -> Result<Webhook, StoreError> {
        let previous = self.previous_secret.map(WebhookSecret::from_text).zip(self.previous_until.map(Timestamp));
        Ok(Webhook {
            id: rows::id(&self.id)?,
            team: rows::id(&self.team_id)?,
            settings: WebhookSettings {
                url: self.url,
                kinds: Kinds(self.kinds),
                enabled: self.enabled != 0,
                description: self.description,
            },
            secrets: WebhookSecrets { current: WebhookSecret::from_text(self.secret), previous },
            health: WebhookHealth {
                failures: self.failures,
                failing_since: self.failing_since.map(Timestamp),
                paused_until: self.paused_until.map(Timestamp),
                succeeded_at: self.succeeded_at.map(Timestamp),
                slow_until: self.slow_until.map(Timestamp),
                disabled: self.disabled_at.map(Timestamp).zip(self.disabled_reason),
            },
            behind_from: self.behind_from.as_deref().map(rows::id).transpose()?,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

impl Store {
    /// Keeps a new endpoint for a team, with a secret of its own. None when the team has `most` already.
    pub async fn create_webhook(&self, team: Id, settings: WebhookSettings, most: u64) -> Result<Option<Webhook>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let (id, now, secret) = (self.desk().next_id(), self.desk().clock().now(), WebhookSecret::generate());
        let WebhookSettings { url, kinds, enabled, description } = &settings;
        let row = values![id, team, url.as_str(), description.as_str(), kinds.0, i64::from(*enabled), secret.reveal(), now, most];
        let mut tx = self.db().begin().await?;
        // Two that count at once would both find room.
        turns::alone(&mut tx, team).await?;
        if tx.run(&INSERT, &row, &[]).await? == 0 {
            return Ok(None);
        }
        tx.commit().await?;
        let secrets = WebhookSecrets { current: secret, previous: None };
        Ok(Some(Webhook {
            id,
            team,
            settings,
            secrets,
            health: WebhookHealth::default(),
            behind_from: None,
            created_at: now,
            updated_at: now,
        }))
    }

    /// Replaces what a team chose of an endpoint, as `known` was read. What waits is attempted now where it is switched on again, or lies
    /// elsewhere. None: it was changed meanwhile, or is gone, and nothing is written.
    pub async fn update_webhook(&self, known: &Webhook, settings: WebhookSettings) -> Result<Option<Webhook>, StoreError> {
        let begins = settings.enabled && (!known.settings.enabled || known.settings.url != settings.url);
        if !repeated(|| self.try_update(known, &settings, begins)).await? {
            return Ok(None);
        }
        if begins {
            self.bring_forward(known.id, Waited::All).await?;
        }
        self.webhook(known.team, known.id).await
    }

    /// The first of what waits is brought forward in the transaction of the change: one without the other would never be made up for.
    async fn try_update(&self, known: &Webhook, settings: &WebhookSettings, begins: bool) -> Result<bool, StoreError> {
        let WebhookSettings { url, kinds, enabled, description } = settings;
        let (enabled, now) = (i64::from(*enabled), self.desk().clock().now());
        let (as_of, was_enabled) = (known.updated_at, i64::from(known.settings.enabled));
        let row = values![known.team, known.id, url.as_str(), description.as_str(), kinds.0, enabled, now, as_of, was_enabled];
        let mut tx = self.db().begin().await?;
        if tx.run(&UPDATE, &row, &[]).await? == 0 {
            return Ok(false);
        }
        if begins {
            forward::step(&mut tx, known.id, Waited::All, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Gives an endpoint a new secret; the one in use signs, too, until `overlap_until`: that is the one before, or of the last rotation
    /// the older one, while its overlap lasts. None when the team has no such endpoint.
    pub async fn rotate_webhook(&self, team: Id, id: Id, overlap_until: Timestamp) -> Result<Option<Webhook>, StoreError> {
        let secret = WebhookSecret::generate();
        let row = values![team, id, secret.reveal(), overlap_until, self.desk().clock().now()];
        self.db().write(&ROTATE, row).await?;
        self.webhook(team, id).await
    }

    /// Removes an endpoint; what it was told goes later ([`Store::forget_removed_webhooks`]). False: the team has no such endpoint.
    pub async fn delete_webhook(&self, team: Id, id: Id) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        if tx.run(&DELETE, &values![team, id], &[]).await? == 0 {
            return Ok(false);
        }
        tx.run(&NOTE_REMOVED, &values![id, self.desk().clock().now()], &[]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The team's endpoint of this id.
    pub async fn webhook(&self, team: Id, id: Id) -> Result<Option<Webhook>, StoreError> {
        self.db().fetch_one::<WebhookRow>(&ONE, values![team, id]).await?.map(WebhookRow::webhook).transpose()
    }

    /// A page of a team's endpoints, newest first: `limit` of those older than `before`, after the first `offset`.
    pub async fn webhooks(&self, team: Id, before: Option<Id>, offset: usize, limit: usize) -> Result<Vec<Webhook>, StoreError> {
        let scalars = values![team, before.unwrap_or(LAST), limit, offset];
        self.db().fetch::<WebhookRow>(&PAGE, scalars).await?.into_iter().map(WebhookRow::webhook).collect()
    }

    /// How many endpoints a team has; at most [`FOUND_MAX`].
    pub async fn count_webhooks(&self, team: Id) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<NumberRow>(&COUNT, values![team, FOUND_MAX]).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}
