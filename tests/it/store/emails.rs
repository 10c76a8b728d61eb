//! Mail as its owner lists it: filters, pages, totals, times, events.

use std::sync::Arc;

use posthouse::clock::Timestamp;
use posthouse::id::Id;
use posthouse::model::email::Email;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::{Outcome, Reply};
use posthouse::model::status::MessageStatus;
use posthouse::model::stream::Stream;
use posthouse::store::Store;
use posthouse::store::accept::Accepted;
use posthouse::store::claim::Lane;
use posthouse::store::emails::{Filter, LAST, Listing, Page, Stretch};
use posthouse::store::events::EventPage;
use posthouse::store::returns::{News, Returned};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{delivered, settlement};

fn ids(listing: &Listing) -> Vec<Id> {
    listing.emails.iter().map(|email| email.message.id).collect()
}

async fn list(store: &Store, team: Id, filter: Filter) -> Listing {
    store.emails(team, &filter, Page::Number { page: 1, per_page: 100 }).await.unwrap()
}

#[test]
fn an_email_tells_what_became_of_it_and_when() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let epoch = store.open_epoch("test").await.unwrap();
        let offered = acceptance(team, &["b@example.test", "c@example.test"]);
        let id = offered.message.id;
        store.accept(offered.clone()).await.unwrap();
        let email = async || store.email(team, id).await.unwrap().unwrap();
        let fresh = email().await;
        assert_eq!((fresh.status, fresh.times, &fresh.error_reason), (MessageStatus::Queued, Default::default(), &None));
        assert_eq!(fresh.message, *offered.message);
        let claim = store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().remove(0);
        let mut settled = settlement(&claim, &delivered());
        settled.outcomes[1].outcome = Outcome::Bounced(Reply::new(550, None, "no such user").into());
        store.settle(settled).await.unwrap();
        let complaint = [Returned { index: 0, news: News::Complained("abuse".into()), by: None, notice: None }];
        store.record_returns(id, &complaint).await.unwrap();
        let Email { status, recipients, times, error_reason, .. } = email().await;
        assert_eq!((status, recipients.len()), (MessageStatus::Complained, 2));
        assert_eq!(error_reason.as_deref(), Some("550 no such user"));
        assert!(times.sent.is_some() && times.sent == times.delivered && times.bounced.is_some() && times.complained.is_some());
        assert!(times.opened.is_none() && times.clicked.is_none());

        let (EventPage { events, .. }, _) = store.email_events(team, id, None).await.unwrap().unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!((kinds[0], kinds.len(), events[0].at), (EventKind::Queued, 4, offered.message.created_at));
        assert_eq!(kinds[3], EventKind::Complained);
        let stranger = store.create_team("other").await.unwrap().id;
        assert_eq!(store.email(stranger, id).await, Ok(None), "another team sees nothing");
        assert_eq!(store.email_events(stranger, id, None).await, Ok(None));
    });
}

#[test]
fn pages_go_through_all_of_it_newest_first() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let (team, other) = (store.create_team("t").await.unwrap().id, store.create_team("other").await.unwrap().id);
        let mut all = Vec::new();
        for _ in 0..7 {
            let offered = acceptance(team, &["b@example.test"]);
            all.push(offered.message.id);
            store.accept(offered).await.unwrap();
            store.accept(acceptance(other, &["b@example.test"])).await.unwrap();
        }
        all.sort_unstable_by(|a, b| b.cmp(a));
        for filter in [
            Filter::default(),
            Filter { status: Some(MessageStatus::Queued), ..Filter::default() },
            Filter { stream: Some(Stream::Transactional), ..Filter::default() },
            Filter { search: Some("example.test".into()), status: Some(MessageStatus::Queued), ..Filter::default() },
            Filter { since: Some(Timestamp(0)), ..Filter::default() },
        ] {
            let mut seen = Vec::new();
            for page in 1..=4 {
                let listing = store.emails(team, &filter, Page::Number { page, per_page: 3 }).await.unwrap();
                assert_eq!((listing.total, listing.next.is_some()), (7, page < 3), "{filter:?} {page}");
                seen.extend(ids(&listing));
            }
            assert_eq!(seen, all, "{filter:?}");
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = after.map_or(Page::Number { page: 1, per_page: 2 }, |id| Page::After { id, per_page: 2 });
                let listing = store.emails(team, &filter, page).await.unwrap();
                assert_eq!(listing.total, 7);
                seen.extend(ids(&listing));
                after = listing.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all, "{filter:?}");
            let ids_before = async |id| store.ids_before(team, &filter, id).await.unwrap();
            assert_eq!(ids_before(LAST).await, Stretch { ids: all.clone(), next: None }, "{filter:?}");
            assert_eq!(ids_before(all[2]).await, Stretch { ids: all[3..].to_vec(), next: None }, "{filter:?}");
        }
        let beyond = store.emails(team, &Filter::default(), Page::Number { page: usize::MAX, per_page: 100 }).await.unwrap();
        assert!(beyond.emails.is_empty() && beyond.total == 7);
    });
}

