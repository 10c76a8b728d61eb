//! Warm-up: an address or a domain that is new sends a little more each day, until it may send any number.
//!
//! The budget of a day is shared by all engines. Each draws from it at the store (`Store::draw_budget`), some at a time, and
//! spends what it has drawn by itself: what an engine drew and did not spend when it died is lost for that day.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::config::warmup::{Day, Ramp, Sender};

/// The part of a day's budget that is drawn at once.
const PARTS: u64 = 50;
/// No more than this is drawn at once.
const DRAWN_AT_ONCE: u64 = 500;

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
    /// Nothing of the day's budget is left before then.
    Spent { until: Timestamp, budget: u64 },
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
                Leave::Given
            }
            None => Leave::Spent { until: day.end(), budget },
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

    /// A message for which leave was taken at `taken` was not sent after all.
    pub fn give_back(&mut self, warming: &Warming, taken: Timestamp) {
        let day = Day::of(taken);
        if warming.ramp.budget(day).is_some()
            && let Some(purse) = self.purse(&warming.account, day)
        {
            purse.left += 1;
        }
    }

    /// Whether nothing is left of it today, as far as is known.
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
        let fresh = Purse { day, left: 0, dry_at: None };
        let purse = self.purses.entry(account.to_owned()).or_insert(fresh);
        if purse.day < day {
            *purse = fresh;
        }
        (purse.day == day).then_some(purse)
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
                    Leave::Given => sent += 1,
                    Leave::Draw(draw) => {
                        let given = give(&mut drawn, &draw);
                        engine.drawn(&draw, given);
                        continue;
                    }
                    Leave::Spent { until, budget } => assert_eq!((until, budget), (Timestamp(101 * 86_400_000), 100)),
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
        let next = MORNING.plus(std::time::Duration::from_secs(86_400));
        assert!(!budgets.is_spent(&warming(), next));
        let Leave::Draw(draw) = budgets.spend(&warming(), next) else { panic!() };
        assert_eq!((draw.budget, draw.wanted), (200, 4));
        let warm = next.plus(std::time::Duration::from_secs(86_400));
        assert_eq!(budgets.spend(&warming(), warm), Leave::Given);
    }

    #[test]
    fn what_was_not_sent_is_given_back() {
        let mut budgets = Budgets::default();
        let Leave::Draw(draw) = budgets.spend(&warming(), MORNING) else { panic!() };
        budgets.drawn(&draw, 1);
        assert_eq!(budgets.spend(&warming(), MORNING), Leave::Given);
        assert!(matches!(budgets.spend(&warming(), MORNING), Leave::Spent { .. }));
        budgets.give_back(&warming(), MORNING);
        assert_eq!(budgets.spend(&warming(), MORNING), Leave::Given);
        budgets.drawn(&Draw { day: Day(101), ..draw }, 1);
        budgets.give_back(&warming(), MORNING);
        let next = MORNING.plus(std::time::Duration::from_secs(86_400));
        assert_eq!(budgets.spend(&warming(), next), Leave::Given);
        assert!(matches!(budgets.spend(&warming(), next), Leave::Draw(_)), "what is given back late is of no use");
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
