//! Nothing leaves: the message is kept and shown. Addresses of the sandbox domain act out other fates.

use crate::delivery::fate::{Concerns, Fate};
use crate::model::address::{Address, ascii_domain};
use crate::model::outcome::Reply;
use crate::store::handover::Claim;

/// The capture route.
#[derive(Clone, Debug)]
pub struct Capture {
    sandbox: String,
}

impl Capture {
    /// `sandbox`: the domain whose `bounced@`, `deferred@` and `failed@` (and `bounced+anything@`) act out that fate.
    pub fn new(sandbox: &str) -> Self {
        Self { sandbox: ascii_domain(sandbox).unwrap_or_default() }
    }

    /// Each recipient's fate.
    pub fn carry(&self, claim: &Claim) -> Vec<Fate> {
        claim.recipients.iter().map(|recipient| self.fate(&recipient.path.address)).collect()
    }

    fn fate(&self, address: &Address) -> Fate {
        let reply = |code, enhanced: &str, text| Reply::new(code, Some(enhanced.to_owned()), text);
        let acted = if address.ascii_domain() == self.sandbox { address.local_part() } else { "" };
        let acted = acted.split_once('+').map_or(acted, |(name, _)| name).to_ascii_lowercase();
        match acted.as_str() {
            "bounced" => Fate::Refused(reply(550, "5.1.1", "acted out: no such mailbox"), Concerns::Recipient),
            "deferred" => Fate::Later(reply(451, "4.2.0", "acted out: try again later")),
            #[cfg(test)]
            "panicked" => panic!("acted out: an attempt that panics"),
            "failed" => Fate::Failed(reply(451, "4.4.7", "acted out: given up")),
            _ => Fate::Delivered(reply(250, "2.0.0", "captured, not sent")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sandbox_domain_acts() {
        let capture = Capture::new("Sandbox.test");
        let fate = |text: &str| capture.fate(&Address::parse(text).unwrap());
        assert!(matches!(fate("bounced@sandbox.test"), Fate::Refused(..)));
        assert!(matches!(fate("Bounced+welcome-mail@SANDBOX.test"), Fate::Refused(..)));
        assert!(matches!(fate("deferred@sandbox.test"), Fate::Later(_)));
        assert!(matches!(fate("failed+x@sandbox.test"), Fate::Failed(_)));
        for delivered in ["bounced@example.com", "bouncedx@sandbox.test", "you@sandbox.test", "bounced@x.sandbox.test"] {
            assert!(matches!(fate(delivered), Fate::Delivered(_)), "{delivered}");
        }
    }
}
