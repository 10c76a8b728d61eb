//! Shared commits: whoever writes hands its work in here; one transaction and one fsync answer all that have gathered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::id::{Id, Ids};
use crate::store::accept::{self, Acceptance, Accepted, Placed};
use crate::store::claim::{self, ClaimedRows, Request};
use crate::store::db::{Db, Tx, repeated};
use crate::store::gather::{Bounds, Gather};
use crate::store::handover::Scheduler;
use crate::store::listen::Rope;
use crate::store::refusals::{self, RefusalRecord};
use crate::store::settle::{self, Settlement};
use crate::store::sheet::Sheet;
use crate::store::{Store, StoreError};

/// What one transaction may hold.
const BATCH: Bounds = Bounds { items: 256, octets: 8 << 20 };
/// So much work must wait before a second committer joins in.
pub(super) const CROWD: usize = 64;
/// A batch that takes longer (a large message, a lock that another process holds) does not keep others waiting where there are more
/// committers than one.
const LONG: Duration = Duration::from_millis(50);

/// Where an answer goes. The asker may be gone: the work is done all the same, but for an acceptance that was not begun by then.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// One piece of work for a committer.
pub(super) enum Work {
    Accept { acceptance: Box<Acceptance>, reply: Answer<Accepted> },
    Settle { settlement: Box<Settlement>, reply: Answer<usize> },
    Claim { request: Request, reply: Answer<ClaimedRows> },
    Refuse(Box<RefusalRecord>),
}

/// What a committer works with.
#[derive(Clone)]
pub(super) struct Desk {
    db: Db,
    clock: Clock,
    ids: Ids,
    scheduler: Arc<Mutex<Option<Arc<dyn Scheduler>>>>,
    rope: Rope,
    noted: Arc<Notify>,
    catching_up: Arc<tokio::sync::Mutex<()>>,
    name: Arc<str>,
}

impl Desk {
    /// A desk without a name; committers get theirs from [`start`].
    pub fn new(db: Db, clock: Clock) -> Self {
        let ids = Ids::random(clock.clone());
        Self {
            db,
            clock,
            ids,
            scheduler: Arc::default(),
            rope: Rope::new(),
            noted: Arc::default(),
            catching_up: Arc::default(),
            name: "operator".into(),
        }
    }

    /// The engine of this process, once it is attached.
    pub fn scheduler(&self) -> Option<Arc<dyn Scheduler>> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Attaches the engine of this process, in the place of an earlier one.
    pub fn attach(&self, scheduler: Arc<dyn Scheduler>) {
        *self.scheduler.lock().unwrap_or_else(PoisonError::into_inner) = Some(scheduler);
    }

    /// The rope to the bells of other processes.
    pub fn rope(&self) -> &Rope {
        &self.rope
    }

    /// Held by the one endpoint of this process that catches up now.
    pub fn catching_up(&self) -> &tokio::sync::Mutex<()> {
        &self.catching_up
    }

    /// Rung when events may have been noted for endpoints.
    pub fn noted(&self) -> &Notify {
        &self.noted
    }

    /// Commits what a sheet was written into, outside the shared commits.
    pub async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.noted.notify_one();
        Ok(())
    }

    /// The committer's name in the counters.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connections.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The clock that times are taken from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A new id.
    pub fn next_id(&self) -> Id {
        self.ids.next()
    }
}

impl Store {
    /// Hands work in and waits for its answer.
    pub(super) async fn submit<T>(&self, octets: usize, work: impl FnOnce(Answer<T>) -> Work) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        if !self.work().add(octets, work(reply)).await {
            return Err(closing());
        }
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    /// Hands work in that came together, and waits for the answers, all in all for so long.
    pub(super) async fn submit_all<T, W>(&self, items: Vec<(usize, W)>, patience: Duration) -> Vec<Result<T, StoreError>>
    where
        W: FnOnce(Answer<T>) -> Work,
    {
        let until = tokio::time::Instant::now() + patience;
        let (mut answers, mut works) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (octets, work) in items {
            let (reply, answer) = oneshot::channel();
            works.push((octets, work(reply)));
            answers.push(answer);
        }
        // When they are not taken up, their answers are dropped with them.
        let _ = tokio::time::timeout_at(until, self.work().add_all(works)).await;
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(match tokio::time::timeout_at(until, answer).await {
                Ok(answer) => answer.unwrap_or_else(|_| Err(closing())),
                Err(_) => Err(StoreError::Unavailable("it does not answer".to_owned())),
            });
        }
        outcomes
    }
}

