//! Towards machines that others name: which may be talked to, and one request to one of them.

pub mod exchange;
pub mod guard;
