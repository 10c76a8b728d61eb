//! Messages that make their own attempt panic: kept from taking anything else with them.

pub use crate::panics::{Panicked, guarded};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::config::units::Span;
    use crate::delivery::Engine;
    use crate::delivery::client::deadlines::Deadlines;
    use crate::delivery::fixture;
    use crate::delivery::pace::Pace;
    use crate::id::Id;
    use crate::model::address::Address;
    use crate::model::message::Body;
    use crate::model::outcome::RecipientState;
    use crate::shutdown::Shutdown;
    use crate::store::accept::{Acceptance, NewRecipient};
    use crate::store::operate::QueueAction;
    use crate::store::read::Listed;
    use crate::store::{Location, Store};

    async fn accept(store: &Store, team: Id, recipient: &str) -> Id {
        let message = crate::model::message::Message { team, sandbox: true, ..fixture::message(Clock::System.now()) };
        let path = Address::parse(recipient).unwrap().into();
        let (id, recipients) = (message.id, vec![NewRecipient { path, rejected: None }]);
        let acceptance = Acceptance {
            message: Arc::new(message),
            body: Body::free(&b"a: b\r\n"[..]),
            recipients,
            idempotency: None,
            quirks: Vec::new(),
        };
        store.accept(acceptance).await.unwrap();
        id
    }

    async fn until_state(store: &Store, id: Id, state: RecipientState) -> Listed {
        let waiting = async {
            loop {
                let listed = store.message(None, id).await.unwrap().unwrap();
                if listed.recipients[0].state == state {
                    return listed;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), waiting).await.expect("in time")
    }

    #[tokio::test]
    async fn a_message_that_panics_three_times_is_held_and_others_flow() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Sqlite(folder.path().join("book.db")), Clock::System).await.unwrap();
        let team = store.create_team("t").await.unwrap().id;
        let mut config = Config::defaults();
        config.delivery.retry.schedule = vec![Span(Duration::from_millis(1))];
        let pace = Pace { poll: Duration::from_millis(20), ..Pace::default() };
        let shutdown = Shutdown::default();
        let engine = Engine::with_pace(store.clone(), &config, &[], Clock::System, pace, Deadlines::default()).unwrap();
        let running = shutdown.spawn(engine.run(shutdown.clone()));
        let bad = accept(&store, team, &format!("panicked@{}", config.sandbox.domain)).await;
        let good = accept(&store, team, "you@example.com").await;
        until_state(&store, good, RecipientState::Delivered).await;
        for attempts in [3, 6] {
            let held = until_state(&store, bad, RecipientState::Held).await.recipients.remove(0);
            assert_eq!(held.attempts, attempts);
            assert!(held.last_reply.starts_with("held: "), "{}", held.last_reply);
            assert_eq!(store.queued(team).await, Ok(1), "it is still open");
            assert_eq!(store.queue_action(bad, QueueAction::Release).await, Ok(1), "and begins anew when it is released");
        }
        shutdown.begin();
        shutdown.finished(Duration::from_secs(120)).await;
        running.await.unwrap();
        store.close().await;
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_alone() {
        let silent = async { std::panic::resume_unwind(Box::new("poison")) };
        assert_eq!(guarded::<std::pin::Pin<Box<dyn Future<Output = ()>>>>(Box::pin(silent)).await, Err(Panicked));
        assert_eq!(guarded(async { 7 }).await, Ok(7));
    }
}
