use super::*;
use crate::delivery::boottime::Boottime;
use crate::delivery::fixture;
use crate::delivery::mx::{Group, Targets};
use crate::delivery::places::Places;
use crate::delivery::route::direct::Service;
use crate::delivery::security::Demand;
use crate::id::Id;
use crate::model::outcome::Reply;
use Stream::{Broadcast, Transactional};
use std::sync::Arc;

const EPOCH: i64 = 7;

fn gate() -> Gate {
    let gate = Gate::new(Boottime::manual());
    gate.begin(EPOCH, gate.now());
    gate
}

fn parcel(stream: Stream, attempts: i64, epoch: i64) -> Parcel {
    fixture::parcel_of(Id([1; 16]), stream, attempts, epoch)
}

fn queue(runners: usize, parcels: impl IntoIterator<Item = Parcel>) -> Queue {
    let queue = Queue::unbounded(runners, Duration::from_secs(5));
    parcels.into_iter().for_each(|parcel| {
        queue.push(parcel, Timestamp(0));
    });
    queue
}

/// Whether another runner is needed for the parcel.
fn starts(queue: &Queue, parcel: Parcel) -> bool {
    matches!(queue.push(parcel, Timestamp(0)), Pushed::Starts)
}

async fn taken(queue: &Queue, gate: &Gate) -> Lane {
    let parcel = queue.next(gate).await.expect("a parcel");
    queue.done(&parcel, None, Instant::now());
    parcel.lane()
}

#[tokio::test]
async fn a_reset_password_goes_before_a_hundred_newsletters() {
    let bulk = (0..100).map(|_| parcel(Broadcast, 0, EPOCH));
    let queue = queue(4, bulk.chain([parcel(Transactional, 3, EPOCH), parcel(Transactional, 0, EPOCH)]));
    let gate = gate();
    assert_eq!(taken(&queue, &gate).await, Lane::FreshTransactional);
    assert_eq!(taken(&queue, &gate).await, Lane::RetriedTransactional);
    assert_eq!(taken(&queue, &gate).await, Lane::FreshBroadcast);
}

#[tokio::test]
async fn nobody_starves() {
    let all = [(Transactional, 0), (Transactional, 1), (Broadcast, 0), (Broadcast, 1)];
    let parcels = all.iter().flat_map(|&(stream, attempts)| (0..100).map(move |_| parcel(stream, attempts, EPOCH)));
    let (queue, gate) = (queue(4, parcels), gate());
    let mut counts = [0; 4];
    for _ in 0..100 {
        counts[taken(&queue, &gate).await as usize] += 1;
    }
    assert_eq!(counts, [80, 10, 5, 5]);
}

#[tokio::test]
async fn broadcast_leaves_a_quarter_of_the_runners_to_others() {
    let queue = queue(4, (0..10).map(|_| parcel(Broadcast, 0, EPOCH)));
    let gate = gate();
    for _ in 0..3 {
        assert!(queue.next(&gate).await.is_some());
    }
    assert!(timeout(Duration::ZERO, queue.next(&gate)).await.is_err(), "a fourth has to wait");
    queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0));
    assert!(queue.next(&gate).await.is_some_and(|parcel| parcel.stream() == Transactional));
}

#[tokio::test]
async fn suspects_go_one_at_a_time_and_others_beside_them() {
    let suspect = || Parcel { suspect: true, ..parcel(Transactional, 0, EPOCH) };
    let (queue, gate) = (queue(4, [suspect(), suspect(), parcel(Transactional, 0, EPOCH)]), gate());
    let first = queue.next(&gate).await.expect("a suspect");
    let other = queue.next(&gate).await.expect("a parcel");
    assert!(first.suspect && !other.suspect);
    assert!(timeout(Duration::ZERO, queue.next(&gate)).await.is_err(), "the second waits for the first");
    queue.move_file_on(first.claim.message.id);
    let second = queue.next(&gate).await.expect("the next suspect");
    queue.done(&first, None, Instant::now());
    queue.push(suspect(), Timestamp(0));
    assert!(timeout(Duration::ZERO, queue.next(&gate)).await.is_err(), "the first is not the one that is out any more");
    queue.done(&second, None, Instant::now());
    assert!(queue.next(&gate).await.is_some_and(|parcel| parcel.suspect));
}

