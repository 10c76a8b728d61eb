//! Bounces and complaints in the book: what is suppressed, written once, and given up.

use posthouse::model::bounce::BounceClass;
use posthouse::model::outcome::{Bounce, Outcome, Reply};
use posthouse::store::accept::Accepted;
use posthouse::store::returns::{News, Recorded, Returned};
use posthouse::store::suppressions;

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{claimed, delivered, keyed, settlement};

fn bad(address: &str) -> Bounce {
    let class = BounceClass::BadMailbox;
    Bounce { reply: Reply::new(550, Some("5.1.1".into()), "no such user"), class, bad_address: Some(address.to_owned()) }
}

fn returned(index: i64, news: News) -> Vec<Returned> {
    vec![Returned { index, news, by: None, notice: None }]
}

#[test]
fn a_bad_address_is_suppressed_with_its_settle_whether_or_not_the_batch_has_to_be_sorted() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let claim = claimed(&book.store, epoch, acceptance(team, &["alone@example.test"])).await;
        let bounce = settlement(&claim, &Outcome::Bounced(bad("alone@example.test")));
        assert_eq!(book.store.settle(bounce).await, Ok(0));
        let claim = claimed(&book.store, epoch, acceptance(team, &["beside@example.test", "fenced@example.test"])).await;
        let mut bounces = settlement(&claim, &Outcome::Bounced(bad("beside@example.test")));
        bounces.outcomes[1].attempt += 1;
        bounces.outcomes[1].outcome = Outcome::Bounced(bad("fenced@example.test"));
        assert_eq!(book.store.settle(bounces).await, Ok(1));
        let suppressed = book.store.suppressions(team, &suppressions::Filter::default(), "", 0, 10).await.unwrap();
        let suppressed: Vec<_> = suppressed.iter().map(|s| s.address.as_str()).collect();
        assert_eq!(suppressed, ["alone@example.test", "beside@example.test"], "and of what is fenced nothing is written");
    });
}

#[test]
fn a_complaint_that_two_processes_hear_at_once_is_written_once() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let other = book.again().await;
        for round in 0..30 {
            let claim = claimed(&book.store, epoch, acceptance(team, &["b@example.test"])).await;
            book.store.settle(settlement(&claim, &delivered())).await.unwrap();
            let message = claim.message.id;
            let (store, other) = (book.store.clone(), other.clone());
            let complaint = || returned(0, News::Complained("abuse".to_owned()));
            let (one, two) = (complaint(), complaint());
            let (one, two) = tokio::join!(
                tokio::spawn(async move { store.record_returns(message, &one).await }),
                tokio::spawn(async move { other.record_returns(message, &two).await })
            );
            let mut written = [one.unwrap().unwrap(), two.unwrap().unwrap()];
            written.sort_by_key(|recorded| *recorded == Recorded::Written(1));
            assert_eq!(written, [Recorded::Written(0), Recorded::Written(1)], "round {round}");
        }
        other.close().await;
    });
}

#[test]
fn a_late_bounce_leaves_the_key_to_the_message_that_has_it_now() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let offer = || keyed(acceptance(team, &["b@example.test", "c@example.test"]), 1, 1, true);
        let claim = claimed(&book.store, epoch, offer()).await;
        let mut ended = settlement(&claim, &delivered());
        ended.outcomes[0].outcome = Outcome::Bounced(Reply::new(550, None, "no").into());
        assert_eq!(book.store.settle(ended).await, Ok(0));
        let second = offer();
        assert_eq!(book.store.accept(second.clone()).await, Ok(Accepted::New), "the first ended badly");
        let late = returned(1, News::Bounced(bad("c@example.test")));
        assert_eq!(book.store.record_returns(claim.message.id, &late).await, Ok(Recorded::Written(1)));
        let again = book.store.accept(offer()).await.unwrap();
        assert!(matches!(again, Accepted::Replay { id, .. } if id == second.message.id), "{again:?}");
    });
}
