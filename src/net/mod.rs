//! Towards machines that others name: which may be talked to, one request to one of them, and how many sockets there are for it.

pub mod exchange;
pub mod guard;
pub mod sockets;
