//! Return addresses: the local part of an address of ours that says, in a way nobody else can make up, which message it is about.
//!
//! `b+` and 48 characters: message, recipients and a code over both (HMAC-SHA-256, 96 bits), in base 32. The recipients are one, or those
//! of one domain: whoever is sent a message learns nothing by which to speak for recipients elsewhere.
//! Mail systems may change the case of a local part, so case says nothing; any other change of one character is refused.

use aws_lc_rs::{constant_time, hmac};

use crate::id::Id;

/// Crockford's digits, in lower case. None stands for another here.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Octets of the code.
const CODE: usize = 12;
/// Octets of a token: message, recipients, code. A multiple of 5, so that every character counts in full.
const TOKEN: usize = 16 + 2 + CODE;
const CHARACTERS: usize = TOKEN / 5 * 8;
/// Set where a domain is meant; the 15 bits below it are its mark, and else a place.
const DOMAIN: u16 = 1 << 15;
/// Stands before the `+`, and is part of what the code is over: the secret may come to seal other things.
const LETTER: &str = "b";

/// What a return address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub message: Id,
    pub whose: Whose,
}

/// For which recipients of the message it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The one at this place, below 32,768.
    Recipient(u16),
    /// Those of one domain, by its mark: what [`Seal::of_domain`] makes of it.
    Domain(u16),
}

impl Whose {
    fn bits(self) -> u16 {
        match self {
            Self::Recipient(place) => place & !DOMAIN,
            Self::Domain(mark) => mark | DOMAIN,
        }
    }

    fn of_bits(bits: u16) -> Self {
        if bits & DOMAIN == 0 { Self::Recipient(bits) } else { Self::Domain(bits & !DOMAIN) }
    }
}

/// The secret that return addresses are made and known by.
#[derive(Clone)]
pub struct Seal(hmac::Key);

impl Seal {
    /// From the secret that the store keeps.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Of the recipient of `message` at this place; `None`: it is too high to be said.
    pub fn of_recipient(&self, message: Id, place: i64) -> Option<Token> {
        let place = u16::try_from(place).ok().filter(|place| place & DOMAIN == 0)?;
        Some(Token { message, whose: Whose::Recipient(place) })
    }

    /// Of the recipients of `message` in this domain (A-labels, lower case). Its mark is another in each message, and can't be told without
    /// the secret: nobody finds a domain that has another's.
    pub fn of_domain(&self, message: Id, domain: &str) -> Token {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"@");
        context.update(&message.0);
        context.update(domain.as_bytes());
        let mut mark = [0; 2];
        mark.copy_from_slice(&context.sign().as_ref()[..2]);
        Token { message, whose: Whose::Domain(u16::from_be_bytes(mark) & !DOMAIN) }
    }

    /// Whether the token speaks for the recipient of its message at this place, whose address is in this domain.
    pub fn covers(&self, token: Token, place: i64, domain: &str) -> bool {
        match token.whose {
            Whose::Recipient(only) => i64::from(only) == place,
            Whose::Domain(_) => self.of_domain(token.message, domain) == token,
        }
    }

    /// The local part: 50 characters, of the 64 that RFC 5321 section 4.5.3.1.1 allows.
    pub fn local_part(&self, token: Token) -> String {
        let mut bytes = [0; TOKEN];
        bytes[..16].copy_from_slice(&token.message.0);
        bytes[16..18].copy_from_slice(&token.whose.bits().to_be_bytes());
        let code = self.code(&bytes[..18]);
        bytes[18..].copy_from_slice(&code);
        format!("{LETTER}+{}", encode(&bytes))
    }

    /// What a local part says; `None`: it is none that we made.
    pub fn read(&self, local_part: &str) -> Option<Token> {
        let (letter, text) = local_part.split_once('+')?;
        let bytes = decode(text).filter(|_| letter.eq_ignore_ascii_case(LETTER))?;
        let (said, code) = bytes.split_at(18);
        constant_time::verify_slices_are_equal(&self.code(said), code).ok()?;
        let (message, whose) = said.split_at(16);
        let whose = Whose::of_bits(u16::from_be_bytes(whose.try_into().ok()?));
        Some(Token { message: Id::from_slice(message).ok()?, whose })
    }

    fn code(&self, said: &[u8]) -> [u8; CODE] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(LETTER.as_bytes());
        context.update(said);
        let mut code = [0; CODE];
        code.copy_from_slice(&context.sign().as_ref()[..CODE]);
        code
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

