//! Why mail can't be routed, as replies: whose code and text the sender reads.

use crate::delivery::dns::DnsError;
use crate::delivery::security::Unread;
use crate::model::outcome::Reply;

/// Why mail for a domain, or by a host, can't be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unroutable {
    /// Whoever tries again will find the same.
    Never(Reply),
    Later(Reply),
    /// Something of ours keeps us from knowing what has to be known first; what, in words.
    Hindered(String),
}

impl Unroutable {
    pub(super) fn never(code: u16, enhanced: &str, text: &str) -> Self {
        Self::Never(Reply::new(code, Some(enhanced.to_owned()), text))
    }

    /// Postponed: RFC 3463's codes for a directory that does not answer (4.4.3) and the like.
    pub(super) fn later(enhanced: &str, text: &str) -> Self {
        Self::Later(Reply::new(451, Some(enhanced.to_owned()), text))
    }
}

pub(super) fn no_such_domain() -> Unroutable {
    Unroutable::never(550, "5.1.2", "the recipient's domain does not exist")
}

pub(super) fn loops() -> Unroutable {
    Unroutable::never(554, "5.4.6", "the recipient's domain has its mail sent to this very server: a loop")
}

/// For good: waiting makes no such address reachable, and its owner, who may have meant "no mail here" by it, should be known at once.
pub(super) fn out_of_bounds(host: &str) -> Unroutable {
    Unroutable::never(550, "5.4.4", &format!("{host} has only addresses of private or reserved networks"))
}

pub(super) fn of_domain(failure: DnsError) -> Unroutable {
    match failure {
        DnsError::NoSuchDomain => no_such_domain(),
        // RFC 3463 section 3.2, X.1.2: "or is incapable of accepting mail".
        DnsError::NoRecords => Unroutable::never(550, "5.1.2", "the recipient's domain has neither MX nor address records"),
        unknown => unknown_yet("the recipient's domain", &unknown),
    }
}

pub(super) fn of_host(host: &str, failure: DnsError) -> Unroutable {
    match failure {
        DnsError::NoSuchDomain | DnsError::NoRecords => Unroutable::never(550, "5.4.4", &format!("{host} has no address")),
        unknown => unknown_yet(host, &unknown),
    }
}

pub(super) fn unknown_yet(name: &str, failure: &DnsError) -> Unroutable {
    if *failure == DnsError::Unasked {
        return Unroutable::Hindered(format!("{name} can't be looked up: {failure}"));
    }
    let enhanced = if matches!(failure, DnsError::Bogus(_)) { "4.7.5" } else { "4.4.3" };
    Unroutable::later(enhanced, &format!("{name} can't be looked up: {failure}"))
}

/// Without knowing what the domain was promised, nothing goes there.
pub(super) fn policy_unknown(failure: &Unread) -> Unroutable {
    Unroutable::Hindered(format!("what the recipient's domain asks of TLS can't be read: {failure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_asked_has_not_failed() {
        let unasked = || DnsError::Unasked;
        for found in [of_domain(unasked()), of_host("mx.example", unasked()), policy_unknown(&unasked().into())] {
            assert!(matches!(&found, Unroutable::Hindered(why) if why.ends_with("too much is asked at once")), "{found:?}");
        }
    }
}
