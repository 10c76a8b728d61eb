//! Places that teams share. None has more than it leaves free: one alone has half of them, two a third each, and whoever comes next
//! finds one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::Id;

/// So many places; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    size: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_team: HashMap<Id, usize>,
}

/// A place; dropped, it is free.
#[derive(Debug)]
pub(super) struct PoolPlace {
    team: Id,
    taken: Arc<Mutex<Taken>>,
}

impl Pool {
    /// With so many places.
    pub fn new(size: usize) -> Self {
        Self { size, taken: Arc::default() }
    }

    /// How many places are free.
    pub fn free(&self) -> usize {
        self.size - lock(&self.taken).all
    }

    /// A place for work of this team; none when it has as many as are free.
    pub fn enter(&self, team: Id) -> Option<PoolPlace> {
        let mut taken = lock(&self.taken);
        let free = self.size - taken.all;
        if taken.by_team.get(&team).copied().unwrap_or(0) >= free {
            return None;
        }
        taken.all += 1;
        *taken.by_team.entry(team).or_default() += 1;
        Some(PoolPlace { team, taken: self.taken.clone() })
    }
}

impl Drop for PoolPlace {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        if let Some(own) = taken.by_team.get_mut(&self.team) {
            *own -= 1;
            if *own == 0 {
                taken.by_team.remove(&self.team);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> std::sync::MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(pool: &Pool, team: u8) -> Vec<PoolPlace> {
        std::iter::from_fn(|| pool.enter(Id([team; 16]))).collect()
    }

    #[test]
    fn whoever_comes_next_finds_a_place() {
        let pool = Pool::new(16);
        let first = fill(&pool, 1);
        assert_eq!((first.len(), pool.free()), (8, 8), "half of them");
        let second = fill(&pool, 2);
        assert_eq!((second.len(), pool.free()), (4, 4));
        let others: Vec<_> = [3, 4, 5].into_iter().map(|team| fill(&pool, team)).collect();
        assert_eq!(others.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert!(pool.free() == 0 && fill(&pool, 6).is_empty(), "all are taken");
        drop((first, others));
        assert_eq!((pool.free(), fill(&pool, 2).len()), (12, 4), "it had four, and has eight then");
        drop(second);
        assert_eq!(pool.free(), 16);
        assert!(lock(&pool.taken).by_team.is_empty(), "of teams that have none nothing is kept");
    }

    #[test]
    fn the_only_place_is_anybodys() {
        let pool = Pool::new(1);
        let place = pool.enter(Id([1; 16]));
        assert!(place.is_some() && pool.enter(Id([2; 16])).is_none());
        drop(place);
        assert!(pool.enter(Id([2; 16])).is_some());
    }
}
