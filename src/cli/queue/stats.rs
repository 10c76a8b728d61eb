//! `posthouse queue stats`: how much there is of what.

use serde_json::{Map, Value, json};

use crate::cli::output;
use crate::store::Store;
use crate::store::read::QueueStats;

/// Prints the counts.
pub async fn stats(store: &Store, json: bool) -> anyhow::Result<()> {
    let stats = store.queue_stats().await?;
    if json {
        return output::json(&record(&stats));
    }
    let lanes = stats.by_lane.iter().map(|(lane, count)| (format!("lane {}", lane.as_str()), *count));
    let domains = stats.by_domain.iter().map(|(domain, count)| (format!("open to {domain}"), *count));
    let all = totals(&stats).map(|(name, count)| (name.to_owned(), count)).chain(lanes).chain(domains);
    let rows: Vec<_> = all.map(|(name, count)| [name, count.to_string()]).collect();
    output::table(["WHAT", "COUNT"], &rows)
}

fn totals(stats: &QueueStats) -> impl Iterator<Item = (&'static str, u64)> {
    let states = stats.by_state.iter().map(|(state, count)| (state.as_str(), *count));
    let damaged = (stats.damaged > 0).then_some(("damaged", stats.damaged));
    [("messages", stats.messages), ("due", stats.due)].into_iter().chain(states).chain(damaged)
}

fn record(stats: &QueueStats) -> Map<String, Value> {
    let mut record: Map<String, Value> = totals(stats).map(|(name, count)| (name.to_owned(), count.into())).collect();
    let lanes: Map<String, Value> =
        stats.by_lane.iter().map(|(lane, count)| (lane.as_str().to_owned(), (*count).into())).collect();
    let domains = stats.by_domain.iter().map(|(domain, count)| json!({ "domain": domain, "recipients": count }));
    record.insert("lanes".to_owned(), lanes.into());
    record.insert("domains".to_owned(), domains.collect());
    record
}
