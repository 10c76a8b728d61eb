//! Behaviour as it shows from outside, in one binary.

mod cli;
mod config;
mod imports;
mod store;
mod support;
