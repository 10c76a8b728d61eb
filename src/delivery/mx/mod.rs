//! From a recipient's domain to the hosts that take its mail (RFC 5321 section 5.1), and from a host to addresses that may be
//! connected to.

mod directory;
pub mod group;
mod lookups;
mod own;
mod targets;
mod unroutable;

pub use directory::Directory;
pub use group::Group;
pub use own::Own;
pub use targets::{MxHost, Targets};
pub use unroutable::Unroutable;
