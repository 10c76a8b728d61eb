//! The relay route against a next hop that behaves, and one that does not.

mod connection;
mod content;
mod copies;
mod replies;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::Config;
use posthouse::delivery::attempts::Attempts;
use posthouse::delivery::boottime::Boottime;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::fate::Fate;
use posthouse::delivery::gate::Gate;
use posthouse::delivery::pace::Pace;
use posthouse::delivery::route::carried::Carried;
use posthouse::delivery::route::courier::Courier;
use posthouse::delivery::route::errand::Errand;
use posthouse::delivery::route::line::Line;
use posthouse::delivery::route::means::Means;
use posthouse::delivery::route::relay::Relay;
use posthouse::id::Ids;
use posthouse::model::message::{Body, Recipient};
use posthouse::model::outcome::{RecipientState, Reply};
use posthouse::store::handover::Claim;

use crate::support::sink::Sink;
use crate::support::{IN_TIME, nouns};

fn config(sink: &Sink) -> Config {
    let mut config = Config::defaults();
    config.delivery.relay.host = sink.address.ip().to_string();
    config.delivery.relay.port = sink.address.port();
    config.delivery.hostname = "client.example".to_owned();
    config
}

/// Whatever is waited for comes in time.
fn patient() -> Deadlines {
    Deadlines { command: IN_TIME, data: IN_TIME, dot: IN_TIME, ..Deadlines::default() }
}

fn courier_within(config: &Config, deadlines: Deadlines) -> Courier {
    courier_by(config, deadlines, means())
}

/// Nothing but attempts.
fn means() -> Means {
    Means::bare(Attempts::new(64, Duration::from_secs(15)))
}

fn courier_by(config: &Config, deadlines: Deadlines, means: Means) -> Courier {
    let relay = Relay::new(&config.delivery.relay, "delivery.relay", config, Arc::new(deadlines), &Pace::default());
    Courier::new(Line::Relay(Arc::new(relay.expect("a relay"))), means)
}

fn courier_with(config: &Config) -> Courier {
    courier_within(config, patient())
}

fn courier(sink: &Sink) -> Courier {
    courier_with(&config(sink))
}

fn claim(content: &[u8], recipients: &[&str]) -> Claim {
    let acceptance = nouns::acceptance(Ids::random(Clock::System).next(), recipients);
    let mut message = (*acceptance.message).clone();
    message.size = content.len() as u64;
    message.eight_bit = !content.is_ascii();
    let recipient = |(index, path): (i64, posthouse::store::accept::NewRecipient)| Recipient {
        index,
        path: path.path,
        state: RecipientState::Queued,
        attempts: 0,
        next_attempt_at: Timestamp(0),
        last_reply: String::new(),
        updated_at: Timestamp(0),
    };
    let recipients = (0..).zip(acceptance.recipients).map(recipient).collect();
    Claim { epoch: 1, message: Arc::new(message), body: Body::free(content.to_vec()), recipients }
}

fn small(recipients: &[&str]) -> Claim {
    claim(b"Subject: hi\r\n\r\nbody\r\n", recipients)
}

fn open_gate() -> Gate {
    let gate = Gate::new(Boottime::manual());
    gate.begin(1, gate.now());
    gate
}

async fn carry(courier: &mut Courier, claim: &Claim) -> Vec<Fate> {
    carry_by(courier, claim, &open_gate()).await
}

async fn carry_by(courier: &mut Courier, claim: &Claim, gate: &Gate) -> Vec<Fate> {
    match courier.carry(&Errand { claim, service: None, gate, queue: None }, None).await {
        Carried::Fates(fates) => fates.each,
        Carried::Away(away) => vec![Fate::Later(away.reply().clone()); claim.recipients.len()],
        Carried::Denied(denied) => vec![denied.fate(); claim.recipients.len()],
    }
}

fn reply(fate: &Fate) -> &Reply {
    match fate {
        Fate::Sent(r) | Fate::Delivered(r) | Fate::Later(r) | Fate::Refused(r, _) | Fate::Failed(r) | Fate::Held(r) => r,
        Fate::PutOff { .. } | Fate::Hindered(_) | Fate::Released | Fate::LeftOver => panic!("not attempted"),
    }
}

/// `sent`, `later`, `refused`: and the line that says why.
fn told(fates: &[Fate]) -> Vec<String> {
    let word = |fate: &Fate| match fate {
        Fate::Sent(_) => "sent",
        Fate::Delivered(_) => "delivered",
        Fate::Later(_) => "later",
        Fate::Refused(..) => "refused",
        Fate::Failed(_) => "failed",
        Fate::Held(_) => "held",
        Fate::PutOff { .. } => "put off",
        Fate::Hindered(_) => "hindered",
        Fate::Released => "released",
        Fate::LeftOver => "left over",
    };
    fates.iter().map(|fate| format!("{}: {}", word(fate), reply(fate).line())).collect()
}