#[test]
fn filters_are_by_status_stream_tag_time_and_text() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let mut mail = Vec::new();
        for (subject, to, stream, tag) in [
            ("Ihre Rechnung \u{c4}B-100234", "ada@example.test", Stream::Transactional, ("kind", "invoice")),
            ("Invoice 17 for \u{e4}b", "Bob@Shop.Example", Stream::Transactional, ("kind", "invoice")),
            ("News of the week", "ada@example.test", Stream::Broadcast, ("kind", "news")),
        ] {
            let mut offered = acceptance(team, &[to]);
            let message = Arc::make_mut(&mut offered.message);
            (message.subject, message.stream) = (subject.into(), stream);
            message.tags = vec![(tag.0.into(), tag.1.into())];
            mail.push(message.id);
            store.accept(offered).await.unwrap();
        }
        let found = async |filter: Filter| {
            let listing = list(store, team, filter).await;
            assert_eq!(listing.total, listing.emails.len() as u64);
            let mut places: Vec<_> = ids(&listing).iter().map(|id| mail.iter().position(|m| m == id).unwrap()).collect();
            places.sort_unstable();
            places
        };
        let search = |text: &str| Filter { search: Some(text.into()), ..Filter::default() };
        for (text, expected) in [
            ("ADA@example.test", &[0, 2][..]),
            ("bob@shop.example", &[1]),
            ("shop.example", &[1]),
            ("@example.test", &[0, 1, 2]),
            ("a@example.test", &[0, 1, 2]),
            ("invo", &[1]),
            ("\u{e4}B", &[0, 1]),
            ("\u{c4}b 1002", &[0]),
            ("rechnung news", &[]),
            ("nvoice", &[]),
            ("%", &[]),
            (" ", &[0, 1, 2]),
        ] {
            assert_eq!(found(search(text)).await, expected, "{text:?}");
        }
        assert_eq!(found(Filter { stream: Some(Stream::Broadcast), ..Filter::default() }).await, [2]);
        let tagged = |value: Option<&str>| Filter { tag: Some(("kind".into(), value.map(Into::into))), ..Filter::default() };
        assert_eq!(found(tagged(None)).await, [0, 1, 2]);
        assert_eq!(found(tagged(Some("invoice"))).await, [0, 1]);
        assert_eq!(found(Filter { stream: Some(Stream::Transactional), ..search("ada@example.test") }).await, [0]);
        assert_eq!(found(Filter { status: Some(MessageStatus::Failed), ..search("ada@example.test") }).await, [] as [usize; 0]);
        let now = book.clock.now();
        assert_eq!(found(Filter { until: Some(Timestamp(now.0 - 3_600_000)), ..tagged(None) }).await, [] as [usize; 0]);
        assert_eq!(found(Filter { since: Some(Timestamp(now.0 - 3_600_000)), ..Filter::default() }).await, [0, 1, 2]);
    });
}

#[test]
fn what_is_offered_together_is_written_together_and_answered_one_by_one() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let mut offered: Vec<_> = (0..100).map(|_| acceptance(team, &["b@example.test"])).collect();
        offered[41] = super::keyed(acceptance(team, &["b@example.test"]), 1, 1, false);
        offered[42] = super::keyed(acceptance(team, &["b@example.test"]), 1, 1, false);
        offered[70] = offered[7].clone();
        let first = offered[41].message.id;
        let answers = store.accept_all(offered).await;
        for (place, answer) in answers.iter().enumerate() {
            match place {
                42 => assert!(matches!(answer, Ok(Accepted::Replay { id, .. }) if *id == first), "{answer:?}"),
                70 => assert!(answer.is_err(), "its id is taken"),
                _ => assert_eq!(*answer, Ok(Accepted::New), "{place}"),
            }
        }
        assert_eq!(list(store, team, Filter::default()).await.total, 98);
    });
}
