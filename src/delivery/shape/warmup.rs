//! Warm-up: an address or a domain that is new sends a little more each day, until it may send any number.
//!
//! The budget of a day is shared by all engines. Each draws from it at the store (`Store::draw_budget`), some at a time, and
//! spends what it has drawn by itself: what an engine drew and did not spend when it died is lost for that day.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::warmup::{Day, Ramp, Sender};

/// The part of a day's budget that is drawn at once.
const PARTS: u64 = 50;
/// No more than this is drawn at once.
const DRAWN_AT_ONCE: u64 = 500;
/// What finds a budget spent comes back within so long after the new day began: not all of it at once.
const SPREAD: Duration = Duration::from_hours(6);
/// What is lent is mostly spent, or given back, after so long.
const SHORTLY: Duration = Duration::from_secs(2);

/// Something that warms up: its account at the store, and how it ramps.
#[derive(Clone, Debug, PartialEq)]
pub struct Warming {
    /// `source:192.0.2.1`, `domain:news.example.com`.
    pub account: String,
    pub ramp: Ramp,
}

/// What this engine asks the store for before it may spend more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    pub account: String,
    pub day: Day,
    pub budget: u64,
    pub wanted: u64,
}

/// Whether one more message may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Given,
    /// First draw, and tell what was given ([`Budgets::drawn`]); then ask again.
    Draw(Draw),
    /// Nothing of the day's budget is left for it before then.
    Spent { again: Again, budget: u64 },
}

/// When something may be left again: from then on, and who asks comes at a moment of his own within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    pub from: Timestamp,
    pub within: Duration,
}

impl Again {
    /// Whether it is for what is lent only.
    pub fn is_today(&self) -> bool {
        self.within == SHORTLY
    }
}

/// What this engine has drawn today and not spent.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    purses: HashMap<String, Purse>,
}

#[derive(Clone, Copy, Debug)]
struct Purse {
    day: Day,
    left: u64,
    /// With messages that are being sent: spent when they are, and given back when not.
    lent: u64,
    /// So many of these somebody comes back for, until then.
    hopes: u64,
    hope_ends: Timestamp,
    /// The store had less than was wanted of it, when this was the budget.
    dry_at: Option<u64>,
}

impl Budgets {
    /// Takes leave to send one message.
    pub fn spend(&mut self, warming: &Warming, now: Timestamp) -> Leave {
        let day = Day::of(now);
        let Some(budget) = warming.ramp.budget(day) else { return Leave::Given };
        if let Some(draw) = self.wants(warming, now) {
            return Leave::Draw(draw);
        }
        match self.purses.get_mut(&warming.account).filter(|purse| purse.left > 0) {
            Some(purse) => {
                purse.left -= 1;
                purse.lent += 1;
                Leave::Given
            }
            None => Leave::Spent { again: self.again([warming], now), budget },
        }
    }

