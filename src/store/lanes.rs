//! Lanes as they are stored: what kind of mail waits there, and whose turn it is.
//!
//! Teams are spread over a fixed number of turns by their ids, and each turn has a lane of every kind. A claim takes from several lanes of its
//! kind, beginning at any of them: a team with a million messages that are due keeps only those teams waiting that share its turn (as in
//! P. McKenney, "Stochastic Fairness Queueing", 1990). The one index of what is open finds the lanes, a step for each that holds
//! anything; a table of who has what, exact for each team, would have to be written with every message.

use crate::id::Id;
use crate::model::stream::Stream;
use crate::store::claim::Lane;
use crate::store::sql::{Sql, record};

/// How many turns there are; a row without any, as they once were, is of the first.
const TURNS: i64 = 128;
/// Bits of a lane's number that say its kind; the turn stands above them.
const KIND: i64 = 3;

/// The lane that fresh recipients of such a message wait in.
pub(super) fn fresh(stream: Stream, team: Id) -> i64 {
    let kind = match stream {
        Stream::Transactional => Lane::FreshTransactional,
        Stream::Broadcast => Lane::FreshBroadcast,
    };
    // The end of an id is random.
    let turn = i64::from(team.0[15]) % TURNS;
    turn * (KIND + 1) + kind as i64
}

/// The kind of a lane.
pub(super) fn kind(lane: i64) -> i64 {
    lane & KIND
}

/// Where a claim begins, at random: each lane is as likely to be the first.
pub(super) fn any() -> i64 {
    rand::random_range(0..TURNS * (KIND + 1))
}

/// Begins a text that reads the table `lanes`: those that hold anything ready, found one behind the other in the index. Its last row is NULL.
macro_rules! of_lanes {
    ($text:literal) => {
        concat!(
            "WITH RECURSIVE lanes (lane) AS (
                 SELECT MIN(lane) FROM outbound_recipients WHERE state = 'queued' AND epoch = 0
                 UNION ALL
                 SELECT (SELECT MIN(r.lane) FROM outbound_recipients r WHERE r.state = 'queued' AND r.epoch = 0 AND r.lane > lanes.lane)
                 FROM lanes WHERE lane IS NOT NULL)
             ",
            $text
        )
    };
}

/// At most `$4` lanes of the kind `$1` in which something is due at `$2`, counted round from `$3` downwards.
pub(super) static DUE: Sql = Sql::new(of_lanes!(
    "SELECT lane FROM lanes WHERE lane & 3 = $1
         AND (SELECT MIN(r.next_attempt_at) FROM outbound_recipients r
              WHERE r.state = 'queued' AND r.epoch = 0 AND r.lane = lanes.lane) <= $2
     ORDER BY (lane + $3) & 511 LIMIT $4"
));

/// When the next recipient of any lane is due.
pub(super) static NEXT_DUE: Sql = Sql::new(of_lanes!(
    "SELECT MIN((SELECT MIN(r.next_attempt_at) FROM outbound_recipients r
                 WHERE r.state = 'queued' AND r.epoch = 0 AND r.lane = lanes.lane)) AS due FROM lanes"
));

record!(pub(super) LaneRow { lane: i64 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_know_how_lanes_are_numbered() {
        let last = fresh(Stream::Broadcast, Id([255; 16])) | 1;
        assert_eq!((last, kind(last)), (511, Lane::RetriedBroadcast as i64));
        assert!(DUE.for_sqlite().contains(&format!("& {last} ")) && DUE.for_sqlite().contains(&format!("& {KIND} ")));
        assert_eq!(fresh(Stream::Transactional, Id([128; 16])), Lane::FreshTransactional as i64);
    }
}
