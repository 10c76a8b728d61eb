//! Reverse-paths that tell us which message comes back (variable envelope return paths).

use crate::model::address::Address;
use crate::model::message::Message;
use crate::wire::token::{Purpose, Seal, Token};

/// What must be known of a message's sender before its reverse-path may be ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReturnPath<'a> {
    /// The return-path domain of the sender's domain, when its records are verified: its MX is our inbound listener, and SPF allows us.
    pub verified_domain: Option<&'a str>,
    /// `inbound.address` is set somewhere in this house: what comes back is heard.
    pub is_heard: bool,
}

/// The reverse-path under which `message` leaves, for the one recipient at `recipient`, or for several (`None`) that share a transaction.
/// `None`: the reverse-path stays as it is. The null reverse-path always does (RFC 5321 section 4.5.5).
pub fn reverse_path(seal: &Seal, message: &Message, recipient: Option<i64>, facts: ReturnPath<'_>) -> Option<Address> {
    message.reverse_path.as_ref()?;
    address(seal, Purpose::Bounce, message, recipient, facts)
}

/// The address that complaints about `message` may be sent to.
pub fn complaints(seal: &Seal, message: &Message, recipient: Option<i64>, facts: ReturnPath<'_>) -> Option<Address> {
    address(seal, Purpose::Complaint, message, recipient, facts)
}

fn address(seal: &Seal, purpose: Purpose, message: &Message, recipient: Option<i64>, facts: ReturnPath<'_>) -> Option<Address> {
    let domain = facts.verified_domain.filter(|_| facts.is_heard)?;
    // A place too high to be named is found by its address.
    let recipient = recipient.and_then(|place| u16::try_from(place).ok()).filter(|place| *place != u16::MAX);
    let local_part = seal.local_part(Token { purpose, message: message.id, recipient });
    Address::parse(&format!("{local_part}@{domain}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::fixture;

    #[test]
    fn the_reverse_path_is_ours_only_where_it_comes_back_to_us() {
        let (seal, message) = (Seal::new(b"secret"), fixture::message(Timestamp(0)));
        let heard = ReturnPath { verified_domain: Some("return.example.com"), is_heard: true };
        let path = reverse_path(&seal, &message, Some(3), heard).unwrap();
        assert_eq!(path.domain(), "return.example.com");
        let token = Token { purpose: Purpose::Bounce, message: message.id, recipient: Some(3) };
        assert_eq!(seal.read(path.local_part()), Some(token));
        let complaints = complaints(&seal, &message, None, heard).unwrap();
        assert_eq!(seal.read(complaints.local_part()).map(|t| (t.purpose, t.recipient)), Some((Purpose::Complaint, None)));

        assert_eq!(reverse_path(&seal, &message, None, ReturnPath { is_heard: false, ..heard }), None);
        assert_eq!(reverse_path(&seal, &message, None, ReturnPath { verified_domain: None, ..heard }), None);
        let null = Message { reverse_path: None, ..message };
        assert_eq!(reverse_path(&seal, &null, Some(3), heard), None);
    }
}
