//! A team's suppressions, read a page at a time, so that a list of any length is never held.

use serde::Serialize;
use utoipa::ToSchema;

use crate::id::Id;
use crate::model::suppression::Suppression;
use crate::store::suppressions::Filter;
use crate::store::{Store, StoreError};
use crate::tables::write::Row;

/// Rows of a page.
const PAGE: usize = 500;

/// A suppression as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Suppression)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// In the form by which spellings are compared: lower case, the domain in A-labels.
    pub address: String,
    /// `bounce`, `complaint`, `manual`, or another word.
    pub reason: String,
    /// The reply or the report that it is for.
    #[schema(required)]
    pub evidence: Option<String>,
    /// The message whose fate caused it.
    #[schema(required, format = "uuid")]
    pub email_id: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<Suppression> for Shown {
    fn from(suppression: Suppression) -> Self {
        Self {
            address: suppression.address,
            reason: suppression.reason,
            evidence: suppression.evidence,
            email_id: suppression.message.map(|id| id.uuid()),
            created_at: suppression.created_at.rfc3339(),
        }
    }
}

impl Row for Shown {
    const COLUMNS: &'static [&'static str] = &["address", "reason", "evidence", "email_id", "created_at"];

    fn cells(&self) -> Vec<String> {
        let Self { address, reason, evidence, email_id, created_at } = self.clone();
        vec![address, reason, evidence.unwrap_or_default(), email_id.unwrap_or_default(), created_at]
    }
}

/// Reads them in the order of their addresses.
#[derive(Clone, Debug)]
pub struct Pages {
    store: Store,
    team: Id,
    filter: Filter,
    after: String,
}

impl Pages {
    /// Before the first.
    pub fn new(store: Store, team: Id, filter: Filter) -> Self {
        Self { store, team, filter, after: String::new() }
    }

    /// The next page; empty after the last.
    pub async fn next(&mut self) -> Result<Vec<Shown>, StoreError> {
        let page = self.store.suppressions(self.team, &self.filter, &self.after, 0, PAGE).await?;
        if let Some(last) = page.last() {
            self.after.clone_from(&last.address);
        }
        Ok(page.into_iter().map(Shown::from).collect())
    }
}
