//! What is kept beside the queue, and how it is listed.

use posthouse::clock::Timestamp;
use posthouse::id::Id;
use posthouse::model::domain::{DomainStanding, ReturnLabel};
use posthouse::model::key::{KeyRights, Secret};
use posthouse::model::suppression::Suppression;
use posthouse::model::unsubscribe::How;
use posthouse::store::StoreError;
use posthouse::store::barriers::Barriers;
use posthouse::store::keys::NewKey;
use posthouse::store::read::Filter;
use posthouse::store::refusals::RefusalRecord;
use posthouse::store::suppressions;

use crate::support::nouns::{self, acceptance};
use crate::support::stores::on_every_engine;

#[test]
fn keys_domains_and_suppressions_are_kept_by_team() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let (us, them) = (store.create_team("us").await.unwrap().id, store.create_team("them").await.unwrap().id);
        assert!(matches!(store.create_team("us").await, Err(StoreError::Conflict(_))));

        let secret = Secret::generate();
        let new = NewKey { team: us, name: "k".into(), secret: secret.clone(), rights: KeyRights::default(), expires_at: None };
        let key = store.create_key(new.clone()).await.unwrap();
        assert_eq!(store.key_by_hash(secret.hash()).await.unwrap().as_ref(), Some(&key));
        assert!(matches!(store.create_key(new).await, Err(StoreError::Conflict(_))), "the same text twice");
        assert_eq!(store.revoke_key(them, key.id).await, Ok(false));
        assert_eq!(store.revoke_key(us, key.id).await, Ok(true));
        store.touch_keys(&[(key.id, Timestamp(5))]).await.unwrap();
        let key = store.key_by_hash(secret.hash()).await.unwrap().unwrap();
        assert!(key.revoked_at.is_some() && key.last_used_at == Some(Timestamp(5)));

        assert_eq!(store.domain_standing(us, "mail.example.test").await, Ok(DomainStanding::Unverified));
        store.trust_domain(us, "example.test").await.unwrap();
        assert_eq!(store.domain_standing(us, "mail.example.test").await, Ok(DomainStanding::Verified));
        assert_eq!(store.domain_standing(them, "example.test").await, Ok(DomainStanding::Unverified));
        assert!(matches!(store.trust_domain(them, "example.test").await, Err(StoreError::Conflict(_))));
        store.add_domain(them, "example.test", &ReturnLabel::default()).await.unwrap();
        assert_eq!(store.remove_domain(them, "example.test").await, Ok(true));

        let suppression = |address: &str| Suppression {
            team: us,
            address: address.into(),
            reason: "manual".into(),
            message: None,
            evidence: None,
            created_at: Timestamp(1),
        };
        assert_eq!(store.suppress(&[suppression("b@example.test"), suppression("a@example.test")]).await, Ok(2));
        let asked = vec!["x@example.test".to_owned(), "b@example.test".to_owned()];
        let suppressed = vec![("b@example.test".into(), "manual".into())];
        let barriers = |unsubscribed: &[&str]| Barriers {
            suppressed: suppressed.clone(),
            unsubscribed: unsubscribed.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(store.barriers(us, asked.clone()).await, Ok(barriers(&[])));
        for address in ["x@example.test", "y@example.test"] {
            assert_eq!(store.unsubscribe(&nouns::unsubscribe(us, address)).await, Ok(true));
        }
        assert_eq!(store.unsubscribe(&nouns::unsubscribe(us, "x@example.test")).await, Ok(false));
        assert_eq!(store.barriers(us, asked.clone()).await, Ok(barriers(&["x@example.test"])));
        assert_eq!(store.barriers(them, asked.clone()).await, Ok(Barriers::default()));
        assert_eq!(store.unsubscribe(&nouns::unsubscribe(us, "b@example.test")).await, Ok(true));
        assert_eq!(store.resubscribe(us, "x@example.test", How::Cli).await, Ok(true));
        assert_eq!(store.barriers(us, asked).await, Ok(barriers(&["b@example.test"])), "one address may be both");
        assert_eq!(store.unsuppress(us, "b@example.test").await, Ok(true));
        assert_eq!(store.suppressions(us, &suppressions::Filter::default(), "", 0, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn refusals_are_kept_within_bounds() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        for _ in 0..200 {
            book.store.record_refusal(RefusalRecord {
                team,
                key: Id([3; 16]),
                door: "smtp".into(),
                at: Timestamp(book.clock.now().0),
                code: "forbidden_header".into(),
                text: "X-Krafter-Foo is reserved".into(),
                reverse_path: "a@example.test".into(),
                recipients: vec!["b@example.test".into()],
                subject: "s".into(),
            });
        }
        // The committer takes work in order: what is accepted now is written after them.
        book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        let kept = book.store.refusals(team, 1000).await.unwrap().len();
        assert!((1..=120).contains(&kept), "60 a minute, and the minute may have turned: {kept}");
        assert_eq!(book.store.forget_expired().await, Ok(false));
    });
}

#[test]
fn lists_page_by_key_and_by_team() {
    on_every_engine(|book| async move {
        let (us, them) = (book.store.create_team("us").await.unwrap().id, book.store.create_team("them").await.unwrap().id);
        for team in [us, them, us, us] {
            book.store.accept(acceptance(team, &["b@example.test"])).await.unwrap();
        }
        let page = |team, before, open_only| Filter { team, before, open_only, limit: 2 };
        let first = book.store.messages(&page(Some(us), None, true)).await.unwrap();
        assert_eq!(first.len(), 2);
        let second = book.store.messages(&page(Some(us), Some(first[1].message.id), false)).await.unwrap();
        assert_eq!(second.len(), 1);
        assert_eq!(book.store.messages(&page(None, None, true)).await.unwrap().len(), 2);
    });
}
