//! Lists of a team's mail: by filters, a page at a time.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::email::Email;
use crate::model::status::MessageStatus;
use crate::model::stream::Stream;
use crate::store::search::{FOUND_MAX, Found, Wanted, terms};
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// Which mail of a team. The default is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub status: Option<MessageStatus>,
    /// A whole address of the sender or a recipient, a domain, beginnings of words of the subject, or whole words of people's names and
    /// of what stands before an @. Blank: anything.
    pub search: Option<String>,
    pub stream: Option<Stream>,
    /// A tag's name, and its value if that counts.
    pub tag: Option<(String, Option<String>)>,
    /// Accepted at or after this time.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which part of a list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Counted from 1. What lies beyond the first [`NUMBERED_MAX`] rows is reached by [`Page::After`] only.
    Number { page: usize, per_page: usize },
    /// What is older than this.
    After { id: Id, per_page: usize },
}

/// Rows of a list that have a page number.
pub const NUMBERED_MAX: usize = FOUND_MAX;

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub emails: Vec<Email>,
    /// How many there are on all pages. Exact without a filter and by status alone; else counted up to [`FOUND_MAX`].
    pub total: u64,
    /// Where the next page begins ([`Page::After`]), if there may be one; a page that was searched for may be shorter than asked and have one.
    pub next: Option<Id>,
}

/// A part of a list, uncounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Newest first.
    pub ids: Vec<Id>,
    /// What the next one lies before, if there may be one; one that was searched for may be empty and have it.
    pub next: Option<Id>,
}

/// Before every id.
const FIRST: Id = Id([0; 16]);
/// After every id.
pub const LAST: Id = Id([0xff; 16]);

pub(super) static IDS: Sql =
    Sql::new("SELECT id FROM outbound_messages WHERE team_id = $1 AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT $4 OFFSET $5");
pub(super) static IDS_BY_STATUS: Sql = Sql::new(
    "SELECT id FROM outbound_messages WHERE team_id = $1 AND id >= $2 AND id < $3 AND status = $6 ORDER BY id DESC LIMIT $4 OFFSET $5",
);
pub(super) static COUNT: Sql = Sql::new(
    "SELECT COUNT(*) AS number FROM (SELECT 1 FROM outbound_messages WHERE team_id = $1 AND id >= $2 AND id < $3 LIMIT $4) AS q",
);
pub(super) static COUNT_BY_STATUS: Sql = Sql::new(
    "SELECT COUNT(*) AS number FROM (
         SELECT 1 FROM outbound_messages WHERE team_id = $1 AND id >= $2 AND id < $3 AND status = $5 LIMIT $4) AS q",
);

record!(IdRow { id: Vec<u8> });
record!(NumberRow { number: i64 });

/// A span of ids: from the first on, and before the second.
type Span = (Id, Id);

impl Store {
    /// A page of a team's mail. Messages that can't be read are left out.
    pub async fn emails(&self, team: Id, filter: &Filter, page: Page) -> Result<Listing, StoreError> {
        match filter.terms() {
            None => self.emails_by_index(team, filter, page).await,
            Some(terms) => self.emails_by_terms(team, filter, terms, page).await,
        }
    }

    /// Which messages are older than this one, as many as one search finds: for going through a list of any length, which is counted by
    /// nobody.
    pub async fn ids_before(&self, team: Id, filter: &Filter, before: Id) -> Result<Stretch, StoreError> {
        let (since, until) = filter.span();
        let before = before.min(until);
        if let Some(terms) = filter.terms() {
            let found = self.find(&Wanted { team, terms, status: filter.status, since, before }).await?;
            return Ok(Stretch { ids: found.ids, next: found.rest });
        }
        let ids = self.ids_at(team, (since, before), filter.status, (0, FOUND_MAX)).await?;
        let next = ids.last().copied().filter(|_| ids.len() >= FOUND_MAX);
        Ok(Stretch { ids, next })
    }

