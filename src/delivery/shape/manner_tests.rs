//! Tests of [`super`].

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::delivery::shape::speed::STEP_EVERY;
use Demand::{Encrypted, Published};

fn limits(connections: u32, rate: Option<f64>) -> Limits {
    let (transactional_connections, messages_per_connection, recipients_per_message) = (1, 100, 100);
    Limits { connections, transactional_connections, messages_per_connection, rate, recipients_per_message }
}

fn manner(connections: u32, rate: Option<f64>, now: Instant) -> Manner {
    Manner::new(limits(connections, rate), Share { owned: connections, of: connections }, now)
}

/// Leave to send a message now, and it is sent.
fn send(manner: &mut Manner, now: Instant) -> Result<(), Wait> {
    manner.may_send(now)?;
    manner.sends(now);
    Ok(())
}

fn later(code: u16, enhanced: &str, text: &str) -> Reply {
    Reply::new(code, (!enhanced.is_empty()).then(|| enhanced.into()), text)
}

#[test]
fn what_asks_for_less_is_told_from_what_asks_for_something_else() {
    for (code, enhanced, text) in [
        (421, "4.7.28", "Gmail has detected an unusual rate of unsolicited mail"),
        (421, "", "Too many connections, slow down"),
        (451, "4.7.652", "The mail server has exceeded the maximum number of connections"),
        (450, "4.3.2", "Connection rate limit exceeded"),
    ] {
        assert!(asks_for_less(&later(code, enhanced, text)), "{text}");
    }
    for (code, enhanced, text) in [
        (450, "4.2.1", "The user is receiving mail at a rate that prevents"),
        (451, "4.7.1", "Greylisted, try again in 5 minutes"),
        (452, "4.5.3", "Too many recipients"),
        (550, "5.7.1", "blocked"),
        (0, "", "connection refused"),
    ] {
        assert!(!asks_for_less(&later(code, enhanced, text)), "{text}");
    }
}

#[test]
fn broadcast_leaves_a_connection_free() {
    let now = Instant::now();
    let mut manner = manner(3, None, now);
    assert!(
        manner.connect(Published, Stream::Broadcast, 1, now).is_ok()
            && manner.connect(Published, Stream::Broadcast, 2, now).is_err()
    );
    assert!(manner.connect(Published, Stream::Transactional, 2, now).is_ok());
    let wait = manner.connect(Published, Stream::Transactional, 3, now).unwrap_err();
    assert_eq!(wait, Wait { until: None, why: Why::Connections { limit: 3, slowed: None } });
    manner.set(limits(1, None), Share { owned: 1, of: 1 });
    assert!(
        manner.connect(Published, Stream::Broadcast, 0, now).is_ok()
            && manner.connect(Published, Stream::Broadcast, 1, now).is_err()
    );
}

#[test]
fn a_share_divides_connections_and_rate() {
    let now = Instant::now();
    let mut manner = manner(10, Some(10.0), now);
    manner.set(limits(10, Some(10.0)), Share { owned: 3, of: 10 });
    assert_eq!((manner.connections(), manner.rate()), (3, Some(3.0)));
    manner.set(limits(10, Some(10.0)), Share { owned: 0, of: 10 });
    assert_eq!(manner.why(Published, Stream::Transactional, 0, now), Some(Why::Elsewhere));
}

#[test]
fn a_share_that_was_lost_while_slowed_down_works_again_when_it_is_back() {
    let now = Instant::now();
    let mut manner = manner(10, Some(10.0), now);
    manner.set(limits(10, Some(10.0)), Share { owned: 0, of: 10 });
    manner.heed(Published, Sign::SlowDown(&later(421, "", "slow down")), now, now, 0.0);
    assert_eq!(send(&mut manner, now).map_err(|wait| wait.why), Err(Why::Elsewhere));
    manner.set(limits(10, Some(10.0)), Share::whole(10));
    assert!(send(&mut manner, now).is_ok() && manner.rate().is_some_and(|rate| rate >= 1.0));
}

