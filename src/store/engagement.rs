//! Opens and clicks, each an event of its message. What comes while the last transaction is written goes into the next one; mail has its
//! own, and waits for none of this.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinHandle;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::engagement::Engagement;
use crate::model::event::{Event, EventKind};
use crate::model::statistics::Day;
use crate::store::commit::{Answer, Desk};
use crate::store::db::{Tx, repeated};
use crate::store::gather::{Bounds, Gather};
use crate::store::sheet::Sheet;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, commit, rows};

/// Events that are kept of one recipient's copy: opens, and clicks. As many of people as of programs, so that neither takes the other's
/// place.
const OPENS_KEPT: i64 = 50;
const CLICKS_KEPT: i64 = 100;
/// How often one reader's wish by a link of a copy is kept as an event, and as often that it was taken back.
const WISHES_KEPT: i64 = 20;
/// All copies of a message together have as many opens and clicks as this many with all of theirs: of a message for more less is kept of each.
const FULL_COPIES: i64 = 100;
/// What one transaction takes.
const BATCH: Bounds = Bounds { items: 256, octets: 1 << 20 };

/// What is known of these copies; those of no message are left out.
pub(super) static LOOK: Sql = Sql::rows(
    "SELECT v.n AS n, m.team_id AS team_id, m.created_at AS created_at, m.recipients AS recipients,
         COALESCE(e.people, 0) AS people, COALESCE(e.programs, 0) AS programs
     FROM {rows} JOIN outbound_messages m ON m.id = v.message
         LEFT JOIN engagements e ON e.message_id = v.message AND e.recipient = v.place AND e.kind = v.kind
     WHERE m.sandbox = 0 AND v.place < m.recipients",
    &[("n", Kind::Int), ("message", Kind::Bytes), ("place", Kind::Int), ("kind", Kind::Text)],
);

pub(super) static COUNT: Sql = Sql::rows(
    "INSERT INTO engagements (message_id, recipient, kind, people, programs)
     SELECT message, place, kind, people, programs FROM {rows} WHERE TRUE ORDER BY message, place, kind
     ON CONFLICT (message_id, recipient, kind) DO UPDATE SET
         people = engagements.people + excluded.people, programs = engagements.programs + excluded.programs",
    &[("message", Kind::Bytes), ("place", Kind::Int), ("kind", Kind::Text), ("people", Kind::Int), ("programs", Kind::Int)],
);

static KEPT: Sql = Sql::new("SELECT people FROM engagements WHERE message_id = $1 AND recipient = $2 AND kind = $3");

/// Of two transactions that meet here only one has the first.
pub(super) static FIRST: Sql = Sql::rows(
    "INSERT INTO first_events (message_id, kind, at) SELECT message, kind, at FROM {rows} WHERE TRUE ORDER BY message, kind
     ON CONFLICT (message_id, kind) DO NOTHING
     RETURNING message_id, kind",
    &[("message", Kind::Bytes), ("kind", Kind::Text), ("at", Kind::Int)],
);

/// Of messages of whose events none is kept any more: until then the counts say how many more there may be. Complaints stay, and say nothing.
pub(super) static FORGET: Sql = Sql::rows(
    "DELETE FROM engagements WHERE message_id IN (
         SELECT v.message FROM {rows}
         WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.message_id = v.message AND e.kind <> 'complained'))",
    &[("message", Kind::Bytes)],
);

record!(LookRow { n: i64, team_id: Vec<u8>, created_at: i64, recipients: i64, people: i64, programs: i64 });
record!(KeptRow { people: i64 });
record!(FirstRow { message_id: Vec<u8>, kind: String });

/// An engagement that waits to be written.
pub(super) struct Noted {
    engagement: Engagement,
    reply: Answer<bool>,
}

