//! `GET /emails`: a team's mail, newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use utoipa_axum::routes;

use super::Resources;
use super::data::json;
use super::email::Email;
use super::openapi::{AskedNumber, AskedStatus, AskedStream, Failures};
use super::paging::{Meta, Page, Place};
use crate::clock::Timestamp;
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::model::controls::{TAG_NAME_MAX, TAG_VALUE_MAX};
use crate::model::status::MessageStatus;
use crate::model::stream::Stream;
use crate::store::emails::{self, Filter};

/// Characters that are searched for.
const SEARCH_MAX: usize = 200;
/// Characters of a tag, name and value.
const TAG_MAX: usize = TAG_NAME_MAX + 1 + TAG_VALUE_MAX;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(list))
}

/// Lists messages, newest first
#[utoipa::path(
    get,
    path = "/emails",
    tag = "emails",
    params(
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
        ("status" = inline(Option<AskedStatus>), Query),
        ("search" = Option<String>, Query, max_length = 200, description = "A whole address, a domain, beginnings of words of the subject, or whole words of names and of what stands before an @"),
        ("stream" = inline(Option<AskedStream>), Query),
        ("tag" = Option<String>, Query, description = "A tag's name, or name:value"),
        ("from_date" = Option<String>, Query, description = "RFC 3339, or a day in UTC"),
        ("to_date" = Option<String>, Query, description = "RFC 3339, or a day in UTC, whose end is meant"),
    ),
    responses((status = 200, description = "A page", body = Page<Email>), Failures)
)]
async fn list(State(door): State<Arc<Door>>, caller: Caller<MailRead>, mut asked: Parameters) -> Result<Response, Problem> {
    let filter = filter(&mut asked);
    let Place { page, per_page, after } = Place::read(&mut asked, cursor::read);
    asked.end()?;
    let place = match after {
        Some(id) => emails::Page::After { id, per_page },
        None => emails::Page::Number { page: page.unwrap_or(1), per_page },
    };
    let found = door.store.emails(caller.team(), &filter, place).await?;
    let meta = Meta { page, per_page, total: found.total, next_cursor: found.next.map(cursor::after) };
    Ok(json(&Page { data: found.emails.into_iter().map(Email::from).collect(), meta }))
}

/// The mail that is asked for.
pub fn filter(asked: &mut Parameters) -> Filter {
    Filter {
        status: asked.read("status", |word| MessageStatus::from_word(word).ok_or("is no status")),
        search: asked.read("search", |text| searched(text, SEARCH_MAX)),
        stream: asked.read("stream", |word| {
            Stream::ALL.into_iter().find(|stream| stream.as_str() == word).ok_or("must be transactional or broadcast")
        }),
        tag: asked.read("tag", |text| searched(text, TAG_MAX)).map(|text| match text.split_once(':') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text, None),
        }),
        since: asked.read("from_date", |text| moment(text, 0)),
        until: asked.read("to_date", |text| moment(text, 1)),
    }
}

/// No store finds a control character, and PostgreSQL takes no NUL.
fn searched(text: &str, longest: usize) -> Result<String, String> {
    if text.chars().nth(longest).is_some() || text.chars().any(char::is_control) {
        return Err(format!("must be at most {longest} characters, none of them a control character"));
    }
    Ok(text.to_owned())
}

/// A time, or a day in UTC, which begins at its midnight and ends at the next.
fn moment(text: &str, days_on: i64) -> Result<Timestamp, &'static str> {
    const FAULT: &str = "must be a day such as 2026-11-21, or a time such as 2026-11-21T12:00:00Z";
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(moment.as_millisecond()));
    }
    let day: Date = text.parse().map_err(|_| FAULT)?;
    let midnight = day.checked_add(jiff::Span::new().days(days_on)).and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC));
    midnight.map(|zoned| Timestamp(zoned.timestamp().as_millisecond())).map_err(|_| FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_at_midnight() {
        let shown = |text: &str, days_on| moment(text, days_on).map(Timestamp::rfc3339);
        assert_eq!(shown("2026-11-21", 0).as_deref(), Ok("2026-11-21T00:00:00.000Z"));
        assert_eq!(shown("2026-11-21", 1).as_deref(), Ok("2026-11-22T00:00:00.000Z"));
        assert_eq!(shown("2026-11-21T12:00:00+01:00", 1).as_deref(), Ok("2026-11-21T11:00:00.000Z"));
        for bad in ["yesterday", "2026-13-01", "21.11.2026", ""] {
            assert!(moment(bad, 0).is_err(), "{bad}");
        }
    }
}
