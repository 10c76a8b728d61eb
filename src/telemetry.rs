//! What the program says about itself: lines on standard error, as text or JSON. Secrets and message content are never in them.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Reads `log.level`: a level (`info`), or a filter (`info,posthouse::delivery=debug`).
pub fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    // A word alone is taken by the filter's grammar for the name of a module: then nothing would be logged, silently.
    let known = ["off", "error", "warn", "info", "debug", "trace"];
    let is_filter = level.contains(['=', ',']);
    anyhow::ensure!(
        is_filter || known.contains(&level.to_ascii_lowercase().as_str()),
        "log.level = {level:?}: expected one of {}",
        known.join(", ")
    );
    EnvFilter::try_new(level).with_context(|| format!("log.level = {level:?}"))
}

/// Begins to log to standard error. At most once a process.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(&log.level)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("logging can't begin: {e}"))
}
