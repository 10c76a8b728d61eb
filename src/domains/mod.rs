//! Sender domains: their keys, the records they must publish, and looking whether they do.

pub mod gateway;
pub mod keys;
pub mod look;
pub mod name;
pub mod reader;
pub mod records;
pub mod verdict;
pub mod watch;
