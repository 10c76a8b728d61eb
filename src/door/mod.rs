//! Doors turn bytes into a submission, and a receipt or refusal back into bytes. They decide nothing.

mod caller;
pub mod http;
pub mod inbound;
pub mod keyring;
pub mod logins;
pub mod public;
pub mod rest;
pub mod smtp;
mod unread;
