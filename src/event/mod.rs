//! Telling teams what became of their mail: webhooks.
//!
//! An event that somebody wants to know is noted in the transaction that writes it. [`fanout`] makes the body of it, once, and a delivery
//! for each endpoint; [`deliver`] finds endpoints with something due, and [`endpoint`] sends it to one of them. What came of each attempt
//! decides by [`schedule`] when there is another, and by [`breaker`] how much the endpoint is spared; [`results`] writes it down. [`pool`]
//! is how places at once are shared among teams, and [`ahead`] mends what was written down while the clock was ahead.

mod ahead;
pub mod announcement;
pub mod breaker;
pub mod client;
pub mod deliver;
pub mod endpoint;
pub mod fanout;
pub mod line;
mod pool;
mod probe;
pub mod results;
pub mod schedule;
pub mod sign;
pub mod target;
mod webhooks;

pub use deliver::Places;
pub use webhooks::Webhooks;