#[tokio::test]
async fn what_was_claimed_under_a_dead_epoch_is_dropped() {
    let (queue, gate) = (queue(4, [parcel(Transactional, 0, EPOCH - 1), parcel(Transactional, 0, EPOCH)]), gate());
    assert_eq!(queue.next(&gate).await.map(|parcel| parcel.claim.epoch), Some(EPOCH));
    assert!(queue.empty().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_idle_runner_leaves_after_a_while_but_never_from_waiting_mail() {
    let (queue, gate) = (queue(4, []), Arc::new(gate()));
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)), "a runner is wanted");
    assert!(queue.next(&gate).await.is_some() && queue.next(&gate).await.is_none());
    assert!(!queue.gone(), "nothing waits");
    let stall = gate.stall();
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)), "another is wanted, since the first left");
    assert!(timeout(Duration::from_secs(3600), queue.next(&gate)).await.is_err(), "it waits for the gate");
    drop(stall);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_counts_until_its_connection_has_ended() {
    let (queue, gate) = (queue(1, []), gate());
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)));
    taken(&queue, &gate).await;
    assert!(queue.next(&gate).await.is_none(), "it has been idle for long");
    assert!(!starts(&queue, parcel(Transactional, 0, EPOCH)), "there is a connection still");
    assert!(queue.gone(), "now another may come");
}

#[tokio::test]
async fn runners_come_as_they_are_needed_and_no_more() {
    let queue = queue(3, []);
    let wanted: Vec<bool> = (0..5).map(|_| starts(&queue, parcel(Transactional, 0, EPOCH))).collect();
    assert_eq!(wanted, [true, true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_lets_in_two_is_not_asked_for_a_third_for_a_while() {
    let queue = queue(3, []);
    let gate = gate();
    (0..3).for_each(|_| assert!(starts(&queue, parcel(Transactional, 0, EPOCH))));
    let refused = queue.next(&gate).await.expect("a parcel");
    assert!(queue.turned_away(refused).is_none());
    assert!(!queue.gone(), "nobody takes its place");
    assert!(!starts(&queue, parcel(Transactional, 0, EPOCH)));
    tokio::time::advance(state::READMIT_AFTER).await;
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)));
}

/// What a destination out there is sent at most: two connections, one message a second.
const LIMITS: Limits = Limits {
    connections: 2,
    transactional_connections: 1,
    messages_per_connection: 9,
    rate: Some(1.0),
    recipients_per_message: 9,
};

fn bounded() -> Queue {
    Queue::bounded(LIMITS, Share::whole(2), Duration::from_secs(5))
}

/// The same without a limit of rate.
fn unpaced() -> Queue {
    Queue::bounded(Limits { rate: None, ..LIMITS }, Share::whole(2), Duration::from_secs(5))
}

/// With one of the places of an engine.
fn placed(places: &Arc<Places>, parcel: Parcel) -> Parcel {
    let place = Arc::new(places.admit(parcel.claim.message.id, parcel.stream(), 1));
    Parcel { place, ..parcel }
}

/// Parcels that share the places of an engine.
fn crowd(places: &Arc<Places>, count: usize) -> impl Iterator<Item = Parcel> {
    (0..count).map(|_| placed(places, parcel(Broadcast, 0, EPOCH)))
}

/// Who is put off when this one comes, if anybody is: its team, its lane, and for how long.
fn crowded_out(queue: &Queue, parcel: Parcel) -> Option<(Id, Lane, Duration)> {
    match queue.push(parcel, Timestamp(0)) {
        Pushed::NoRoom(parcel, put_off) => Some((parcel.claim.message.team, parcel.lane(), put_off.wait)),
        _ => None,
    }
}

const LARGE: Id = Id([1; 16]);
const SMALL: Id = Id([2; 16]);

