//! The client's side of SMTP (RFC 5321): one connection to a next hop, and one transaction on it.
//!
//! `dial` opens a connection (greeting, EHLO, STARTTLS, AUTH), `transaction` sends one message to many recipients and tells
//! each one's answer. Everything a peer may send has a bound and a deadline; only CRLF is ever written.

pub mod auth;
pub mod connection;
pub mod deadlines;
pub mod dial;
pub mod error;
pub mod extensions;
pub mod mail;
pub mod reply;
pub mod stream;
pub mod stuff;
pub mod terms;
pub mod tls;
pub mod transaction;

pub use connection::Connection;
pub use error::{ClientError, Step};
