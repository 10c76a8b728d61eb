//! Templates.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::template::{StoredTemplate, TemplateText};
use crate::store::search::FOUND_MAX;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// The columns of [`TemplateRow`], spliced into each text that reads one.
macro_rules! select {
    ($rest:literal) => {
        Sql::new(concat!(
            "SELECT id, team_id, name, subject, html, text, variables, created_at, updated_at FROM templates WHERE team_id = $1 ",
            $rest
        ))
    };
}

static INSERT: Sql = Sql::new(
    "INSERT INTO templates (id, team_id, name, subject, html, text, variables, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
);
static UPDATE: Sql = Sql::new(
    "UPDATE templates SET name = $3, subject = $4, html = $5, text = $6, variables = $7, updated_at = $8
     WHERE team_id = $2 AND id = $1",
);
static DELETE: Sql = Sql::new("DELETE FROM templates WHERE team_id = $1 AND id = $2");
pub(super) static ONE: Sql = select!("AND id = $2");
pub(super) static PAGE: Sql = select!("AND id <= $2 AND id >= $3 ORDER BY id DESC");
pub(super) static SIZES: Sql = Sql::new(
    "SELECT id, CAST(octet_length(name) + octet_length(subject) + octet_length(variables) + COALESCE(octet_length(html), 0)
         + COALESCE(octet_length(text), 0) AS BIGINT) AS octets
     FROM templates WHERE team_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3 OFFSET $4",
);
static COUNT: Sql = Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM templates WHERE team_id = $1 LIMIT $2) AS q");

record!(TemplateRow {
    id: Vec<u8>,
    team_id: Vec<u8>,
    name: String,
    subject: String,
    html: Option<String>,
    text: Option<String>,
    variables: String,
    created_at: i64,
    updated_at: i64,
});

record!(NumberRow { number: i64 });
record!(SizeRow { id: Vec<u8>, octets: i64 });

/// Octets of the templates of a page, but for a single one that is larger.
const PAGE_OCTETS: i64 = 4 << 20;

/// A page of templates, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub templates: Vec<StoredTemplate>,
    /// There are more, older ones; the page may be shorter than asked all the same.
    pub more: bool,
}

impl TemplateRow {
    fn template(self) -> Result<StoredTemplate, StoreError> {
        let variables = serde_json::from_str(&self.variables).map_err(|e| rows::broken("templates.variables", &e))?;
        Ok(StoredTemplate {
            id: rows::id(&self.id)?,
            team: rows::id(&self.team_id)?,
            text: TemplateText { name: self.name, subject: self.subject, html: self.html, text: self.text, variables },
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// Above every id.
const LAST: Id = Id([0xff; 16]);

impl Store {
    /// Keeps a new template for a team.
    pub async fn create_template(&self, team: Id, text: TemplateText) -> Result<StoredTemplate, StoreError> {
        let (id, now) = (self.desk().next_id(), self.desk().clock().now());
        self.db().write(&INSERT, row(id, team, &text, now)).await?;
        Ok(StoredTemplate { id, team, text, created_at: now, updated_at: now })
    }

    /// Replaces what a template says. None when the team has no such template.
    pub async fn update_template(&self, team: Id, id: Id, text: TemplateText) -> Result<Option<StoredTemplate>, StoreError> {
        let now = self.desk().clock().now();
        self.db().write(&UPDATE, row(id, team, &text, now)).await?;
        self.template(team, id).await
    }

    /// Removes a template. False: the team has no such template.
    pub async fn delete_template(&self, team: Id, id: Id) -> Result<bool, StoreError> {
        Ok(self.db().write(&DELETE, values![team, id]).await? == 1)
    }

    /// The team's template of this id.
    pub async fn template(&self, team: Id, id: Id) -> Result<Option<StoredTemplate>, StoreError> {
        self.db().fetch_one::<TemplateRow>(&ONE, values![team, id]).await?.map(TemplateRow::template).transpose()
    }

    /// A page of a team's templates: `most` of those older than `before`, after the first `offset`, or fewer where these are large.
    pub async fn templates(&self, team: Id, before: Option<Id>, offset: usize, most: usize) -> Result<Listing, StoreError> {
        let scalars = values![team, before.unwrap_or(LAST), most.saturating_add(1), offset];
        let sizes = self.db().fetch::<SizeRow>(&SIZES, scalars).await?;
        let count = fitting(&sizes).min(most);
        let (Some(first), Some(last)) = (sizes.first(), sizes.get(count.saturating_sub(1))) else {
            return Ok(Listing { templates: Vec::new(), more: false });
        };
        let scalars = values![team, rows::id(&first.id)?, rows::id(&last.id)?];
        let found = self.db().fetch::<TemplateRow>(&PAGE, scalars).await?;
        let templates = found.into_iter().map(TemplateRow::template).collect::<Result<_, _>>()?;
        Ok(Listing { templates, more: sizes.len() > count })
    }

    /// How many templates a team has; at most [`FOUND_MAX`].
    pub async fn count_templates(&self, team: Id) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<NumberRow>(&COUNT, values![team, FOUND_MAX]).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}

/// How many of these fit on a page: one at least.
fn fitting(sizes: &[SizeRow]) -> usize {
    let mut octets = 0;
    let fits = |size: &&SizeRow| {
        octets += size.octets;
        octets <= PAGE_OCTETS
    };
    sizes.iter().take_while(fits).count().max(1)
}

fn row(id: Id, team: Id, text: &TemplateText, now: Timestamp) -> Vec<crate::store::sql::Value> {
    let variables = serde_json::json!(text.variables).to_string();
    values![id, team, text.name.as_str(), text.subject.as_str(), text.html.clone(), text.text.clone(), variables, now]
}