#[tokio::test(start_paused = true)]
async fn what_is_fresh_finds_room_among_thousands_that_are_retried() {
    let (queue, places, gate) = (unpaced(), Arc::new(Places::new(400)), gate());
    let retried = || placed(&places, parcel(Transactional, 1, EPOCH));
    while crowded_out(&queue, retried()).is_none() {}
    for _ in 0..20 {
        let out = crowded_out(&queue, placed(&places, parcel(Transactional, 0, EPOCH)));
        assert!(out.is_none_or(|(_, lane, _)| lane == Lane::RetriedTransactional), "{out:?}");
    }
    for _ in 0..3 {
        assert_eq!(taken(&queue, &gate).await, Lane::FreshTransactional);
    }
    assert!(
        matches!(crowded_out(&queue, retried()), Some((_, Lane::RetriedTransactional, _))),
        "there is no more room than before"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_retried_keeps_room_for_a_parcel_a_connection() {
    let (queue, places, gate) = (unpaced(), Arc::new(Places::new(400)), gate());
    let fresh = || placed(&places, parcel(Transactional, 0, EPOCH));
    while crowded_out(&queue, fresh()).is_none() {}
    (0..2).for_each(|_| assert_eq!(crowded_out(&queue, placed(&places, parcel(Transactional, 1, EPOCH))), None));
    assert!(matches!(crowded_out(&queue, fresh()), Some((_, Lane::FreshTransactional, _))));
    let mut lanes = Vec::new();
    for _ in 0..20 {
        lanes.push(taken(&queue, &gate).await);
    }
    assert_eq!(lanes.iter().filter(|lane| **lane == Lane::RetriedTransactional).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_small_team_finds_room_among_the_thousands_of_a_large_one() {
    let (queue, places, gate) = (unpaced(), Arc::new(Places::new(400)), gate());
    let of = |team| placed(&places, fixture::parcel_of(team, Transactional, 0, EPOCH));
    while crowded_out(&queue, of(LARGE)).is_none() {}
    for _ in 0..3 {
        assert!(matches!(crowded_out(&queue, of(SMALL)), Some((LARGE, ..))));
    }
    assert!(matches!(crowded_out(&queue, of(LARGE)), Some((LARGE, ..))), "which makes way for nobody of its own");
    let mut teams = Vec::new();
    for _ in 0..6 {
        let parcel = queue.next(&gate).await.expect("a parcel");
        queue.done(&parcel, None, Instant::now());
        teams.push(parcel.claim.message.team);
    }
    assert_eq!(teams, [LARGE, SMALL, LARGE, SMALL, LARGE, SMALL]);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_waits_for_its_own_lane_alone() {
    let (queue, gate) = (bounded(), gate());
    let reply = Reply::fault("no connection");
    for _ in 0..3 {
        drop(queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0)));
        let parcel = queue.next(&gate).await.expect("a parcel");
        queue.done(&parcel, Some(Sign::Unreachable(&reply)), Instant::now());
    }
    for stream in [Broadcast, Transactional] {
        (0..1000).for_each(|_| assert!(crowded_out(&queue, parcel(stream, 1, EPOCH)).is_some()));
    }
    let (_, _, wait) = crowded_out(&queue, parcel(Transactional, 0, EPOCH)).expect("it is suspended");
    assert!(wait < Duration::from_secs(15), "{wait:?}: soon after the suspension, whatever else waits");
}

#[tokio::test(start_paused = true)]
async fn a_destination_with_a_pace_holds_no_more_than_goes_in_ten_seconds() {
    for (rate, room) in [(2.0, 20), (1.0 / 36.0, 1)] {
        let queue = Queue::bounded(Limits { rate: Some(rate), ..LIMITS }, Share::whole(2), Duration::from_secs(5));
        (0..room).for_each(|_| assert_eq!(crowded_out(&queue, parcel(Transactional, 0, EPOCH)), None));
        let Pushed::NoRoom(_, put_off) = queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0)) else { panic!("at {rate}") };
        assert!(put_off.why.starts_with("pace of ") && put_off.suspended.is_none(), "{put_off:?}");
        assert_eq!(crowded_out(&queue, parcel(Transactional, 1, EPOCH)), None, "what is retried has room of its own");
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_slow_destinations_leave_places_to_others() {
    let places = Arc::new(Places::new(512));
    let queues: Vec<Queue> = (0..50)
        .map(|_| Queue::bounded(Limits { connections: 9, rate: None, ..LIMITS }, Share::whole(9), Duration::from_secs(5)))
        .collect();
    for _ in 0..100 {
        for queue in &queues {
            if places.claimable(Transactional) > 0 {
                crowded_out(queue, placed(&places, parcel(Transactional, 0, EPOCH)));
            }
        }
    }
    assert!(places.claimable(Transactional) > 0, "{} are held", places.used());
}

#[tokio::test(start_paused = true)]
async fn a_slow_destination_leaves_a_third_of_the_places_to_others() {
    let (queue, places) = (unpaced(), Arc::new(Places::new(400)));
    let no_room = crowd(&places, 300).filter_map(|parcel| match queue.push(parcel, Timestamp(0)) {
        Pushed::NoRoom(_, put_off) => Some(put_off),
        _ => None,
    });
    let no_room: Vec<PutOff> = no_room.collect();
    assert!((90..110).contains(&no_room.len()), "{}", no_room.len());
    assert!(no_room.iter().all(|put_off| put_off.wait >= Duration::from_secs(1)));
    assert!(no_room.iter().all(|put_off| put_off.suspended.is_none()), "their turn will come");
    assert_eq!(no_room[0].why, "limit of 1 connection");
}

#[tokio::test(start_paused = true)]
async fn messages_keep_the_destinations_pace() {
    let (queue, gate) = (bounded(), gate());
    (0..3).for_each(|_| drop(queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0))));
    let began = Instant::now();
    for _ in 0..3 {
        taken(&queue, &gate).await;
    }
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_held_up_together_departs_at_the_destinations_pace() {
    let (queue, gate, second) = (bounded(), gate(), Duration::from_secs(1));
    (0..3).for_each(|_| drop(queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0))));
    for _ in 0..2 {
        assert!(queue.next(&gate).await.is_some());
    }
    tokio::time::advance(10 * second).await;
    let now = Instant::now();
    assert_eq!((queue.departs(), queue.departs(), queue.departs()), (None, Some(now + second), Some(now + 2 * second)));
    assert!(queue.next(&gate).await.is_some());
    assert_eq!(now.elapsed().as_secs(), 2, "nothing more is taken while others wait to depart");
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_under_a_dead_epoch_takes_no_turn() {
    let dead = (0..5).map(|_| parcel(Transactional, 0, EPOCH - 1));
    let (queue, gate, began) = (bounded(), gate(), Instant::now());
    dead.chain([parcel(Transactional, 0, EPOCH)]).for_each(|parcel| drop(queue.push(parcel, Timestamp(0))));
    assert!(queue.next(&gate).await.is_some_and(|parcel| parcel.claim.epoch == EPOCH));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_failures_puts_off_what_waits_and_what_comes() {
    let (queue, gate) = (bounded(), gate());
    let reply = Reply::fault("no connection");
    (0..5).for_each(|_| drop(queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0))));
    for _ in 0..3 {
        let parcel = queue.next(&gate).await.expect("a parcel");
        queue.done(&parcel, Some(Sign::Unreachable(&reply)), Instant::now());
    }
    assert_eq!(queue.put_off(Timestamp(0)).len(), 2);
    let Pushed::NoRoom(_, put_off) = queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0)) else { panic!("it was taken") };
    assert!(
        put_off.suspended == Some(reply) && put_off.why.starts_with("suspended until") && put_off.wait > Duration::from_secs(5),
        "{put_off:?}"
    );
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(queue.next(&gate).await.is_none(), "one of the two runners goes");
    assert!(!matches!(queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0)), Pushed::NoRoom(..)));
    assert!(queue.next(&gate).await.is_some(), "the other tries it");
}