fn encode(bytes: &[u8; TOKEN]) -> String {
    let (groups, _) = bytes.as_chunks::<5>();
    let value = |group: &[u8; 5]| group.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let digits = |value: u64| (0..8).rev().map(move |n| char::from(ALPHABET[(value >> (5 * n) & 31) as usize]));
    groups.iter().map(value).flat_map(digits).collect()
}

fn decode(text: &str) -> Option<[u8; TOKEN]> {
    if text.len() != CHARACTERS {
        return None;
    }
    let mut bytes = [0; TOKEN];
    for (group, into) in text.as_bytes().chunks(8).zip(bytes.chunks_mut(5)) {
        let mut value = 0u64;
        for byte in group {
            value = value << 5 | ALPHABET.iter().position(|c| c.eq_ignore_ascii_case(byte))? as u64;
        }
        into.copy_from_slice(&value.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Id {
        "01jd5kqk0f7p8r9s0tvwxyz123".parse().unwrap()
    }

    fn seventh(seal: &Seal) -> Token {
        seal.of_recipient(message(), 7).unwrap()
    }

    #[test]
    fn a_token_reads_back_in_any_case() {
        let seal = Seal::new(b"secret");
        let first = seal.of_recipient(message(), 0).unwrap();
        for token in [seventh(&seal), first, seal.of_domain(message(), "example.com"), seal.of_domain(message(), "")] {
            let text = seal.local_part(token);
            assert_eq!(text.len(), 50);
            assert_eq!(seal.read(&text), Some(token));
            assert_eq!(seal.read(&text.to_uppercase()), Some(token));
        }
    }

    #[test]
    fn a_token_speaks_for_one_recipient_or_for_those_of_one_domain() {
        let seal = Seal::new(b"secret");
        let one = seventh(&seal);
        assert!(seal.covers(one, 7, "example.com") && !seal.covers(one, 8, "example.com"));
        assert_eq!((seal.of_recipient(message(), 1 << 15), seal.of_recipient(message(), -1)), (None, None));
        assert!(seal.of_recipient(message(), (1 << 15) - 1).is_some());
        let domain = seal.of_domain(message(), "example.com");
        assert!(seal.covers(domain, 7, "example.com") && seal.covers(domain, 1 << 20, "example.com"));
        assert!(!seal.covers(domain, 7, "example.org") && !seal.covers(domain, 7, "sub.example.com"));
        let other = Token { message: Id([9; 16]), ..domain };
        assert!(!seal.covers(other, 7, "example.com"), "the same mark means nothing in another message");
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let seal = Seal::new(b"secret");
        let text = seal.local_part(seventh(&seal));
        for place in 0..text.len() {
            for other in (b' '..=b'~').map(char::from) {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[place].eq_ignore_ascii_case(&other) {
                    continue;
                }
                changed[place] = other;
                let changed: String = changed.into_iter().collect();
                assert_eq!(seal.read(&changed), None, "{changed}");
            }
            assert_eq!(seal.read(&text[..place]), None);
        }
        assert_eq!(seal.read(&format!("{text}0")), None);
        assert_eq!(Seal::new(b"another").read(&text), None);
        for odd in ["", "b", "b+", "+", "bounce", "b+\u{fc}"] {
            assert_eq!(seal.read(odd), None);
        }
    }
}