pub(super) fn closing() -> StoreError {
    StoreError::Unavailable("it is being closed".to_owned())
}

/// Starts the committers; they end when the queue is closed and empty.
pub(super) fn start(desk: &Desk, work: &Gather<Work>) -> Vec<tokio::task::JoinHandle<()>> {
    // Few names, so that counters have few rows; two processes that draw the same one only wait for each other now and then.
    let process: u8 = rand::random_range(0..32);
    let committers = desk.db.committers();
    let committer = |number| {
        let name = if desk.db.is_sqlite() { "writer".into() } else { format!("{process:02}/{number}").into() };
        let (desk, work) = (Desk { name, ..desk.clone() }, work.clone());
        // A panic costs the batch it arose in, whose askers hear that the store is away; never the committer.
        tokio::spawn(async move { while tokio::spawn(commit(desk.clone(), work.clone())).await.is_err() {} })
    };
    (0..committers).map(committer).collect()
}

/// One committer's work, until the queue is closed and empty.
async fn commit(desk: Desk, work: Gather<Work>) {
    let mut worker = work.worker();
    while let Some(batch) = worker.batch(BATCH).await {
        let items = batch.len();
        let mut writing = std::pin::pin!(write(&desk, Batch::sort(batch)));
        if tokio::time::timeout(LONG, &mut writing).await.is_err() {
            worker.step_aside();
            writing.await;
        }
        desk.db.committed(items);
    }
}

/// Gathered work, sorted by kind.
#[derive(Default)]
struct Batch {
    accepts: Vec<(Box<Acceptance>, Answer<Accepted>)>,
    settles: Vec<(Settlement, Answer<usize>)>,
    claims: Vec<(Request, Answer<ClaimedRows>)>,
    refusals: Vec<RefusalRecord>,
}

/// What a committed batch answers, in its order.
struct Written {
    placed: Vec<Placed>,
    fenced: Vec<usize>,
    claimed: Vec<ClaimedRows>,
}

impl Batch {
    fn sort(work: Vec<Work>) -> Self {
        let mut batch = Self::default();
        for item in work {
            match item {
                // Whoever offered it was told to come again, or left without a word.
                Work::Accept { reply, .. } if reply.is_closed() => {}
                Work::Accept { acceptance, reply } => batch.accepts.push((acceptance, reply)),
                Work::Settle { settlement, reply } => batch.settles.push((*settlement, reply)),
                Work::Claim { request, reply } => batch.claims.push((request, reply)),
                Work::Refuse(refusal) => batch.refusals.push(*refusal),
            }
        }
        batch
    }

    fn len(&self) -> usize {
        self.accepts.len() + self.settles.len() + self.claims.len() + self.refusals.len()
    }

    /// Two halves, by kind first, so that one bad row is soon alone.
    fn halve(mut self) -> [Self; 2] {
        let kinds = [!self.accepts.is_empty(), !self.settles.is_empty(), !self.claims.is_empty(), !self.refusals.is_empty()];
        if kinds.iter().filter(|k| **k).count() > 1 {
            let accepts = Self { accepts: std::mem::take(&mut self.accepts), ..Self::default() };
            if accepts.len() > 0 {
                return [accepts, self];
            }
            let settles = Self { settles: std::mem::take(&mut self.settles), ..Self::default() };
            if settles.len() > 0 {
                return [settles, self];
            }
            let claims = Self { claims: std::mem::take(&mut self.claims), ..Self::default() };
            return [claims, self];
        }
        let second = Self {
            accepts: self.accepts.split_off(self.accepts.len() / 2),
            settles: self.settles.split_off(self.settles.len() / 2),
            claims: self.claims.split_off(self.claims.len() / 2),
            refusals: self.refusals.split_off(self.refusals.len() / 2),
        };
        [self, second]
    }

    fn fail(self, error: &StoreError) {
        for (_, reply) in self.accepts {
            let _ = reply.send(Err(error.clone()));
        }
        for (_, reply) in self.settles {
            let _ = reply.send(Err(error.clone()));
        }
        for (_, reply) in self.claims {
            let _ = reply.send(Err(error.clone()));
        }
    }

