//! The index behind the search: what it holds and what it does not hold yet is found alike.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::id::{Id, Ids};
use posthouse::model::status::MessageStatus;
use posthouse::store::Store;
use posthouse::store::emails::{Filter, Page};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

/// Everything that a filter finds, page by page.
async fn all(store: &Store, team: Id, filter: &Filter) -> Vec<Id> {
    let (mut seen, mut page) = (Vec::new(), Page::Number { page: 1, per_page: 70 });
    loop {
        let listing = store.emails(team, filter, page).await.unwrap();
        seen.extend(listing.emails.iter().map(|email| email.message.id));
        match listing.next {
            Some(id) => page = Page::After { id, per_page: 70 },
            None => return seen,
        }
    }
}

#[test]
fn what_is_indexed_and_what_is_not_yet_are_found_alike() {
    on_every_engine(|book| async move {
        let (us, them) = (book.store.create_team("us").await.unwrap().id, book.store.create_team("them").await.unwrap().id);
        let old = Clock::manual(book.clock.now().minus(Duration::from_secs(3600)));
        let ids = Ids::random(old.clone());
        let (mut orders, mut offered) = (Vec::new(), Vec::new());
        for n in 0..500 {
            // The last hundred are new.
            if n == 400 {
                old.advance(Duration::from_secs(3600));
            }
            old.advance(Duration::from_millis(2));
            let to = if n % 7 == 0 { "ada@example.test" } else { "bob@example.test" };
            let mut one = acceptance(if n % 5 == 0 { them } else { us }, &[to]);
            let message = Arc::make_mut(&mut one.message);
            message.id = ids.next();
            message.subject = if n % 2 == 0 { format!("Order {n}") } else { "News".to_owned() };
            if n % 5 != 0 {
                orders.extend((n % 2 == 0).then_some(message.id));
            }
            offered.push(one);
        }
        assert!(book.store.accept_all(offered).await.iter().all(Result::is_ok));
        let (other, mut blocks) = (book.again().await, 0);
        let by_text = |text: &str| Filter { search: Some(text.into()), ..Filter::default() };
        orders.reverse();
        loop {
            assert_eq!(all(&book.store, us, &by_text("orde")).await, orders);
            let both = Filter { status: Some(MessageStatus::Queued), tag: Some(("order".into(), None)), ..by_text("order") };
            assert_eq!(all(&book.store, us, &both).await, orders);
            assert_eq!(all(&book.store, us, &by_text("ada@example.test")).await.len(), 57);
            assert_eq!(all(&book.store, us, &by_text("nothing")).await, []);
            // Two processes at once enter each message once.
            let (one, two) = tokio::join!(book.store.index_messages(), other.index_messages());
            if !one.unwrap() & !two.unwrap() {
                break;
            }
            blocks += 1;
        }
        assert!((2..=3).contains(&blocks), "{blocks}: 400 messages are old enough, and only whole blocks are entered");
        other.close().await;
    });
}
