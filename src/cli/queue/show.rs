//! `posthouse queue show`: one message, and the answer to why it waits.

use anyhow::Context as _;

use crate::cli::output;
use crate::cli::queue::attempt::{self, ShownAttempt};
use crate::cli::queue::record::{self, Record, ShownEvent};
use crate::id::Id;
use crate::model::event::Event;
use crate::store::Store;
use crate::store::events::{AT_ONCE, EventPage};
use crate::store::read::Listed;

/// Prints the message.
pub async fn show(store: &Store, id: Id, json: bool) -> anyhow::Result<()> {
    let listed = store.message(None, id).await?.with_context(|| format!("there is no message {id}"))?;
    let EventPage { events, next } = store.events_behind(id, None, AT_ONCE).await?;
    let attempts: Vec<ShownAttempt> = events.iter().filter_map(ShownAttempt::of).collect();
    if json {
        let mut record = serde_json::to_value(Record::of(&listed))?;
        record["attempts"] = serde_json::to_value(&attempts)?;
        record["events"] = serde_json::to_value(events.iter().map(ShownEvent::of).collect::<Vec<_>>())?;
        record["has_more_events"] = next.is_some().into();
        return output::json(&record);
    }
    head(&listed)?;
    let record = Record::of(&listed);
    part("", || record::table(&record.rows()))?;
    let waits: Vec<String> = record.waits().collect();
    if !waits.is_empty() {
        part("waits:", || waits.iter().try_for_each(|wait| output::line(&output::clean(wait))))?;
    }
    if !attempts.is_empty() {
        part("attempts:", || attempt::table(&attempts))?;
    }
    let others: Vec<&Event> = events.iter().filter(|event| ShownAttempt::of(event).is_none()).collect();
    if !others.is_empty() {
        part("events:", || others.iter().try_for_each(|event| output::line(&ShownEvent::of(event).line())))?;
    }
    if next.is_some() {
        output::line("and more")?;
    }
    Ok(())
}

fn head(listed: &Listed) -> anyhow::Result<()> {
    let m = &listed.message;
    let from = m.reverse_path.as_deref().unwrap_or("<>");
    for (name, value) in [("from", from), ("subject", &m.subject), ("message-id", &m.message_id)] {
        output::line(&format!("{name:11} {}", output::clean(value)))?;
    }
    output::line(&format!("{:11} {}, {} octets, {}", "accepted", m.created_at.rfc3339(), m.size, m.stream))
}

/// A part of the answer, after an empty line.
fn part(title: &str, print: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    output::line("")?;
    if !title.is_empty() {
        output::line(title)?;
    }
    print()
}
