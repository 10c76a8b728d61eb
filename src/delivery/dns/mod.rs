//! Names: one resolver for everything that delivery asks of the DNS.
//!
//! Every question is asked for an absolute name (no search domain is ever added), within one deadline, and answered with a bounded
//! number of records. Answers are cached by hickory for as long as their TTL lasts; with DNSSEC on, denials are not.

mod answer;
mod resolver;
mod turns;

pub use answer::{Answer, DnsError, Mx};
pub use resolver::Resolver;
pub use turns::Purpose;

pub use hickory_resolver::proto::rr::rdata::TLSA;