#[test]
fn a_run_of_failures_suspends_and_one_connection_tries_it() {
    let mut now = Instant::now();
    let mut manner = manner(10, None, now);
    let refused = later(0, "", "connection refused");
    for _ in 0..3 {
        assert!(manner.connect(Published, Stream::Broadcast, 0, now).is_ok());
        manner.heed(Published, Sign::Unreachable(&refused), now, now, 1.0);
    }
    let wait = manner.connect(Published, Stream::Transactional, 0, now).unwrap_err();
    let until = now + Duration::from_secs(10);
    assert_eq!(wait, Wait { until: Some(until), why: Why::Suspended { until, reply: refused.clone() } });
    now = until;
    assert!(
        manner.connect(Published, Stream::Broadcast, 0, now).is_ok()
            && manner.connect(Published, Stream::Transactional, 1, now).is_err()
    );
    // It is still away: longer. Then it is back: from one connection up, step by step.
    manner.heed(Published, Sign::Unreachable(&refused), now, now, 1.0);
    assert_eq!(manner.suspended_until(Published, now), Some(now + Duration::from_secs(20)));
    now += Duration::from_secs(20);
    let mut last = 1;
    for second in 0..60 {
        now += Duration::from_secs(1);
        manner.heed(Published, Sign::Took, now, now, 1.0);
        let allowed = manner.connections();
        assert!(allowed - last <= 1 && u64::from(allowed) <= 2 + second / STEP_EVERY.as_secs(), "{allowed} at {second}");
        last = allowed;
    }
    assert_eq!((last, manner.why(Published, Stream::Transactional, 9, now)), (10, None));
}

#[test]
fn a_dropped_connection_here_and_there_suspends_nothing() {
    let mut now = Instant::now();
    let mut manner = manner(10, None, now);
    for _ in 0..100 {
        now += Duration::from_secs(1);
        manner.heed(Published, Sign::Unreachable(&later(0, "", "reset")), now, now, 1.0);
        manner.heed(Published, Sign::Unreachable(&later(0, "", "reset")), now, now, 1.0);
        manner.heed(Published, Sign::Took, now, now, 1.0);
        assert_eq!(manner.suspended_until(Published, now), None);
    }
}

#[test]
fn it_says_since_when_and_by_what_it_is_slowed_down() {
    let now = Instant::now();
    let mut manner = manner(2, Some(5.0), now);
    let reply = later(421, "4.7.0", "slow down");
    manner.heed(Published, Sign::SlowDown(&reply), now, now, 0.0);
    send(&mut manner, now).unwrap();
    let Some(Why::Pace { per_second, slowed: Some(cause) }) = manner.why(Published, Stream::Transactional, 0, now) else {
        panic!()
    };
    assert!(per_second < 5.0 && cause.since == now && cause.reply == reply);
}

/// A destination that answers 421 to everything for a minute, driven as an engine would at full load.
#[test]
fn a_minute_of_421_is_followed_by_no_burst() {
    let began = Instant::now();
    let mut manner = manner(10, None, began);
    let at = |now: Instant| now.duration_since(began).as_millis();
    let (mut now, mut sent) = (began, vec![0u32; 400]);
    let bad = |now: Instant| (60_000..120_000).contains(&at(now));
    while at(now) < 400_000 {
        // Each connection that is allowed sends a message in 20 ms.
        let open = manner.connections().min(10);
        for place in 0..open {
            if manner.connect(Published, Stream::Transactional, place, now).is_ok() && send(&mut manner, now).is_ok() {
                sent[(at(now) / 1000) as usize] += 1;
                let reply = later(421, "4.7.0", "slow down");
                let sign = if bad(now) { Sign::SlowDown(&reply) } else { Sign::Took };
                manner.heed(Published, sign, now, now, 0.5);
            }
        }
        now += Duration::from_millis(20);
    }
    let full = sent[59];
    assert_eq!(full, 500);
    let during: u32 = sent[62..120].iter().sum();
    assert!(during < 60, "{during} messages during the minute");
    let most = sent[..60].iter().max().unwrap();
    let jump = sent[120..].windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
    assert!(sent[120..].iter().max() <= Some(most) && jump < full / 2, "a jump of {jump}");
    assert!(sent[399] >= full / 2, "{} after five minutes", sent[399]);
}

