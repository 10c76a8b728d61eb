//! What a message is made of (RFC 5322, RFC 2045 to 2049): reading it, and changing our own fields of it while keeping every
//! other byte. mail-parser and mail-builder are named only here.

pub mod adapt;
pub mod compose;
pub mod dkim;
pub mod edit;
pub mod encode;
pub mod fields;
pub mod fingerprint;
pub mod form;
#[cfg(test)]
mod hostile;
pub mod leaf;
pub mod mailbox;
mod parameters;
pub mod parts;
pub mod refill;
pub mod replace;
pub mod report;
pub mod text;
pub mod view;
