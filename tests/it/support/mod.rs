//! What several tests need, one concern a file.

pub mod nouns;
pub mod postgres;
pub mod program;
pub mod sink;
pub mod stores;