/// Whose copy of which message, and the word of what was done with it.
type CopyKind = (Id, i64, &'static str);

/// What is known of it, and what is added.
struct Tally {
    team: Id,
    day: Day,
    /// Of the message.
    recipients: i64,
    /// Of people, and of programs.
    kept: [i64; 2],
    added: [i64; 2],
}

impl Store {
    /// Writes what was done as an event, unless enough of its kind is kept. A person's first open, and first click, of a message is
    /// counted, and is when it was opened, or clicked. False: nothing is written; the message may be none of ours. Durable when it returns.
    pub async fn engage(&self, engagement: Engagement) -> Result<bool, StoreError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        if !self.engagements().add(1024, Noted { engagement, reply }).await {
            return Err(commit::closing());
        }
        answer.await.unwrap_or_else(|_| Err(commit::closing()))
    }
}

/// Notes that the reader of a copy went to or fro by a link. False: enough of that is kept, and this is no event.
pub(super) async fn wishes(tx: &mut Tx, message: Id, place: i64, kind: EventKind) -> Result<bool, StoreError> {
    let kept = tx.fetch::<KeptRow>(&KEPT, &values![message, place, kind.as_str()], &[]).await?.pop();
    if kept.is_some_and(|kept| kept.people >= WISHES_KEPT) {
        return Ok(false);
    }
    tx.run(&COUNT, &[], &[values![message, place, kind.as_str(), 1i64, 0i64]]).await?;
    Ok(true)
}

/// Starts who writes them; it ends when the queue is closed and empty.
pub(super) fn start(desk: &Desk, noted: &Gather<Noted>) -> JoinHandle<()> {
    let (desk, noted) = (desk.clone(), noted.clone());
    // A panic costs the batch it arose in, whose askers hear that the store is away.
    tokio::spawn(async move { while tokio::spawn(work(desk.clone(), noted.clone())).await.is_err() {} })
}

async fn work(desk: Desk, noted: Gather<Noted>) {
    let mut worker = noted.worker();
    while let Some(batch) = worker.batch(BATCH).await {
        let items = batch.len();
        match repeated(|| write(&desk, &batch)).await {
            Ok(written) => answer(batch, written.into_iter().map(Ok)),
            Err(error) if error.may_be_one_rows_fault() && items > 1 => {
                for one in batch {
                    let written = repeated(|| write(&desk, std::slice::from_ref(&one))).await;
                    let _ = one.reply.send(written.map(|written| written == [true]));
                }
            }
            Err(error) => answer(batch, std::iter::repeat_with(|| Err(error.clone()))),
        }
    }
}

fn answer(batch: Vec<Noted>, answers: impl Iterator<Item = Result<bool, StoreError>>) {
    for (one, answer) in batch.into_iter().zip(answers) {
        let _ = one.reply.send(answer);
    }
}

/// For each, whether it was written: in one transaction, which is not begun for what can't be. Whoever follows one link again and again
/// takes no turn of those who write.
async fn write(desk: &Desk, batch: &[Noted]) -> Result<Vec<bool>, StoreError> {
    let copies = Copies::of(batch);
    let known = copies.tallies(desk.db().fetch_rows(&LOOK, Vec::new(), &copies.rows()).await?)?;
    let may_be_written = |one: &Noted| known.get(&copy(&one.engagement)).is_some_and(|tally| tally.has_room(&one.engagement));
    if !batch.iter().any(may_be_written) {
        return Ok(vec![false; batch.len()]);
    }
    let mut tx = desk.db().begin().await?;
    let mut tallies = copies.tallies(tx.fetch(&LOOK, &[], &copies.rows()).await?)?;
    let (mut sheet, mut firsts) = (Sheet::default(), Firsts::new());
    // Where there is one writer, all that was written before has an earlier time.
    let at = desk.clock().now();
    let mut told = |one: &Noted| tell(desk, one, at, &mut tallies, &mut firsts, &mut sheet);
    let written: Vec<bool> = batch.iter().map(&mut told).collect();
    if written.contains(&true) {
        let counted: Vec<_> = tallies.iter().filter_map(|(copy, tally)| tally.row(copy)).collect();
        tx.run(&COUNT, &[], &counted).await?;
        count_firsts(&mut tx, &firsts, &mut sheet).await?;
        sheet.write(&mut tx, desk.name()).await?;
        desk.commit(tx).await?;
        desk.db().committed(batch.len());
    }
    Ok(written)
}

