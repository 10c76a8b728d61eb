//! Daily budgets: shared by engines, and never overdrawn.

use crate::support::stores::on_every_engine;

#[test]
fn all_engines_together_are_given_the_budget_and_no_more() {
    on_every_engine(|book| async move {
        let others = [book.again().await, book.again().await];
        let mut draws = tokio::task::JoinSet::new();
        for n in 0..40 {
            let store = if n % 3 == 0 { book.store.clone() } else { others[n % 2].clone() };
            draws.spawn(async move { store.draw_budget("source:192.0.2.1", 20_000, 100, 7).await.unwrap() });
        }
        let given = draws.join_all().await;
        assert_eq!(given.iter().sum::<u64>(), 100, "{given:?}");
        assert_eq!(book.store.drawn_budget("source:192.0.2.1", 20_000).await, Ok(100));
        assert_eq!(book.store.draw_budget("source:192.0.2.1", 20_000, 150, 100).await, Ok(50), "a budget may be raised");
        assert_eq!(book.store.draw_budget("source:192.0.2.1", 20_000, 80, 1).await, Ok(0), "or lowered");
        assert_eq!(book.store.draw_budget("source:192.0.2.2", 20_000, 5, 3).await, Ok(3), "each account has its own");
        assert_eq!(book.store.draw_budget("source:192.0.2.1", 20_001, 5, 3).await, Ok(3), "each day, too");
        assert_eq!(book.store.draw_budget("source:192.0.2.1", 20_100, 5, 3).await, Ok(3));
        assert_eq!(book.store.drawn_budget("source:192.0.2.1", 20_000).await, Ok(0), "what is long past is forgotten");
        for other in others {
            other.close().await;
        }
    });
}
