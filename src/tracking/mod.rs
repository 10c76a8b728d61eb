//! Links of ours in mail that leaves: what they say, where they lead, how they get in, and who follows them.

pub mod agents;
mod entity;
pub mod feedback_id;
mod html;
pub mod links;
mod own_link;
pub mod rewrite;
mod target;
pub mod token;
pub mod way_out;
