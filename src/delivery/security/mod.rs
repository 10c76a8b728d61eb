//! What protects mail on its way: what a domain asks of those who send to it (MTA-STS, RFC 8461; DANE, RFC 7672), whether the
//! host's certificate satisfies it, and what is told of it (TLS-RPT, RFC 8460).

pub mod daily;
pub mod dane;
mod demand;
pub mod judge;
pub mod protection;
pub mod report;
pub mod reports;
pub mod requirement;
pub mod result;
mod rua;
pub mod sts;
pub mod totals;

pub use demand::Demand;
pub use protection::{Protection, Verified};
pub use requirement::Requirement;
pub use result::TlsResult;
pub use sts::{DomainPolicy, Fetcher, Policies, Unread};
pub use totals::{Session, Totals};
