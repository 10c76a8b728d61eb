//! The nouns. No I/O, no database, no wire names: everything else is told in these words.

pub mod address;
pub mod bounce;
pub mod controls;
pub mod dkim;
pub mod domain;
pub mod email;
pub mod engagement;
pub mod envelope;
pub mod event;
pub mod hop;
pub mod key;
pub mod message;
pub mod outcome;
pub mod quirk;
pub mod refusal;
pub mod statistics;
pub mod status;
pub mod stream;
pub mod submission;
pub mod suppression;
pub mod team;
pub mod template;
pub mod unsubscribe;
pub mod wait;
pub mod webhook;
