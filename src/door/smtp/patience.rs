//! How long a peer may keep a connection waiting.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::SmtpLimits;
use crate::door::smtp::session::Reading;

/// Before the first octets of a message are missed.
const GRACE: Duration = Duration::from_secs(30);

/// What a connection's peer has done, and when.
#[derive(Debug)]
pub struct Patience {
    /// When the last reply was written. An octet of a command now and then does not count as life; an answered command does.
    replied: Instant,
    /// When the open transaction began, or message octets that belong to none; `None` between two.
    began: Option<Instant>,
    data: Option<Data>,
}

/// Message octets on their way, by DATA or in chunks; the pauses between chunks count as they do within them.
#[derive(Debug)]
struct Data {
    since: Instant,
    last: Instant,
    octets: u64,
}

impl Patience {
    /// With a peer that has just come.
    pub fn begin() -> Self {
        let now = Instant::now();
        Self { replied: now, began: None, data: None }
    }

    /// A reply was written.
    pub fn replied(&mut self) {
        self.replied = Instant::now();
    }

    /// A transaction began.
    pub fn begun(&mut self) {
        self.began = Some(Instant::now());
        self.data = None;
    }

    /// How long ago the transaction began.
    pub fn transaction(&self) -> Duration {
        self.began.map(|began| began.elapsed()).unwrap_or_default()
    }

    /// The peer was kept waiting for `span`, which is not its fault.
    pub fn kept_waiting(&mut self, span: Duration) {
        if let Some(began) = &mut self.began {
            *began += span;
        }
        if let Some(data) = &mut self.data {
            data.since += span;
            data.last += span;
        }
    }

    /// Octets were read.
    pub fn received(&mut self, octets: usize) {
        if let Some(data) = &mut self.data {
            data.octets += octets as u64;
            data.last = Instant::now();
        }
    }

    /// Until when to wait for what is read next.
    pub fn deadline(&mut self, reading: Reading, limits: &SmtpLimits) -> Instant {
        match reading {
            Reading::Command { authenticated: true } => {
                self.forget_transaction();
                self.replied + limits.idle.0
            }
            Reading::Command { authenticated: false } | Reading::Sasl => {
                self.forget_transaction();
                self.replied + limits.idle_before_auth.0
            }
            Reading::Envelope => self.transaction_deadline(limits).min(self.replied + limits.idle.0),
            Reading::Data => self.data_deadline(limits),
        }
    }

    /// None is open any more.
    fn forget_transaction(&mut self) {
        (self.began, self.data) = (None, None);
    }

    fn transaction_deadline(&mut self, limits: &SmtpLimits) -> Instant {
        *self.began.get_or_insert_with(Instant::now) + limits.transaction.0
    }

    /// The first of: silence, the whole transaction, and the pace, averaged over the data so far.
    fn data_deadline(&mut self, limits: &SmtpLimits) -> Instant {
        let transaction = self.transaction_deadline(limits);
        let now = Instant::now();
        let data = self.data.get_or_insert(Data { since: now, last: now, octets: 0 });
        let silence = data.last + limits.idle.0;
        let earned = data.octets.checked_div(limits.minimum_pace.0).map(Duration::from_secs);
        let pace = earned.and_then(|earned| data.since.checked_add(GRACE + earned)).unwrap_or(transaction);
        pace.min(silence).min(transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const AUTHENTICATED: Reading = Reading::Command { authenticated: true };

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_sends_octets_and_no_command_is_idle() {
        let limits = Config::defaults().smtp.limits;
        let mut patience = Patience::begin();
        let end = Instant::now() + Duration::from_secs(300);
        for _ in 0..20 {
            assert_eq!(patience.deadline(AUTHENTICATED, &limits), end);
            pass(10).await;
            patience.received(1);
        }
        patience.replied();
        assert_eq!(patience.deadline(AUTHENTICATED, &limits), Instant::now() + Duration::from_secs(300));
        assert_eq!(patience.deadline(Reading::Sasl, &limits), Instant::now() + Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn data_must_keep_its_pace_on_average() {
        let limits = Config::defaults().smtp.limits;
        let mut patience = Patience::begin();
        patience.begun();
        let start = Instant::now();
        assert_eq!(patience.deadline(Reading::Data, &limits), start + GRACE);
        patience.received(5_000);
        assert_eq!(patience.deadline(Reading::Data, &limits), start + GRACE + Duration::from_secs(10));
        pass(20).await;
        patience.kept_waiting(Duration::from_secs(15));
        assert_eq!(patience.deadline(Reading::Data, &limits), start + GRACE + Duration::from_secs(25));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_ends_before_its_message_too() {
        let limits = Config::defaults().smtp.limits;
        let mut patience = Patience::begin();
        patience.begun();
        let start = Instant::now();
        for _ in 0..2 {
            pass(250).await;
            patience.replied();
        }
        assert_eq!(patience.deadline(Reading::Envelope, &limits), start + Duration::from_secs(600));
        // Octets that belong to no transaction have their own time, however long the connection stands.
        patience.deadline(AUTHENTICATED, &limits);
        pass(1000).await;
        assert_eq!(patience.deadline(Reading::Data, &limits), Instant::now() + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_start_earns_neither_silence_nor_a_longer_transaction() {
        let limits = Config::defaults().smtp.limits;
        let mut patience = Patience::begin();
        patience.begun();
        let start = Instant::now();
        patience.deadline(Reading::Data, &limits);
        patience.received(20_000_000);
        assert_eq!(patience.deadline(Reading::Data, &limits), start + Duration::from_secs(300));
        pass(299).await;
        patience.received(1);
        pass(299).await;
        patience.received(1);
        assert_eq!(patience.deadline(Reading::Data, &limits), start + Duration::from_secs(600));
    }
}