/// Puts the event of one on the sheet, unless there is no room for it.
fn tell(
    desk: &Desk,
    one: &Noted,
    at: Timestamp,
    tallies: &mut BTreeMap<CopyKind, Tally>,
    firsts: &mut Firsts,
    sheet: &mut Sheet,
) -> bool {
    let Engagement { message, place, by, .. } = &one.engagement;
    let (kind, detail) = (one.engagement.kind(), one.engagement.detail());
    let Some(tally) = tallies.get_mut(&copy(&one.engagement)).filter(|tally| tally.has_room(&one.engagement)) else {
        return false;
    };
    tally.added[usize::from(by.automated)] += 1;
    let (id, team) = (desk.next_id(), tally.team);
    sheet.tell(&Event { id, team, message: *message, recipient: Some(*place), kind, at, detail });
    if !by.automated {
        firsts.entry((*message, kind.as_str())).or_insert((at, team, tally.day));
    }
    true
}

fn copy(engagement: &Engagement) -> CopyKind {
    (engagement.message, engagement.place, engagement.kind().as_str())
}

/// The copies that a batch is about, each once.
struct Copies(Vec<CopyKind>);

impl Copies {
    fn of(batch: &[Noted]) -> Self {
        let copies: BTreeSet<CopyKind> = batch.iter().map(|one| copy(&one.engagement)).collect();
        Self(copies.into_iter().collect())
    }

    /// The rows of [`LOOK`].
    fn rows(&self) -> Vec<Vec<Value>> {
        self.0.iter().zip(0i64..).map(|((id, place, kind), n)| values![n, *id, *place, *kind]).collect()
    }

    /// What was found of them: of those that are copies of our messages.
    fn tallies(&self, found: Vec<LookRow>) -> Result<BTreeMap<CopyKind, Tally>, StoreError> {
        let mut tallies = BTreeMap::new();
        for row in found {
            let copy =
                usize::try_from(row.n).ok().and_then(|n| self.0.get(n)).ok_or_else(|| rows::broken("engagements", &row.n))?;
            let (team, day) = (rows::id(&row.team_id)?, Day::at(Timestamp(row.created_at)));
            let (recipients, kept) = (row.recipients, [row.people, row.programs]);
            tallies.insert(*copy, Tally { team, day, recipients, kept, added: [0, 0] });
        }
        Ok(tallies)
    }
}

/// By message and an event's word, when a person did it, and the team and the day of the message.
type Firsts = BTreeMap<(Id, &'static str), (Timestamp, Id, Day)>;

/// Counts the messages whose people did this for the first time.
async fn count_firsts(tx: &mut Tx, firsts: &Firsts, sheet: &mut Sheet) -> Result<(), StoreError> {
    let rows: Vec<_> = firsts.iter().map(|((message, kind), (at, ..))| values![*message, *kind, *at]).collect();
    if rows.is_empty() {
        return Ok(());
    }
    for row in tx.fetch::<FirstRow>(&FIRST, &[], &rows).await? {
        let message = rows::id(&row.message_id)?;
        let known = firsts.iter().find(|((id, kind), _)| *id == message && *kind == row.kind);
        let ((_, kind), (_, team, day)) = known.ok_or_else(|| rows::broken("first_events", &row.kind))?;
        sheet.counts.add_on(*day, *team, *kind, 1);
    }
    Ok(())
}

impl Tally {
    /// Whether one more of its kind is kept.
    fn has_room(&self, engagement: &Engagement) -> bool {
        let most = if engagement.kind() == EventKind::Opened { OPENS_KEPT } else { CLICKS_KEPT };
        let most = (most * FULL_COPIES / self.recipients.max(FULL_COPIES)).max(1);
        let by = usize::from(engagement.by.automated);
        self.kept[by] + self.added[by] < most
    }

    /// A row of [`COUNT`], where anything is added.
    fn row(&self, (message, place, kind): &CopyKind) -> Option<Vec<Value>> {
        let [people, programs] = self.added;
        (people + programs > 0).then(|| values![*message, *place, *kind, people, programs])
    }
}
