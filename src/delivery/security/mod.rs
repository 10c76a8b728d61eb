//! What protects mail on its way: what a domain asks of those who send to it (MTA-STS, RFC 8461), and what is told of it.

pub mod result;
pub mod sts;

pub use result::TlsResult;
pub use sts::{DomainPolicy, Fetcher, Policies};
