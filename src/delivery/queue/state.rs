//! The state of one destination's queue, changed under its lock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::burden::Burden;
use crate::delivery::parcel::Parcel;
use crate::delivery::security::Demand;
use crate::delivery::shape::horizon::Horizon;
use crate::delivery::shape::manner::Manner;
use crate::delivery::turns::Turns;
use crate::id::Id;
use crate::model::stream::Stream;
use crate::store::claim::Lane;

/// After the next hop turned a connection away while it served others, for so long no further one is tried.
pub(super) const READMIT_AFTER: Duration = Duration::from_secs(30);

/// The order in which lanes are served at a turn: fresh before retried and transactional before broadcast, but nobody starves.
/// Broadcast goes first at a tenth of the turns, half of them retried before fresh, and what is retried of transactional mail at another.
pub fn order(turn: u64) -> [Lane; 4] {
    use Lane::{FreshBroadcast, FreshTransactional, RetriedBroadcast, RetriedTransactional};
    match turn % 20 {
        4 | 14 => [RetriedTransactional, FreshTransactional, RetriedBroadcast, FreshBroadcast],
        9 => [FreshBroadcast, RetriedBroadcast, FreshTransactional, RetriedTransactional],
        19 => [RetriedBroadcast, FreshBroadcast, FreshTransactional, RetriedTransactional],
        _ => Lane::ALL,
    }
}

/// The stream whose recipients are in the lane.
pub fn stream_of(lane: Lane) -> Stream {
    match lane {
        Lane::FreshTransactional | Lane::RetriedTransactional => Stream::Transactional,
        Lane::FreshBroadcast | Lane::RetriedBroadcast => Stream::Broadcast,
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub lanes: [Turns; 4],
    pub burden: Burden,
    /// Suspects, of which one at a time is let out.
    pub file: VecDeque<Parcel>,
    /// The one that is out.
    out_of_file: Option<Id>,
    pub turn: u64,
    pub runners: usize,
    /// Of these, such as take nothing more, and end their connections.
    pub leaving: usize,
    /// Runners that wait for work.
    pub idle: usize,
    /// Runners that carry broadcast mail.
    pub broadcasting: usize,
    /// Runners that the next hop lets in: less than its limits for a while after it turned one away.
    admitted: usize,
    readmit_at: Option<Instant>,
    pub manner: Manner,
    /// Of mail of each demand, since each is suspended by itself, and of each lane.
    pub horizons: HashMap<(Demand, Lane), Horizon>,
}

impl State {
    /// Nothing waits, and nobody works.
    pub fn new(manner: Manner) -> Self {
        Self {
            lanes: Default::default(),
            burden: Burden::default(),
            file: VecDeque::new(),
            out_of_file: None,
            turn: 0,
            runners: 0,
            leaving: 0,
            idle: 0,
            broadcasting: 0,
            admitted: usize::MAX,
            readmit_at: None,
            manner,
            horizons: HashMap::new(),
        }
    }

    /// The next hop lets in no more than there are, for a while.
    pub fn admit_no_more(&mut self) {
        self.admitted = self.staying();
        self.readmit_at = Some(Instant::now() + READMIT_AFTER);
    }

    /// Runners that work on.
    pub fn staying(&self) -> usize {
        self.runners - self.leaving
    }

    /// A parcel waits, whether or not there is room.
    pub fn add(&mut self, parcel: Parcel) {
        self.burden.add(&parcel.place);
        match parcel.suspect {
            true => self.file.push_back(parcel),
            false => self.lanes[parcel.lane() as usize].push(parcel),
        }
    }

    /// Parcels that a runner could take now, as far as connections go.
    pub fn waiting(&self) -> usize {
        let lanes: usize = self.lanes.iter().map(Turns::len).sum();
        lanes + usize::from(self.out_of_file.is_none() && !self.file.is_empty())
    }

    /// Everything that waits and `goes`.
    pub fn take_out(&mut self, goes: impl Fn(&Manner, &Parcel) -> bool) -> Vec<Parcel> {
        let goes = |parcel: &Parcel| goes(&self.manner, parcel);
        let (suspects, stay) = self.file.drain(..).partition(goes);
        self.file = stay;
        self.lanes.iter_mut().flat_map(|lane| lane.take_out(goes)).chain(Vec::from(suspects)).collect()
    }

    /// The suspect that may go.
    pub fn next_of_file(&self, broadcast_may: bool) -> Option<Id> {
        let first = self.file.front().filter(|first| broadcast_may || first.stream() == Stream::Transactional)?;
        self.out_of_file.is_none().then_some(first.claim.message.id)
    }

    pub fn pop_file(&mut self, message: Id) -> Option<Parcel> {
        self.out_of_file = Some(message);
        self.file.pop_front()
    }

    /// A suspect that is no longer the one that is out changes nothing.
    pub fn back_in_file(&mut self, message: Id) {
        self.out_of_file.take_if(|out| *out == message);
    }

    pub fn done(&mut self, parcel: &Parcel) {
        self.no_longer_in_hand(parcel.stream(), parcel.suspect.then_some(parcel.claim.message.id));
    }

    /// A runner is done with something of this stream, which is this suspect, if it is one.
    pub fn no_longer_in_hand(&mut self, stream: Stream, suspect: Option<Id>) {
        self.broadcasting -= usize::from(stream == Stream::Broadcast);
        if let Some(suspect) = suspect {
            self.back_in_file(suspect);
        }
    }

    pub fn waiting_of(&self, stream: Stream) -> usize {
        let lanes = match stream {
            Stream::Transactional => [Lane::FreshTransactional, Lane::RetriedTransactional],
            Stream::Broadcast => [Lane::FreshBroadcast, Lane::RetriedBroadcast],
        };
        lanes.into_iter().map(|lane| self.lanes[lane as usize].len()).sum()
    }

    /// Connections that it is to have now, as it behaves.
    pub fn connections(&self) -> usize {
        self.admitted.min(self.manner.connections() as usize)
    }

    pub fn wants_runner(&mut self) -> bool {
        if self.readmit_at.is_some_and(|at| at <= Instant::now()) {
            (self.admitted, self.readmit_at) = (usize::MAX, None);
        }
        let wanted = self.waiting() > self.idle && self.runners < self.connections();
        self.runners += usize::from(wanted);
        wanted
    }
}
