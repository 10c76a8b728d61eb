//! What a server said that it can do (RFC 5321 section 4.1.1.1).

use crate::delivery::client::reply::ServerReply;

/// The extensions of an EHLO reply that matter to us. All off after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 1870: offered, and the largest message when one was named.
    pub size: Option<Option<u64>>,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 4954: PLAIN and LOGIN.
    pub auth_plain: bool,
    pub auth_login: bool,
}

impl Extensions {
    /// From the lines after the first.
    pub fn from_reply(reply: &ServerReply) -> Self {
        let mut offered = Self::default();
        for line in reply.text.lines().skip(1) {
            // `AUTH=PLAIN LOGIN` is an old form of `AUTH PLAIN LOGIN`.
            let mut words = line.split([' ', '=', '\t']).filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => offered.pipelining = true,
                "SIZE" => offered.size = Some(words.next().and_then(|w| w.parse().ok()).filter(|&limit| limit > 0)),
                "8BITMIME" => offered.eight_bit_mime = true,
                "SMTPUTF8" => offered.smtputf8 = true,
                "CHUNKING" => offered.chunking = true,
                "DSN" => offered.dsn = true,
                "STARTTLS" => offered.starttls = true,
                "AUTH" => words.for_each(|word| offered.add_mechanism(word)),
                _ => {}
            }
        }
        offered
    }

    fn add_mechanism(&mut self, word: &str) {
        self.auth_plain |= word.eq_ignore_ascii_case("PLAIN");
        self.auth_login |= word.eq_ignore_ascii_case("LOGIN");
    }

    /// The largest message it takes, when it said.
    pub fn size_limit(&self) -> Option<u64> {
        self.size.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_known_in_any_case() {
        let text =
            "mx greets\nPipelining\nSIZE 1000\n8bitmime\nAUTH CRAM-MD5 plain\nAUTH=LOGIN\nSTARTTLS\nchunking\nDSN\nX-ODD\n";
        let offered = Extensions::from_reply(&ServerReply { code: 250, text: text.to_owned() });
        assert!(offered.pipelining && offered.eight_bit_mime && offered.auth_plain && offered.auth_login);
        assert!(offered.starttls && offered.dsn && offered.chunking && !offered.smtputf8);
        assert_eq!(offered.size_limit(), Some(1000));
    }

    #[test]
    fn a_size_of_nothing_or_zero_is_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE x"] {
            let offered = Extensions::from_reply(&ServerReply { code: 250, text: format!("mx\n{line}") });
            assert_eq!((offered.size, offered.size_limit()), (Some(None), None), "{line}");
        }
    }

    #[test]
    fn the_greeting_line_offers_nothing() {
        let offered = Extensions::from_reply(&ServerReply { code: 250, text: "PIPELINING".to_owned() });
        assert_eq!(offered, Extensions::default());
    }
}
