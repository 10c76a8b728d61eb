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
    way: Way,
    /// Ways that were tried before, and could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed: Vec<Way>,
}

/// How it went.
#[derive(Serialize)]
struct Way {
    route: Option<String>,
    host: Option<String>,
    address: Option<String>,
    tls: Option<String>,
    reply: Option<String>,
    /// From begin to end.
    took_ms: Option<u64>,
}

impl ShownAttempt {
    /// The attempt that an event tells of, when it does.
    pub fn of(event: &Event) -> Option<Self> {
        let passed = event.detail.get("passed").and_then(Value::as_array);
        Some(Self {
            at: event.at.rfc3339(),
            recipient: event.recipient,
            attempt: event.detail.get("attempt")?.as_i64()?,
            outcome: event.kind.as_str(),
            way: Way::of(&event.detail),
            passed: passed.into_iter().flatten().map(Way::of).collect(),
        })
    }

    /// A row for each way that was tried, in their order.
    fn rows(&self) -> impl Iterator<Item = [String; 9]> {
        let passed = self.passed.iter().map(|way| (way, "passed over"));
        passed.chain([(&self.way, self.outcome)]).map(|(way, outcome)| self.row(way, outcome))
    }

    fn row(&self, way: &Way, outcome: &str) -> [String; 9] {
        let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        [
            self.at.clone(),
            or_dash(self.recipient.map(|place| format!("#{place}"))),
            self.attempt.to_string(),
            outcome.to_owned(),
            or_dash(way.route.clone()),
            or_dash(way.named()),
            or_dash(way.took_ms.map(|ms| format!("{ms} ms"))),
            or_dash(way.tls.clone()),
            or_dash(way.reply.clone()),
        ]
    }
}

impl Way {
    fn of(detail: &Value) -> Self {
        let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            route: text("route"),
            host: text("host"),
            address: text("address"),
            tls: text("tls"),
            reply: text("reply"),
            took_ms: detail.get("took_ms").and_then(Value::as_u64),
        }
    }

    /// The host, with its address where that says more.
    fn named(&self) -> Option<String> {
        match (&self.host, &self.address) {
            (Some(host), Some(address)) if host != address => Some(format!("{host} [{address}]")),
            (host, address) => host.clone().or_else(|| address.clone()),
        }
    }
}

/// Rows of attempts, in columns, in their order.
pub fn table(attempts: &[ShownAttempt]) -> anyhow::Result<()> {
    let rows: Vec<_> = attempts.iter().flat_map(ShownAttempt::rows).collect();
    output::table(["AT", "RECIPIENT", "NO", "OUTCOME", "ROUTE", "HOST", "TOOK", "TLS", "REPLY"], &rows)
}