/// Messages that are sent in a minute at full load, of which so many in ten are taken and the others meet 450.
fn a_minute_of_450(manner: &mut Manner, began: Instant, taken: u32) -> u32 {
    let (mut now, mut sent) = (began, 0);
    while now < began + Duration::from_secs(60) {
        for place in 0..manner.connections() {
            if manner.connect(Published, Stream::Transactional, place, now).is_ok() && send(manner, now).is_ok() {
                let reply = later(450, "4.2.1", "mailbox unavailable");
                let sign = if sent % 10 < taken { Sign::Took } else { Sign::Deferred(&reply) };
                manner.heed(Published, sign, now, now, 0.5);
                sent += 1;
            }
        }
        now += Duration::from_millis(20);
    }
    sent
}

#[test]
fn what_mostly_defers_is_sent_less_and_never_left_alone() {
    let began = Instant::now();
    let mut manner = manner(10, None, began);
    let full = a_minute_of_450(&mut manner, began, 5);
    assert_eq!((manner.connections(), manner.rate()), (10, None), "where half is taken nothing changes");
    let reluctant = a_minute_of_450(&mut manner, began + Duration::from_secs(60), 0);
    assert!((full / 5..full / 2).contains(&reluctant), "{reluctant} after {full}");
    let then = began + Duration::from_secs(120);
    assert_eq!((manner.connections(), manner.suspended_until(Published, then)), (2, None));
    let again = a_minute_of_450(&mut manner, then, 0);
    assert!(again >= full / 5, "{again}: it goes no lower than a quarter");
    let why = manner.why(Published, Stream::Transactional, 2, then + Duration::from_secs(60));
    assert!(matches!(why, Some(Why::Connections { limit: 2, slowed: Some(_) })), "{why:?}");
    a_minute_of_450(&mut manner, then + Duration::from_secs(60), 10);
    assert_eq!(manner.connections(), 10, "and rises by small steps");
}

fn sign() -> impl Strategy<Value = u8> {
    0..5u8
}

proptest! {
    #[test]
    fn whatever_happens_it_stays_within_its_limits(
        connections in 1..60u32, owned in 0..60u32, rate in proptest::option::of(0.01..1000f64),
        signs in proptest::collection::vec((sign(), 0..20_000u64, 0..5_000u64, 0.0..1.0f64), 1..300),
    ) {
        let owned = owned.min(connections);
        let mut now = Instant::now() + Duration::from_secs(1000);
        let share = Share { owned, of: connections };
        let mut manner = Manner::new(limits(connections, rate), share, now);
        let reply = later(421, "4.7.0", "slow down");
        for (sign, pause, age, draw) in signs {
            now += Duration::from_millis(pause);
            let before = manner.connections();
            let sign = [Sign::Took, Sign::SlowDown(&reply), Sign::Unreachable(&reply), Sign::Refused(&reply), Sign::Deferred(&reply)]
                [usize::from(sign)];
            manner.heed(Published, sign, now - Duration::from_millis(age), now, draw);
            let after = manner.connections();
            prop_assert!(after <= owned && (after >= 1 || owned == 0));
            prop_assert!(after <= before + (owned / 10).max(1));
            prop_assert!(manner.rate().is_none_or(|allowed| (allowed > 0.0 || owned == 0) && rate.is_none_or(|most| allowed <= most)));
            prop_assert!(manner.suspended_until(Published, now).is_none_or(|until| until <= now + Duration::from_secs(600)));
        }
    }
}

#[test]
fn mail_that_demands_more_is_suspended_by_itself() {
    let now = Instant::now();
    let mut manner = manner(10, None, now);
    let no_tls = later(0, "", "STARTTLS is not offered");
    (0..3).for_each(|_| manner.heed(Encrypted, Sign::Unreachable(&no_tls), now, now, 1.0));
    assert_eq!(manner.suspended_until(Encrypted, now), Some(now + Duration::from_secs(10)));
    assert_eq!((manner.suspended_until(Published, now), manner.connections()), (None, 10));
    manner.heed(Published, Sign::Took, now, now, 1.0);
    assert!(manner.suspended_until(Encrypted, now).is_some() && !manner.is_at_its_best(now));
    manner.heed(Encrypted, Sign::Took, now, now, 1.0);
    assert!(manner.is_at_its_best(now));
}
