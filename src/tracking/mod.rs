//! Links of ours in mail that leaves: what they say, and how they get in.

pub mod token;
