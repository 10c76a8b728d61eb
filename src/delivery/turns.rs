//! One lane of a queue, in which teams take turns: whoever has a million messages waiting delays nobody else by more than one.

use std::collections::VecDeque;

use crate::delivery::parcel::Parcel;
use crate::id::Id;

/// What waits in one lane, by team, in the order of their turns.
#[derive(Debug, Default)]
pub struct Turns {
    teams: VecDeque<(Id, VecDeque<Parcel>)>,
    waiting: usize,
}

impl Turns {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Adds a parcel behind the others of its team.
    pub fn push(&mut self, parcel: Parcel) {
        self.of(parcel.claim.message.team).push_back(parcel);
        self.waiting += 1;
    }

    /// Gives a parcel back: it is its team's next.
    pub fn give_back(&mut self, parcel: Parcel) {
        self.of(parcel.claim.message.team).push_front(parcel);
        self.waiting += 1;
    }

    fn of(&mut self, team: Id) -> &mut VecDeque<Parcel> {
        let place = self.teams.iter().position(|(id, _)| *id == team).unwrap_or_else(|| {
            self.teams.push_back((team, VecDeque::new()));
            self.teams.len() - 1
        });
        &mut self.teams[place].1
    }

    /// The next parcel of the team whose turn it is, which then comes last.
    pub fn pop(&mut self) -> Option<Parcel> {
        let (team, mut parcels) = self.teams.pop_front()?;
        let parcel = parcels.pop_front();
        self.waiting -= usize::from(parcel.is_some());
        if !parcels.is_empty() {
            self.teams.push_back((team, parcels));
        }
        parcel
    }

    /// Takes out everything that `goes`.
    pub fn take_out(&mut self, goes: impl Fn(&Parcel) -> bool) -> Vec<Parcel> {
        let mut gone = Vec::new();
        for (_, parcels) in &mut self.teams {
            let (going, staying): (VecDeque<_>, _) = std::mem::take(parcels).into_iter().partition(&goes);
            gone.extend(going);
            *parcels = staying;
        }
        self.teams.retain(|(_, parcels)| !parcels.is_empty());
        self.waiting -= gone.len();
        gone
    }

    /// How many of this team wait.
    pub fn waiting_of(&self, team: Id) -> usize {
        self.teams.iter().find(|(id, _)| *id == team).map_or(0, |(_, parcels)| parcels.len())
    }

    /// Takes out the last parcel of the team that has most waiting, where these are at least `least` and it `goes`.
    pub fn give_up(&mut self, least: usize, goes: impl Fn(&Parcel) -> bool) -> Option<Parcel> {
        let (place, (_, parcels)) = self.teams.iter_mut().enumerate().max_by_key(|(_, (_, parcels))| parcels.len())?;
        if parcels.len() < least {
            return None;
        }
        let last = parcels.pop_back_if(|last| goes(last))?;
        self.waiting -= 1;
        if parcels.is_empty() {
            self.teams.remove(place);
        }
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::fixture;
    use crate::model::stream::Stream;

    #[test]
    fn teams_take_turns() {
        let (large, small) = (Id([1; 16]), Id([2; 16]));
        let parcel = |team| fixture::parcel_of(team, Stream::Broadcast, 0, 7);
        let mut turns = Turns::default();
        (0..5).for_each(|_| turns.push(parcel(large)));
        (0..2).for_each(|_| turns.push(parcel(small)));
        let teams: Vec<Id> = std::iter::from_fn(|| turns.pop()).map(|parcel| parcel.claim.message.team).collect();
        assert_eq!(teams, [large, small, large, small, large, large, large]);
        assert!(turns.is_empty());
    }

    #[test]
    fn what_is_given_back_comes_before_what_waited_behind_it() {
        let team = Id([1; 16]);
        let mut turns = Turns::default();
        for attempts in 0..3 {
            turns.push(fixture::parcel_of(team, Stream::Broadcast, attempts, 7));
        }
        let first = turns.pop().expect("one");
        turns.give_back(first);
        let order: Vec<i64> = turns.take_out(|_| true).iter().map(|parcel| parcel.claim.recipients[0].attempts).collect();
        assert_eq!((order, turns.len()), (vec![0, 1, 2], 0));
    }

    #[test]
    fn what_is_not_taken_out_keeps_its_turn() {
        let mut turns = Turns::default();
        for (team, attempts) in [(1, 0), (2, 0), (1, 1), (2, 1), (3, 0)] {
            turns.push(fixture::parcel_of(Id([team; 16]), Stream::Broadcast, attempts, 7));
        }
        let gone = turns.take_out(|parcel| parcel.claim.recipients[0].attempts == 0);
        assert_eq!((gone.len(), turns.len()), (3, 2));
        let teams: Vec<Id> = std::iter::from_fn(|| turns.pop()).map(|parcel| parcel.claim.message.team).collect();
        assert_eq!(teams, [Id([1; 16]), Id([2; 16])]);
    }

    #[test]
    fn who_has_most_gives_up_its_last_and_only_where_it_has_enough() {
        let (large, small) = (Id([1; 16]), Id([2; 16]));
        let mut turns = Turns::default();
        for (team, attempts) in [(small, 9), (large, 0), (large, 1)] {
            turns.push(fixture::parcel_of(team, Stream::Broadcast, attempts, 7));
        }
        assert!(turns.give_up(3, |_| true).is_none());
        let given_up = turns.give_up(2, |_| true).expect("the larger team's last");
        assert_eq!((given_up.claim.recipients[0].attempts, turns.waiting_of(large), turns.waiting_of(small)), (1, 1, 1));
        while turns.give_up(1, |_| true).is_some() {}
        assert!(turns.is_empty() && turns.pop().is_none());
    }
}