    /// When to ask again, where nothing is left of any of these: shortly for as many as may find what is only lent, else another day.
    pub fn again<'w>(&mut self, warming: impl IntoIterator<Item = &'w Warming>, now: Timestamp) -> Again {
        let day = Day::of(now);
        let hopeful = warming.into_iter().any(|warming| self.purse(&warming.account, day).is_some_and(|purse| purse.hope(now)));
        match hopeful {
            true => Again { from: now.plus(SHORTLY), within: SHORTLY },
            false => Again { from: day.end(), within: SPREAD },
        }
    }

    /// What has to be drawn before another message is sent, if anything.
    pub fn wants(&self, warming: &Warming, now: Timestamp) -> Option<Draw> {
        let day = Day::of(now);
        let budget = warming.ramp.budget(day)?;
        let purse = self.purses.get(&warming.account).filter(|purse| purse.day == day);
        let has_news = purse.is_some_and(|purse| purse.left > 0 || purse.dry_at.is_some_and(|dry_at| dry_at >= budget));
        let wanted = (budget / PARTS).clamp(1, DRAWN_AT_ONCE);
        (!has_news).then(|| Draw { account: warming.account.clone(), day, budget, wanted })
    }

    /// The store has given so many.
    pub fn drawn(&mut self, draw: &Draw, given: u64) {
        if let Some(purse) = self.purse(&draw.account, draw.day) {
            purse.left += given;
            purse.dry_at = (given < draw.wanted).then_some(draw.budget);
        }
    }

    /// The message for which leave was taken at `taken` was sent, or not after all.
    pub fn settle(&mut self, warming: &Warming, taken: Timestamp, sent: bool) {
        let day = Day::of(taken);
        if warming.ramp.budget(day).is_some()
            && let Some(purse) = self.purse(&warming.account, day)
        {
            purse.lent = purse.lent.saturating_sub(1);
            purse.left += u64::from(!sent);
        }
    }

    /// Whether nothing is left of it now, nor to be drawn today, as far as is known.
    pub fn is_spent(&self, warming: &Warming, now: Timestamp) -> bool {
        let day = Day::of(now);
        let purse = self.purses.get(&warming.account).filter(|purse| purse.day == day);
        match (warming.ramp.budget(day), purse) {
            (Some(budget), Some(purse)) => purse.left == 0 && purse.dry_at.is_some_and(|dry_at| dry_at >= budget),
            _ => false,
        }
    }

    /// The purse of that day, unless the day is over; what was left of an earlier one is gone.
    fn purse(&mut self, account: &str, day: Day) -> Option<&mut Purse> {
        let fresh = Purse { day, left: 0, lent: 0, hopes: 0, hope_ends: day.end(), dry_at: None };
        let purse = self.purses.entry(account.to_owned()).or_insert(fresh);
        if purse.day < day {
            *purse = fresh;
        }
        (purse.day == day).then_some(purse)
    }
}

impl Purse {
    /// Whether one more may hope for what is lent. Each of those parts is hoped for once in a while, however many wait.
    fn hope(&mut self, now: Timestamp) -> bool {
        if self.hope_ends <= now || self.hopes == 0 {
            (self.hopes, self.hope_ends) = (0, now.plus(SHORTLY * 2));
        }
        let hopes = self.hopes < self.lent;
        self.hopes += u64::from(hopes);
        hopes
    }
}

impl Warming {
    /// The address or the domain.
    pub fn name(&self) -> &str {
        self.account.split_once(':').map_or(&self.account, |(_, name)| name)
    }
}

