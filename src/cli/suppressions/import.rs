//! `posthouse suppressions import`: a list of addresses from a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::context::TeamChoice;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::clock::Clock;
use crate::store::Store;
use crate::suppressions::import::{Import, Tally, of_csv};

/// Reads the file, or standard input where it is `-`, and tells what came of it. Refused lines make it fail, after all else is written.
pub async fn run(store: &Store, team: &TeamChoice, file: &Path, json: bool) -> anyhow::Result<()> {
    let team = team.find(store).await?.id;
    let mut import = Import::new(store.clone(), team, Clock::System.now(), of_csv(source(file)?));
    let mut progress = Progress::begin();
    while import.step().await? {
        progress.say(|| told(&import.tally));
    }
    progress.end();
    let tally = import.tally;
    for fault in &tally.faults {
        output::complain(&format!("line {}: {}", fault.line, output::clean(&fault.error)));
    }
    if json {
        output::json(&json!({"read": tally.read, "added": tally.added, "already": tally.already, "refused": tally.refused}))?;
    } else {
        output::line(&told(&tally))?;
    }
    anyhow::ensure!(tally.refused == 0, "{} of {} lines were refused", tally.refused, tally.read);
    Ok(())
}

fn source(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).with_context(|| format!("{} can't be read", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn told(tally: &Tally) -> String {
    let Tally { read, added, already, refused, .. } = tally;
    format!("{read} lines: {added} added, {already} there already, {refused} refused")
}
