//! Posthouse: mail in by SMTP and HTTP, one durable queue, mail out.
//!
//! The modules stand in the order mail flows. Imports run one way, as `tests/it/imports.rs` proves:
//! `model` knows nothing but the foundations; `wire`, `mime`, `template`, `tracking`, `policy` and `store` know the model, and policies read `mime`;
//! `intake` folds them; `notices` know store and mime; `suppressions` and `retention` know store; doors know intake and all of these;
//! delivery knows wire, store, mime and notices; `event` knows store, and delivery's ways to a host; `domains` knows store, mime and delivery's resolver;
//! `app` and `cli` know everything.

// Foundations: values and capabilities that every layer may name.
pub mod clock;
pub mod config;
pub mod heavy;
pub mod id;
pub mod lock;
pub mod net;
pub mod panics;
pub mod pem;
pub mod recent;
pub mod shutdown;
pub mod tables;

// The nouns.
pub mod model;

// Bytes and texts.
pub mod mime;
pub mod template;
pub mod tracking;
pub mod wire;

// In: a door turns bytes into a submission, intake judges it by the policies, the store commits it.
pub mod door;
pub mod intake;
pub mod policy;
pub mod store;

// What senders are told by mail of their mail: both ways that news comes by have it written.
pub mod notices;

// Out: the engine claims, attempts and settles.
pub mod delivery;

// What sender domains publish, so that their mail is believed.
pub mod domains;

// What teams are told of their mail by calls to their own programs.
pub mod event;

// What lists of addresses come in and go out as.
pub mod suppressions;

// How long all this is kept.
pub mod retention;

// The house as a whole.
pub mod app;
pub mod cli;
pub mod telemetry;
