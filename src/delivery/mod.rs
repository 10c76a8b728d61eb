//! Out: the engine claims what is ready, attempts it, and settles what became of it.
//!
//! A claim comes by hand-over from the committer ([`scheduler`]) or is read back from the store ([`feeder`]). [`dispatch`] asks the
//! routes for its destination and puts it into that destination's [`queue`]; runners take from there while the [`gate`] is open,
//! each with its own connection, and have the [`ledger`] write the outcomes. A message is held from the moment its [`places`]
//! entry is given until its settle is durable.

pub mod allowance;
pub mod attempts;
mod barriers;
pub mod boottime;
pub mod bounce;
mod capacity;
pub mod client;
pub mod copies;
pub mod departure;
pub mod dispatch;
pub mod dns;
pub mod engine;
pub mod fate;
pub mod feeder;
#[cfg(test)]
mod fixture;
pub mod flights;
pub mod gate;
pub mod ledger;
mod links;
pub mod mx;
pub mod pace;
pub mod parcel;
pub mod peers;
pub mod places;
pub mod poison;
pub mod portions;
pub mod queue;
pub mod queues;
pub mod retry;
pub mod route;
pub mod runner;
pub mod scheduler;
pub mod security;
pub mod shape;
pub mod signing;
pub mod stamp;
pub mod tenure;
pub mod trial;
pub mod turns;
pub mod verp;

pub use engine::Engine;