/// How the domain of a From field warms up, by the narrowest entry that covers it; domains of one entry share its budget.
pub fn of_sender(senders: &[Sender], domain: &str) -> Option<Warming> {
    let covering = senders.iter().filter(|sender| sender.domain.covers(domain));
    let Sender { domain, warmup } = covering.max_by_key(|sender| sender.domain.narrowness())?;
    Some(Warming { account: format!("domain:{domain}"), ramp: *warmup })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: Timestamp = Timestamp(100 * 86_400_000 + 1);

    fn warming() -> Warming {
        Warming { account: "source:192.0.2.1".into(), ramp: Ramp { since: Day(100), start: 100, growth: 2.0, until: 300 } }
    }

    /// The store, for one account.
    fn give(drawn: &mut u64, draw: &Draw) -> u64 {
        let given = draw.wanted.min(draw.budget - *drawn);
        *drawn += given;
        given
    }

    #[test]
    fn engines_spend_the_days_budget_together_and_no_more() {
        let (mut engines, mut drawn) = ([Budgets::default(), Budgets::default(), Budgets::default()], 0);
        let mut sent = 0;
        for n in 0..1000 {
            let engine = &mut engines[n % 3];
            loop {
                match engine.spend(&warming(), MORNING) {
                    Leave::Given => {
                        sent += 1;
                        engine.settle(&warming(), MORNING, true);
                    }
                    Leave::Draw(draw) => {
                        let given = give(&mut drawn, &draw);
                        engine.drawn(&draw, given);
                        continue;
                    }
                    Leave::Spent { again, budget } => {
                        assert_eq!((again.from, again.within, budget), (Timestamp(101 * 86_400_000), SPREAD, 100));
                    }
                }
                break;
            }
        }
        assert_eq!((sent, drawn), (100, 100));
        assert!(engines.iter().all(|engine| engine.is_spent(&warming(), MORNING)));
    }

    #[test]
    fn a_new_day_has_a_new_budget_until_there_is_none() {
        let mut budgets = Budgets::default();
        let Leave::Draw(draw) = budgets.spend(&warming(), MORNING) else { panic!() };
        budgets.drawn(&draw, 0);
        assert!(budgets.is_spent(&warming(), MORNING));
        let next = MORNING.plus(Duration::from_secs(86_400));
        assert!(!budgets.is_spent(&warming(), next));
        let Leave::Draw(draw) = budgets.spend(&warming(), next) else { panic!() };
        assert_eq!((draw.budget, draw.wanted), (200, 4));
        let warm = next.plus(Duration::from_secs(86_400));
        assert_eq!(budgets.spend(&warming(), warm), Leave::Given);
    }

    #[test]
    fn what_was_not_sent_is_given_back() {
        let mut budgets = Budgets::default();
        let Leave::Draw(draw) = budgets.spend(&warming(), MORNING) else { panic!() };
        budgets.drawn(&draw, 1);
        assert_eq!(budgets.spend(&warming(), MORNING), Leave::Given);
        assert!(matches!(budgets.spend(&warming(), MORNING), Leave::Spent { .. }));
        budgets.settle(&warming(), MORNING, false);
        assert_eq!(budgets.spend(&warming(), MORNING), Leave::Given);
        budgets.drawn(&Draw { day: Day(101), ..draw }, 1);
        budgets.settle(&warming(), MORNING, false);
        let next = MORNING.plus(Duration::from_secs(86_400));
        assert_eq!(budgets.spend(&warming(), next), Leave::Given);
        assert!(matches!(budgets.spend(&warming(), next), Leave::Draw(_)), "what is given back late is of no use");
    }

    #[test]
    fn what_is_only_lent_is_waited_for_by_as_many_as_may_find_it() {
        let mut budgets = Budgets::default();
        let Leave::Draw(draw) = budgets.spend(&warming(), MORNING) else { panic!() };
        budgets.drawn(&Draw { wanted: 3, ..draw }, 2);
        let asked = |budgets: &mut Budgets, now: Timestamp| match budgets.spend(&warming(), now) {
            Leave::Given => "given",
            Leave::Spent { again, .. } if again.is_today() => "shortly",
            Leave::Spent { .. } => "tomorrow",
            Leave::Draw(_) => "draw",
        };
        let first = [0; 5].map(|_| asked(&mut budgets, MORNING));
        assert_eq!(first, ["given", "given", "shortly", "shortly", "tomorrow"]);
        budgets.settle(&warming(), MORNING, true);
        let later = MORNING.plus(SHORTLY * 2);
        assert_eq!([0; 2].map(|_| asked(&mut budgets, later)), ["shortly", "tomorrow"]);
        budgets.settle(&warming(), MORNING, false);
        assert_eq!([0; 2].map(|_| asked(&mut budgets, later)), ["given", "tomorrow"]);
    }

    #[test]
    fn the_narrowest_sender_decides() {
        let sender = |domain: &str| Sender { domain: domain.parse().unwrap(), warmup: warming().ramp };
        let senders = [sender("*.example.com"), sender("news.example.com")];
        let account = |domain: &str| of_sender(&senders, domain).map(|warming| warming.account);
        assert_eq!(account("news.example.com").as_deref(), Some("domain:news.example.com"));
        assert_eq!(account("a.example.com").as_deref(), Some("domain:*.example.com"));
        assert_eq!(account("example.com"), None);
    }
}
