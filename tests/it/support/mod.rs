//! What several tests need, one concern a file.

pub mod program;
