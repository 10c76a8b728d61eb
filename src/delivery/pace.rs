//! The engine's own rhythm: how often it looks, and how much it holds.

use std::time::Duration;

use crate::store::engines::{DEAD_AFTER, RENEW_EVERY};

/// Intervals and bounds that no operator needs to choose.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How often the epoch is renewed.
    pub renew: Duration,
    /// The slow poll behind the wake-ups.
    pub poll: Duration,
    /// How often dead epochs are looked for.
    pub takeover: Duration,
    /// Others are found dead only after our own renewals have succeeded without a gap for this long.
    pub steady: Duration,
    /// How often claims that nobody holds are looked for.
    pub sweep: Duration,
    /// An unused connection is closed after this long.
    pub idle: Duration,
    /// After a next hop could not be reached, no other connection is tried for this long.
    pub outage: Duration,
    /// What takes longer than this, at a next hop or on the way to it, makes room for other mail.
    pub patience: Duration,
    /// The first wait after an outcome could not be written; it doubles up to `settle_retry_max`.
    pub settle_retry: Duration,
    pub settle_retry_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            renew: RENEW_EVERY,
            poll: Duration::from_secs(1),
            takeover: Duration::from_secs(5),
            steady: DEAD_AFTER,
            sweep: Duration::from_secs(15),
            idle: Duration::from_secs(15),
            outage: Duration::from_secs(1),
            patience: Duration::from_secs(15),
            settle_retry: Duration::from_millis(50),
            settle_retry_max: Duration::from_secs(2),
        }
    }
}