    /// The commit is durable: hand over what was claimed, and answer everyone.
    fn answer(self, written: Written, desk: &Desk) {
        let (mut left_ready, mut for_others, scheduler) = (Vec::new(), false, desk.scheduler());
        for ((acceptance, reply), placed) in self.accepts.into_iter().zip(written.placed) {
            match (placed.slot, &scheduler) {
                (Some((epoch, slot)), Some(scheduler)) => scheduler.hand_over(slot, accept::claim_of(&acceptance, epoch)),
                _ if placed.verdict == Accepted::New => {
                    for_others |= acceptance.is_due();
                    left_ready.push(acceptance.message.stream);
                }
                _ => {}
            }
            let _ = reply.send(Ok(placed.verdict));
        }
        for ((settlement, reply), fenced) in self.settles.into_iter().zip(written.fenced) {
            for_others |= fenced < settlement.outcomes.len() && settlement.releases();
            left_ready.extend(settlement.notices.iter().map(|(_, notice)| notice.message.stream));
            let _ = reply.send(Ok(fenced));
        }
        for ((_, reply), claimed) in self.claims.into_iter().zip(written.claimed) {
            let _ = reply.send(Ok(claimed));
        }
        left_ready.sort_unstable();
        left_ready.dedup();
        if let Some(scheduler) = scheduler {
            left_ready.into_iter().for_each(|stream| scheduler.wake(stream));
        }
        if for_others {
            desk.rope().pull();
        }
    }
}

/// Writes a batch, halving it for as long as it fails by what may be the fault of one row.
async fn write(desk: &Desk, batch: Batch) {
    let mut open = vec![batch];
    // All askers of a batch may be gone.
    while let Some(batch) = open.pop().filter(|batch| batch.len() > 0) {
        match repeated(|| write_once(desk, &batch)).await {
            Ok(written) => {
                batch.answer(written, desk);
                desk.noted().notify_one();
            }
            Err(error) if error.may_be_one_rows_fault() && batch.len() > 1 => open.extend(batch.halve().into_iter().rev()),
            Err(error) => {
                tracing::warn!(%error, rows = batch.len(), "a batch was not written");
                batch.fail(&error);
            }
        }
    }
}

/// One transaction. When it fails, the slots that were taken go back as they are dropped.
async fn write_once(desk: &Desk, batch: &Batch) -> Result<Written, StoreError> {
    match write_at_once(desk, batch).await {
        // A key was taken, a claim does not stand, or a row is bad: the long way tells which.
        None => {}
        Some(Err(error)) if error.may_be_one_rows_fault() => {}
        Some(outcome) => return outcome,
    }
    let mut tx = desk.db.begin().await?;
    let written = fill(desk, batch, &mut tx).await?;
    tx.commit().await?;
    Ok(written)
}

/// The short way, in one exchange with the database, for a batch that only accepts and settles, nothing large among it: nearly all
/// messages are new, and nearly all claims stand.
async fn write_at_once(desk: &Desk, batch: &Batch) -> Option<Result<Written, StoreError>> {
    if !batch.claims.is_empty() {
        return None;
    }
    let mut sheet = Sheet::default();
    let settles: Vec<&Settlement> = batch.settles.iter().map(|(settlement, _)| settlement).collect();
    if !settle::fill_as_claimed(&settles, desk, &mut sheet) {
        return None;
    }
    let accepts: Vec<&Acceptance> = batch.accepts.iter().map(|(acceptance, _)| &**acceptance).collect();
    let (placed, keys) = accept::fill_as_new(&accepts, desk, &mut sheet);
    if !sheet.rests.is_empty() {
        return None;
    }
    sheet.refusals = batch.refusals.iter().map(|refusal| refusals::row(desk.next_id(), refusal)).collect();
    let written = sheet.write_whole(keys, &desk.db, desk.name()).await;
    Some(written.map(|()| Written { placed, fenced: vec![0; batch.settles.len()], claimed: Vec::new() }))
}

async fn fill(desk: &Desk, batch: &Batch, tx: &mut Tx) -> Result<Written, StoreError> {
    let mut sheet = Sheet::default();
    let accepts: Vec<&Acceptance> = batch.accepts.iter().map(|(acceptance, _)| &**acceptance).collect();
    let placed = accept::fill(tx, &accepts, desk, &mut sheet).await?;
    let settles: Vec<&Settlement> = batch.settles.iter().map(|(settlement, _)| settlement).collect();
    let fenced = settle::fill(tx, &settles, desk, &mut sheet).await?;
    sheet.refusals = batch.refusals.iter().map(|refusal| refusals::row(desk.next_id(), refusal)).collect();
    sheet.write(tx, desk.name()).await?;
    let mut claimed = Vec::with_capacity(batch.claims.len());
    for (request, _) in &batch.claims {
        claimed.push(claim::update(tx, request, desk).await?);
    }
    Ok(Written { placed, fenced, claimed })
}
