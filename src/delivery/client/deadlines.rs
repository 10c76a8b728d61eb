//! How long each step may take (RFC 5321 section 4.5.3.2, in spirit: a next hop is waited for less than the letter allows, but
//! never so little that the message is sent twice).

use std::time::Duration;

use crate::delivery::client::error::Step;

/// The longest wait at each step; a reply that drips in counts as a whole.
#[derive(Clone, Debug)]
pub struct Deadlines {
    /// All it takes to a connection that is ready for mail, whatever number of hosts and addresses is tried.
    pub dial: Duration,
    /// Finding the addresses, and each connection.
    pub connect: Duration,
    /// Greeting, and each command's reply.
    pub command: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// The reply to DATA.
    pub data: Duration,
    /// Each write of content (RFC 5321 section 4.5.3.2.5).
    pub block: Duration,
    /// All of a transaction before its final dot, beside what its content may take: a peer that uses up the time of every step would
    /// hold an attempt for hours.
    pub transaction: Duration,
    /// The reply to the final dot (RFC 5321 section 4.5.3.2.6): giving up early here sends twice.
    pub dot: Duration,
    /// QUIT is a courtesy.
    pub quit: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(300),
            connect: Duration::from_secs(30),
            command: Duration::from_secs(60),
            handshake: Duration::from_secs(30),
            data: Duration::from_secs(120),
            block: Duration::from_secs(180),
            transaction: Duration::from_secs(600),
            dot: Duration::from_secs(600),
            quit: Duration::from_secs(2),
        }
    }
}

/// Octets of content that a next hop takes in a second, at the least.
const PACE: u64 = 16 * 1024;

impl Deadlines {
    /// The longest time from the first command of a transaction to the final dot of so many octets of content.
    pub fn until_the_dot(&self, octets: usize) -> Duration {
        self.transaction + Duration::from_secs(octets as u64 / PACE)
    }

    /// The longest wait for the reply at `step`.
    pub fn reply(&self, step: Step) -> Duration {
        match step {
            Step::Connect => self.connect,
            Step::Data => self.data,
            Step::Content => self.block,
            Step::Dot => self.dot,
            _ => self.command,
        }
    }
}
