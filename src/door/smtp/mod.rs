//! The SMTP door (RFC 5321, 6409). The session is free of I/O; the driver beside it owns sockets, TLS, timers and the doors to intake.

pub mod session;
pub mod settings;
