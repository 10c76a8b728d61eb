//! Which page of a list is asked for, and where it lies.

use serde::Serialize;
use utoipa::ToSchema;

use crate::door::rest::query::Parameters;
use crate::store::emails::NUMBERED_MAX;

/// Rows on a page that does not say how many it wants.
const PER_PAGE: usize = 25;
/// Rows on a page at most; who wants more gets so many, and who wants none gets one.
const PER_PAGE_MAX: usize = 100;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub meta: Meta,
}

/// Where a page lies in its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// From 1; `null` behind a cursor.
    #[schema(required)]
    pub page: Option<usize>,
    pub per_page: usize,
    /// Of all pages; what is long to count is counted to 10000.
    pub total: u64,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Where a page is to begin: by number as documented, or behind the row that a cursor names, which alone reaches the end of a long list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<C> {
    /// From 1; none behind a cursor.
    pub page: Option<usize>,
    pub per_page: usize,
    pub after: Option<C>,
}

impl<C> Place<C> {
    /// Reads `page`, `per_page` and `cursor`.
    pub fn read(asked: &mut Parameters, cursor: impl FnOnce(&str) -> Result<C, &'static str>) -> Self {
        let per_page = asked.number("per_page", PER_PAGE, 1..=PER_PAGE_MAX);
        let page = asked.number("page", 1, 1..=usize::MAX);
        if let Some(after) = asked.read("cursor", cursor) {
            return Self { page: None, per_page, after: Some(after) };
        }
        if page.saturating_mul(per_page) > NUMBERED_MAX {
            asked.fault("page", "ends beyond 10000 rows; go on by cursor, which meta.next_cursor gives");
        }
        Self { page: Some(page), per_page, after: None }
    }

    /// Rows of the list that lie before it.
    pub fn offset(&self) -> usize {
        self.page.map_or(0, |page| page.saturating_sub(1).saturating_mul(self.per_page))
    }

    /// The page of these rows, of which there was asked for one more than it has, so that it is known whether there is a next.
    pub fn of<R, T: From<R>>(self, mut rows: Vec<R>, total: u64, cursor: impl FnOnce(&R) -> String) -> Page<T> {
        let more = rows.len() > self.per_page;
        rows.truncate(self.per_page);
        self.with(rows, more, total, cursor)
    }

    /// The page of these rows, after which there are more or not.
    pub fn with<R, T: From<R>>(self, rows: Vec<R>, more: bool, total: u64, cursor: impl FnOnce(&R) -> String) -> Page<T> {
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        let meta = Meta { page: self.page, per_page: self.per_page, total, next_cursor };
        Page { data: rows.into_iter().map(T::from).collect(), meta }
    }
}
