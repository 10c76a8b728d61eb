//! Return addresses: the local part of an address of ours that says, in a way nobody else can make up, which message it is about.
//!
//! `b+` and 48 characters: message, recipient and a code over both (HMAC-SHA-256, 96 bits), in base 32.
//! Mail systems may change the case of a local part, so case says nothing; any other change of one character is refused.

use aws_lc_rs::{constant_time, hmac};

use crate::id::Id;

/// Crockford's digits, in lower case. None stands for another here.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Octets of the code.
const CODE: usize = 12;
/// Octets of a token: message, recipient, code. A multiple of 5, so that every character counts in full.
const TOKEN: usize = 16 + 2 + CODE;
const CHARACTERS: usize = TOKEN / 5 * 8;
/// Stands for all recipients.
const ALL: u16 = u16::MAX;
/// Stands before the `+`, and is part of what the code is over: the secret may come to seal other things.
const LETTER: &str = "b";

/// What a return address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub message: Id,
    /// The recipient's place in the message; `None`: any of them, since they share one transaction.
    pub recipient: Option<u16>,
}

/// The secret that return addresses are made and known by.
#[derive(Clone)]
pub struct Seal(hmac::Key);

impl Seal {
    /// From the secret that the store keeps.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The local part: 50 characters, of the 64 that RFC 5321 section 4.5.3.1.1 allows.
    pub fn local_part(&self, token: Token) -> String {
        let mut bytes = [0; TOKEN];
        bytes[..16].copy_from_slice(&token.message.0);
        bytes[16..18].copy_from_slice(&token.recipient.unwrap_or(ALL).to_be_bytes());
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
        let (message, recipient) = said.split_at(16);
        let recipient = u16::from_be_bytes(recipient.try_into().ok()?);
        Some(Token { message: Id::from_slice(message).ok()?, recipient: (recipient != ALL).then_some(recipient) })
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

    fn token(recipient: Option<u16>) -> Token {
        Token { message: "01jd5kqk0f7p8r9s0tvwxyz123".parse().unwrap(), recipient }
    }

    #[test]
    fn a_token_reads_back_in_any_case() {
        let seal = Seal::new(b"secret");
        for token in [token(Some(7)), token(None), token(Some(0))] {
            let text = seal.local_part(token);
            assert_eq!(text.len(), 50);
            assert_eq!(seal.read(&text), Some(token));
            assert_eq!(seal.read(&text.to_uppercase()), Some(token));
        }
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let seal = Seal::new(b"secret");
        let text = seal.local_part(token(Some(7)));
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
