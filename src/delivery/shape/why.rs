//! Why something waits, for those who ask.

use tokio::time::Instant;

use super::speed::Cause;
use crate::clock::Timestamp;
use crate::model::outcome::Reply;

/// What a message for a destination waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// All connections that are allowed are in use.
    Connections { limit: u32, slowed: Option<Cause> },
    /// The last message went just now.
    Pace { per_second: f64, slowed: Option<Cause> },
    /// It could not be reached.
    Suspended { until: Instant, reply: Reply },
    /// Other engines own all its connections.
    Elsewhere,
}

impl Why {
    /// In words. Times are told by the wall clock, which says `wall` now.
    pub fn told(&self, now: Instant, wall: Timestamp) -> String {
        match self {
            Self::Connections { limit: 1, slowed } => format!("limit of 1 connection{}", because(slowed.as_ref(), now, wall)),
            Self::Connections { limit, slowed } => format!("limit of {limit} connections{}", because(slowed.as_ref(), now, wall)),
            Self::Pace { per_second, slowed } => {
                format!("pace of {}{}", pace(*per_second), because(slowed.as_ref(), now, wall))
            }
            Self::Suspended { until, reply } => {
                let until = wall.plus(until.saturating_duration_since(now)).rfc3339();
                format!("suspended until {until} because of {:?}", reply.line())
            }
            Self::Elsewhere => "its connections belong to other engines".to_owned(),
        }
    }
}

fn because(slowed: Option<&Cause>, now: Instant, wall: Timestamp) -> String {
    slowed.map_or_else(String::new, |cause| {
        let since = wall.minus(now.saturating_duration_since(cause.since)).rfc3339();
        format!(", slowed down since {since} by {:?}", cause.reply.line())
    })
}

/// In the smallest unit that gives a whole number or more.
fn pace(per_second: f64) -> String {
    let units = [(1.0, "s"), (60.0, "min"), (3600.0, "h")];
    let (seconds, unit) = units.into_iter().find(|(seconds, _)| per_second * seconds >= 1.0).unwrap_or((86400.0, "d"));
    format!("{}/{unit}", (per_second * seconds * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_told_in_words() {
        let now = Instant::now() + Duration::from_secs(60);
        let wall = Timestamp(1_700_000_000_000);
        let reply = Reply::new(421, Some("4.7.0".into()), "Try again later");
        let slowed = Some(Cause { since: now - Duration::from_secs(30), reply: reply.clone() });
        for (why, told) in [
            (Why::Connections { limit: 10, slowed: None }, "limit of 10 connections"),
            (
                Why::Pace { per_second: 0.5, slowed },
                "pace of 30/min, slowed down since 2023-11-14T22:12:50.000Z by \"421 4.7.0 Try again later\"",
            ),
            (
                Why::Suspended { until: now + Duration::from_secs(10), reply },
                "suspended until 2023-11-14T22:13:30.000Z because of \"421 4.7.0 Try again later\"",
            ),
            (Why::Elsewhere, "its connections belong to other engines"),
        ] {
            assert_eq!(why.told(now, wall), told);
        }
        assert_eq!([pace(12.34), pace(1.0), pace(1.0 / 3600.0)], ["12.3/s", "1/s", "1/h"]);
    }
}