fn demanding(demand: Demand) -> Parcel {
    let (domain, group) = ("one.example".to_owned(), Group("mx:one.example".into()));
    let targets = Arc::new(Targets { domain, group, hosts: Vec::new(), policy: Arc::default() });
    let service = Service { targets, destination: "mx:one.example".into(), limits: LIMITS, demand, stream: Transactional };
    Parcel { service: Some(Arc::new(service)), ..parcel(Transactional, 0, EPOCH) }
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_reach_by_its_own_demand_keeps_no_other_mail_waiting() {
    let (queue, gate, reply) = (bounded(), gate(), Reply::fault("STARTTLS is not offered"));
    let demands = [Demand::Encrypted; 4].into_iter().chain([Demand::Published]);
    demands.for_each(|demand| drop(queue.push(demanding(demand), Timestamp(0))));
    for _ in 0..3 {
        let parcel = queue.next(&gate).await.expect("a parcel");
        queue.done(&parcel, Some(Sign::Unreachable(&reply)), Instant::now());
    }
    let put_off: Vec<Demand> = queue.put_off(Timestamp(0)).iter().map(|(parcel, _)| parcel.demand()).collect();
    assert_eq!(put_off, [Demand::Encrypted]);
    let pushed = queue.push(demanding(Demand::Encrypted), Timestamp(0));
    assert!(matches!(pushed, Pushed::NoRoom(_, PutOff { suspended: Some(_), .. })), "{pushed:?}");
    assert!(queue.next(&gate).await.is_some_and(|parcel| parcel.demand() == Demand::Published));
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_other_engines_is_left_to_them() {
    let (queue, gate) = (bounded(), gate());
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)));
    queue.share(|limits| Share { owned: 0, of: limits.connections });
    assert!(queue.next(&gate).await.is_none(), "the runner goes");
    assert_eq!(queue.put_off(Timestamp(0)).len(), 1);
    let pushed = queue.push(parcel(Transactional, 0, EPOCH), Timestamp(0));
    assert!(matches!(pushed, Pushed::NoRoom(_, PutOff { suspended: None, .. })), "{pushed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_is_forgotten_whatever_its_share_and_a_slow_down_an_hour_later() {
    let (queue, gate) = (bounded(), gate());
    queue.share(|limits| Share { owned: 1, of: limits.connections });
    assert!(queue.is_idle());
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)));
    let parcel = queue.next(&gate).await.expect("a parcel");
    let slower = Reply::new(421, None, "slow down");
    queue.done(&parcel, Some(Sign::SlowDown(&slower)), Instant::now());
    assert!(queue.next(&gate).await.is_none() && !queue.gone());
    assert!(!queue.is_idle(), "the slow-down is remembered");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(queue.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_queue_remembers_when_its_last_message_went() {
    let hourly = Limits { rate: Some(10.0 / 3600.0), ..LIMITS };
    let (queue, gate) = (Queue::bounded(hourly, Share::whole(2), Duration::from_secs(5)), gate());
    assert!(starts(&queue, parcel(Transactional, 0, EPOCH)));
    taken(&queue, &gate).await;
    assert!(queue.next(&gate).await.is_none() && !queue.gone());
    assert!(!queue.is_idle(), "another may go in six minutes");
    tokio::time::advance(Duration::from_secs(360)).await;
    assert!(queue.is_idle());
}

#[tokio::test]
async fn a_runner_that_falls_counts_no_more_nor_does_what_it_had_in_hand() {
    let suspect = || Parcel { suspect: true, ..parcel(Broadcast, 0, EPOCH) };
    let (queue, gate) = (queue(1, [suspect(), suspect(), parcel(Broadcast, 0, EPOCH)]), gate());
    for _ in 0..3 {
        let parcel = queue.next(&gate).await.expect("a parcel");
        let in_hand = Some((Broadcast, parcel.suspect.then_some(parcel.claim.message.id)));
        let more = queue.with(|state| state.waiting() > 0);
        assert_eq!(queue.fell(in_hand), more, "as long as something waits, somebody else comes");
    }
    assert!(queue.is_idle());
}
