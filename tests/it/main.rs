//! Behaviour as it shows from outside, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod bounces;
mod cli;
mod compose;
mod config;
mod dialogs;
mod dkim;
mod dns;
mod docs;
mod domains;
mod engine;
mod html_mail;
mod http;
mod imports;
mod intake;
mod keyring;
mod listener;
mod memory;
mod mutations;
mod mx;
mod poison;
mod public;
mod relay;
mod rest;
mod returns;
mod security;
mod serve;
mod store;
mod sts;
mod support;
mod tls;
mod webhooks;
