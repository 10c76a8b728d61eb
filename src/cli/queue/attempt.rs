//! The attempts at a message, as they are printed.

use serde::Serialize;
use serde_json::Value;

use crate::cli::output;
use crate::model::event::Event;

/// One attempt for one recipient. What was not known of it is left out.
#[derive(Serialize)]
pub struct ShownAttempt {
    at: String,
    recipient: Option<i64>,
    /// From 1.
    attempt: i64,
    outcome: &'static str,
    #[serde(flatten)]
    seen: Seen,
    /// From begin to end.
    took_ms: Option<u64>,
}

/// What the event holds as text.
#[derive(Serialize)]
struct Seen {
    route: Option<String>,
    host: Option<String>,
    address: Option<String>,
    tls: Option<String>,
    reply: Option<String>,
}

impl ShownAttempt {
    /// The attempt that an event tells of, when it does.
    pub fn of(event: &Event) -> Option<Self> {
        let text = |name: &str| event.detail.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            at: event.at.rfc3339(),
            recipient: event.recipient,
            attempt: event.detail.get("attempt")?.as_i64()?,
            outcome: event.kind.as_str(),
            seen: Seen {
                route: text("route"),
                host: text("host"),
                address: text("address"),
                tls: text("tls"),
                reply: text("reply"),
            },
            took_ms: event.detail.get("took_ms").and_then(Value::as_u64),
        })
    }

    fn row(&self) -> [String; 9] {
        let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        let seen = |text: &Option<String>| or_dash(text.clone());
        let host = match (&self.seen.host, &self.seen.address) {
            (Some(host), Some(address)) if host != address => Some(format!("{host} [{address}]")),
            (host, address) => host.clone().or_else(|| address.clone()),
        };
        [
            self.at.clone(),
            or_dash(self.recipient.map(|place| format!("#{place}"))),
            self.attempt.to_string(),
            self.outcome.to_owned(),
            seen(&self.seen.route),
            or_dash(host),
            or_dash(self.took_ms.map(|ms| format!("{ms} ms"))),
            seen(&self.seen.tls),
            seen(&self.seen.reply),
        ]
    }
}

/// Rows of attempts, in columns, in their order.
pub fn table(attempts: &[ShownAttempt]) -> anyhow::Result<()> {
    let rows: Vec<_> = attempts.iter().map(ShownAttempt::row).collect();
    output::table(["AT", "RECIPIENT", "NO", "OUTCOME", "ROUTE", "HOST", "TOOK", "TLS", "REPLY"], &rows)
}
