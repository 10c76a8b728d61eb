//! The SMTP door (RFC 5321, 6409). The session is free of I/O; the driver beside it owns sockets, TLS, timers and the doors to intake.

pub mod connection;
pub mod door;
pub mod house;
pub mod limits;
pub mod listener;
pub mod patience;
pub mod proxy;
pub mod replies;
pub mod self_signed;
pub mod session;
pub mod settings;
pub mod sockets;
pub mod tls;
