//! What several tests need, one concern a file.

use std::time::Duration;

/// How long a test waits for what has to happen before it fails. One that passes never waits for so long: it is for a machine that is slow
/// and has other work.
pub const IN_TIME: Duration = Duration::from_secs(300);

pub mod api;
pub mod certificate;
pub mod dialog;
pub mod dialog_house;
pub mod dialog_talk;
pub mod dkim;
pub mod dns;
pub mod door;
pub mod https;
pub mod mutate;
pub mod nouns;
pub mod postgres;
pub mod program;
pub mod receiver;
pub mod server;
pub mod sink;
pub mod smtp;
pub mod stores;
pub mod tls;