    async fn emails_by_index(&self, team: Id, filter: &Filter, page: Page) -> Result<Listing, StoreError> {
        let (since, until) = filter.span();
        let (offset, per_page, before) = page.place(until);
        let page = async {
            let ids = self.ids_at(team, (since, before), filter.status, (offset, per_page + 1)).await?;
            self.page_of(team, Found { ids, rest: None }, per_page).await
        };
        let total = async {
            match (filter.since, filter.until) {
                (None, None) => self.total(team, filter.status).await,
                _ => self.counted(team, (since, until), filter.status).await,
            }
        };
        let ((emails, next), total) = tokio::try_join!(page, total)?;
        Ok(Listing { emails, total, next })
    }

    async fn emails_by_terms(&self, team: Id, filter: &Filter, terms: Vec<String>, page: Page) -> Result<Listing, StoreError> {
        let (since, until) = filter.span();
        let (offset, per_page, before) = page.place(until);
        let mut wanted = Wanted { team, terms, status: filter.status, since, before: until };
        let all = self.find(&wanted).await?;
        let total = u64::try_from(all.ids.len().min(FOUND_MAX)).unwrap_or(u64::MAX);
        let is_beyond = all.rest.is_some_and(|rest| before <= rest);
        wanted.before = before;
        let found = if is_beyond { self.find(&wanted).await? } else { all };
        let ids = found.ids.into_iter().filter(|id| *id < before).skip(offset).collect();
        let (emails, next) = self.page_of(team, Found { ids, rest: found.rest }, per_page).await?;
        Ok(Listing { emails, total, next })
    }

    /// The first of what was found, and where to go on.
    async fn page_of(
        &self,
        team: Id,
        Found { mut ids, rest }: Found,
        most: usize,
    ) -> Result<(Vec<Email>, Option<Id>), StoreError> {
        let next = match ids.get(most) {
            Some(_) => most.checked_sub(1).and_then(|last| ids.get(last)).copied(),
            None => rest,
        };
        ids.truncate(most);
        Ok((self.emails_of(team, ids).await?, next))
    }

    /// The ids of a team's messages in a span, newest first: so many, after so many that are skipped.
    pub(super) async fn ids_at(
        &self,
        team: Id,
        (since, before): Span,
        status: Option<MessageStatus>,
        (skipped, wanted): (usize, usize),
    ) -> Result<Vec<Id>, StoreError> {
        let mut scalars = values![team, since, before, of_size(wanted), of_size(skipped)];
        let sql = if status.is_some() { &IDS_BY_STATUS } else { &IDS };
        scalars.extend(status.map(|status| status.as_str().into()));
        self.db().fetch::<IdRow>(sql, scalars).await?.iter().map(|row| rows::id(&row.id)).collect()
    }

    async fn counted(&self, team: Id, (since, until): Span, status: Option<MessageStatus>) -> Result<u64, StoreError> {
        let mut scalars = values![team, since, until, of_size(FOUND_MAX)];
        let sql = if status.is_some() { &COUNT_BY_STATUS } else { &COUNT };
        scalars.extend(status.map(|status| status.as_str().into()));
        let found = self.db().fetch_one::<NumberRow>(sql, scalars).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}

impl Filter {
    /// The terms that the mail must have; `None` when nothing asks for any.
    fn terms(&self) -> Option<Vec<String>> {
        let search = self.search.as_deref().filter(|text| !text.trim().is_empty());
        let mut wanted = search.map(terms::asked).unwrap_or_default();
        wanted.extend(self.stream.map(terms::stream));
        wanted.extend(self.tag.as_ref().map(|(name, value)| terms::tag(name, value.as_deref())));
        (!wanted.is_empty()).then_some(wanted)
    }

    /// Ids begin with the time they were made at.
    fn span(&self) -> Span {
        (self.since.map_or(FIRST, Id::earliest_at), self.until.map_or(LAST, Id::earliest_at))
    }
}

impl Page {
    /// Rows to be skipped, rows wanted, and what they must be older than.
    fn place(self, until: Id) -> (usize, usize, Id) {
        match self {
            Self::Number { page, per_page } => {
                let offset = page.saturating_sub(1).saturating_mul(per_page).min(NUMBERED_MAX);
                (offset, per_page.min(NUMBERED_MAX - offset), until)
            }
            Self::After { id, per_page } => (0, per_page, id.min(until)),
        }
    }
}

fn of_size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
