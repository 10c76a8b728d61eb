//! Links of ours in mail that leaves: what they say, where they lead, and how they get in.

mod entity;
mod html;
pub mod links;
pub mod rewrite;
mod target;
pub mod token;
