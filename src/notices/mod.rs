//! What senders are told by mail of their mail, where they asked for it and nobody else tells them: delivery status notifications
//! (RFC 3461). They are accepted in the transaction of the outcome they tell of, and go out through the same queue as all mail.

pub mod letter;
pub mod postmaster;

pub use postmaster::Postmaster;
