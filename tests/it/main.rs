//! Behaviour as it shows from outside, in one binary.

mod cli;
mod config;
mod dialogs;
mod engine;
mod http;
mod imports;
mod relay;
mod store;
mod support;
