//! What several tests need, one concern a file.

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
pub mod server;
pub mod sink;
pub mod smtp;
pub mod stores;
pub mod tls;
