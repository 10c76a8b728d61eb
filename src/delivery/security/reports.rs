//! The reports of a day, made of the totals in the store, one domain after another.

use std::collections::VecDeque;

use super::report::Report;
use crate::config::warmup::Day;
use crate::store::tls_sessions::SessionKind;
use crate::store::{Store, StoreError};

/// Reads the reports of one day, by domain; never holds more than a page and the report in the making.
#[derive(Debug)]
pub struct Reports<'a> {
    store: &'a Store,
    day: Day,
    page: VecDeque<(SessionKind, u64)>,
    last: Option<SessionKind>,
}

impl<'a> Reports<'a> {
    /// Those of `day`.
    pub fn of(store: &'a Store, day: Day) -> Self {
        Self { store, day, page: VecDeque::new(), last: None }
    }

    /// The report about the next domain; `None`: there are no more.
    pub async fn next(&mut self) -> Result<Option<Report>, StoreError> {
        let mut report: Option<Report> = None;
        while let Some(domain) = self.domain_ahead().await? {
            if report.as_ref().is_some_and(|report| report.domain != domain) {
                break;
            }
            if let Some((kind, sessions)) = self.page.pop_front() {
                report.get_or_insert_with(|| Report::new(&kind.domain, self.day)).add(&kind, sessions);
            }
        }
        Ok(report)
    }

    /// The domain of what comes next, which is then in the page.
    async fn domain_ahead(&mut self) -> Result<Option<String>, StoreError> {
        if self.page.is_empty() {
            self.page = self.store.tls_sessions(self.day, self.last.as_ref()).await?.into();
            self.last = self.page.back().map(|(kind, _)| kind.clone()).or(self.last.take());
        }
        Ok(self.page.front().map(|(kind, _)| kind.domain.clone()))
    }
}
