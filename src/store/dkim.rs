//! The keys that sign a domain's mail.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::dkim::{Algorithm, DkimKey, KeyState, NewDkimKey, OVERLAP, PrivateKey, SecretKey};
use crate::store::db::Tx;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows};

/// Who adds keys to one domain takes turns: on PostgreSQL two that look at once would both find none.
static TURN: Sql = Sql::new("SELECT COUNT(*) FROM (SELECT r.id FROM domains r WHERE r.id = $1 {lock}) AS q");
static INSERT: Sql = Sql::new(
    "INSERT INTO dkim_keys (id, domain_id, algorithm, selector, state, private, public, created_at)
     SELECT $1, $2, $3, $4, 'pending', $5, $6, $7
     WHERE NOT EXISTS (SELECT 1 FROM dkim_keys k WHERE k.domain_id = $2 AND k.algorithm = $3 AND k.state IN ('pending', $8))",
);
static OF_DOMAIN: Sql = Sql::new(
    "SELECT id, algorithm, selector, state, public, created_at, retire_at FROM dkim_keys WHERE domain_id = $1
     ORDER BY created_at, algorithm DESC, id",
);
static OF_TEAM: Sql = Sql::new(
    "SELECT k.domain_id AS domain_id, k.id AS id, k.algorithm AS algorithm, k.selector AS selector, k.state AS state,
         k.public AS public, k.created_at AS created_at, k.retire_at AS retire_at
     FROM dkim_keys k JOIN domains d ON d.id = k.domain_id WHERE d.team_id = $1
     ORDER BY k.created_at, k.algorithm DESC, k.id",
);
static SIGNING: Sql = Sql::new(
    "SELECT k.algorithm AS algorithm, k.selector AS selector, k.private AS private FROM dkim_keys k
     JOIN domains d ON d.id = k.domain_id WHERE d.team_id = $1 AND d.name = $2 AND d.status = 'verified' AND k.state = 'active'
     ORDER BY k.algorithm DESC, k.id DESC",
);
/// Of a domain's keys of one algorithm, those that the new one takes over from.
static RETIRE: Sql = Sql::rows(
    "UPDATE dkim_keys SET state = 'retiring', retire_at = $1 FROM {rows}
     WHERE dkim_keys.domain_id = v.domain AND dkim_keys.algorithm = v.kind AND dkim_keys.state = 'active' AND dkim_keys.id <> v.successor",
    &[("domain", Kind::Bytes), ("kind", Kind::Text), ("successor", Kind::Bytes)],
);
static ACTIVATE: Sql = Sql::rows(
    "UPDATE dkim_keys SET state = 'active' FROM {rows}
     WHERE dkim_keys.domain_id = v.domain AND dkim_keys.id = v.successor AND dkim_keys.state = 'pending'",
    &[("domain", Kind::Bytes), ("kind", Kind::Text), ("successor", Kind::Bytes)],
);
static REMOVE: Sql = Sql::new("DELETE FROM dkim_keys WHERE state = 'retiring' AND retire_at <= $1");

record!(KeyRow {
    id: Vec<u8>,
    algorithm: String,
    selector: String,
    state: String,
    public: Vec<u8>,
    created_at: i64,
    retire_at: Option<i64>,
});

record!(TeamKeyRow {
    domain_id: Vec<u8>,
    id: Vec<u8>,
    algorithm: String,
    selector: String,
    state: String,
    public: Vec<u8>,
    created_at: i64,
    retire_at: Option<i64>,
});

record!(SigningRow { algorithm: String, selector: String, private: Vec<u8> });

impl KeyRow {
    fn key(self) -> Result<DkimKey, StoreError> {
        Ok(DkimKey {
            id: rows::id(&self.id)?,
            algorithm: algorithm(&self.algorithm)?,
            selector: self.selector,
            state: KeyState::from_word(&self.state),
            public: self.public,
            created_at: Timestamp(self.created_at),
            retire_at: self.retire_at.map(Timestamp),
        })
    }
}

fn algorithm(word: &str) -> Result<Algorithm, StoreError> {
    Algorithm::from_word(word).ok_or_else(|| StoreError::Broken(format!("dkim_keys.algorithm: {word:?}")))
}

impl Store {
    /// Keeps new keys of a domain; they are pending. None is kept where there is one of the same algorithm that is pending, or in the state
    /// `unless`: somebody was faster.
    pub async fn add_dkim_keys(&self, domain: Id, keys: Vec<NewDkimKey>, unless: KeyState) -> Result<(), StoreError> {
        let now = self.desk().clock().now();
        let mut tx = self.db().begin().await?;
        tx.run(&TURN, &values![domain], &[]).await?;
        for NewDkimKey { secret, public } in keys {
            let mut row = values![self.desk().next_id(), domain, secret.algorithm.as_str(), secret.selector];
            row.extend([secret.private.0, public].map(|octets| Value::Bytes(Some(octets))));
            row.extend(values![now, unless.as_str()]);
            tx.run(&INSERT, &row, &[]).await?;
        }
        tx.commit().await
    }

    /// A domain's keys, oldest first, RSA before Ed25519.
    pub async fn dkim_keys(&self, domain: Id) -> Result<Vec<DkimKey>, StoreError> {
        self.db().fetch::<KeyRow>(&OF_DOMAIN, values![domain]).await?.into_iter().map(KeyRow::key).collect()
    }

    /// The keys of all of a team's domains, by domain, each as [`Store::dkim_keys`] has them.
    pub async fn dkim_keys_by_domain(&self, team: Id) -> Result<HashMap<Id, Vec<DkimKey>>, StoreError> {
        let mut keys = HashMap::<Id, Vec<DkimKey>>::new();
        for row in self.db().fetch::<TeamKeyRow>(&OF_TEAM, values![team]).await? {
            let TeamKeyRow { domain_id, id, algorithm, selector, state, public, created_at, retire_at } = row;
            let key = KeyRow { id, algorithm, selector, state, public, created_at, retire_at }.key()?;
            keys.entry(rows::id(&domain_id)?).or_default().push(key);
        }
        Ok(keys)
    }

    /// What signs mail of the team from a domain by this exact name, RSA first; nothing unless it is verified.
    pub async fn signing_keys(&self, team: Id, domain: &str) -> Result<Vec<SecretKey>, StoreError> {
        let rows = self.db().fetch::<SigningRow>(&SIGNING, values![team, domain]).await?;
        let key = |row: SigningRow| {
            let algorithm = algorithm(&row.algorithm)?;
            Ok(SecretKey { algorithm, selector: row.selector, private: PrivateKey(row.private) })
        };
        rows.into_iter().map(key).collect()
    }

    /// Deletes the keys whose overlap is over, private halves and all. Returns how many.
    pub async fn remove_retired_keys(&self) -> Result<u64, StoreError> {
        self.db().write(&REMOVE, values![self.desk().clock().now()]).await
    }
}

/// Pending keys begin to sign; those of the same algorithm that signed until now retire.
pub(super) async fn activate(tx: &mut Tx, domain: Id, keys: &[(Id, Algorithm)], now: Timestamp) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let successors: Vec<_> = keys.iter().map(|(id, algorithm)| values![domain, algorithm.as_str(), *id]).collect();
    tx.run(&RETIRE, &values![now.plus(OVERLAP)], &successors).await?;
    tx.run(&ACTIVATE, &[], &successors).await.map(drop)
}
