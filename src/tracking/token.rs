//! What a link of ours says, in a way nobody else can make up: which message it is about, whose copy, and what it is for.
//!
//! In base64url without padding (RFC 4648 section 5): the purpose's letter, the message's id, the recipient's place, for a click the
//! target, and a code over all of it (HMAC-SHA-256, 128 bits). The target travels in the link: see docs/decisions/0009.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::Id;

/// Octets of the code.
const CODE: usize = 16;
/// Octets before the target: the letter, the message, the recipient.
const HEAD: usize = 1 + 16 + 2;
/// Stands for no recipient in particular.
const NOBODY: u16 = u16::MAX;
/// Characters of a token: longer ones are not looked at.
pub const CHARACTERS_MAX: usize = 4096;

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A picture that tells that the message is shown.
    Open,
    /// A link to somewhere else: the target.
    Click(String),
    Unsubscribe,
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub purpose: Purpose,
    pub message: Id,
    /// The recipient's place in the message; `None`: it can't be told.
    pub recipient: Option<u16>,
}

/// The secret that links are made and known by: at one host, once [`Seal::at`] has said which.
#[derive(Clone)]
pub struct Seal(hmac::Key);

impl Purpose {
    /// The letter stands for this form of token as well: another form takes other letters.
    fn letter(&self) -> u8 {
        match self {
            Self::Open => b'o',
            Self::Click(_) => b'c',
            Self::Unsubscribe => b'u',
        }
    }

    fn target(&self) -> &str {
        match self {
            Self::Click(target) => target,
            Self::Open | Self::Unsubscribe => "",
        }
    }

    fn read(letter: u8, target: &[u8]) -> Option<Self> {
        match letter {
            b'o' if target.is_empty() => Some(Self::Open),
            b'u' if target.is_empty() => Some(Self::Unsubscribe),
            b'c' => Some(Self::Click(std::str::from_utf8(target).ok()?.to_owned())),
            _ => None,
        }
    }
}

impl Token {
    /// About the recipient at this place of a message.
    pub fn new(purpose: Purpose, message: Id, place: i64) -> Self {
        let recipient = u16::try_from(place).ok().filter(|place| *place != NOBODY);
        Self { purpose, message, recipient }
    }
}

impl Seal {
    /// From the secret that the store keeps.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The seal of links at this host (lower case, no port): what is sealed for another host is none of its own.
    #[must_use]
    pub fn at(&self, host: &str) -> Self {
        Self::new(hmac::sign(&self.0, host.as_bytes()).as_ref())
    }

    /// What whoever has this secret is called: 12 characters that tell nothing of it. No host's seal begins so: hosts have no capitals.
    pub fn name(&self) -> String {
        let code = hmac::sign(&self.0, b"Feedback-ID");
        code.as_ref().iter().take(6).map(|octet| format!("{octet:02x}")).collect()
    }

    /// The token as the last segment of a link's path.
    pub fn text(&self, token: &Token) -> String {
        let target = token.purpose.target();
        let mut bytes = Vec::with_capacity(HEAD + target.len() + CODE);
        bytes.push(token.purpose.letter());
        bytes.extend_from_slice(&token.message.0);
        bytes.extend_from_slice(&token.recipient.unwrap_or(NOBODY).to_be_bytes());
        bytes.extend_from_slice(target.as_bytes());
        let code = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(&code.as_ref()[..CODE]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a text says; `None`: it is none that we made.
    pub fn read(&self, text: &str) -> Option<Token> {
        if text.len() > CHARACTERS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, code) = bytes.split_at_checked(bytes.len().checked_sub(CODE)?)?;
        constant_time::verify_slices_are_equal(&hmac::sign(&self.0, said).as_ref()[..CODE], code).ok()?;
        let (letter, said) = said.split_first()?;
        let (message, said) = said.split_first_chunk::<16>()?;
        let (recipient, target) = said.split_first_chunk::<2>()?;
        let recipient = u16::from_be_bytes(*recipient);
        let purpose = Purpose::read(*letter, target)?;
        Some(Token { purpose, message: Id(*message), recipient: (recipient != NOBODY).then_some(recipient) })
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(purpose: Purpose, place: i64) -> Token {
        Token::new(purpose, "01jd5kqk0f7p8r9s0tvwxyz123".parse().unwrap(), place)
    }

    fn click(target: &str) -> Purpose {
        Purpose::Click(target.to_owned())
    }

    #[test]
    fn a_token_reads_back() {
        let seal = Seal::new(b"secret");
        let long = format!("https://example.com/{}", "\u{e4}".repeat(700));
        for purpose in
            [Purpose::Open, Purpose::Unsubscribe, click("https://example.com/?a=b&c=\u{e4}#d"), click(""), click(&long)]
        {
            for place in [0, 7, 65_534, 65_535, 1 << 40] {
                let token = token(purpose.clone(), place);
                assert_eq!(token.recipient.is_some(), place < 65_535);
                let text = seal.text(&token);
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
                assert_eq!(seal.read(&text), Some(token));
            }
        }
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let seal = Seal::new(b"secret");
        for purpose in
            [Purpose::Open, click("https://example.com/ab"), click("https://example.com/a"), click("https://example.com/")]
        {
            let text = seal.text(&token(purpose, 7));
            for place in 0..text.len() {
                for other in (b' '..=b'~').map(char::from) {
                    let mut changed: Vec<char> = text.chars().collect();
                    if std::mem::replace(&mut changed[place], other) == other {
                        continue;
                    }
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(seal.read(&changed), None, "{changed}");
                }
                assert_eq!(seal.read(&text[..place]), None);
            }
            for more in ["A", "=", "==", " "] {
                assert_eq!(seal.read(&format!("{text}{more}")), None);
            }
            assert_eq!(Seal::new(b"another").read(&text), None);
        }
        for odd in ["", "A", "\u{fc}", &"A".repeat(CHARACTERS_MAX + 4)] {
            assert_eq!(seal.read(odd), None);
        }
    }

    #[test]
    fn a_token_is_good_at_its_own_host() {
        let seal = Seal::new(b"secret");
        let text = seal.at("track.a.test").text(&token(click("https://example.com/"), 7));
        assert!(seal.at("track.a.test").read(&text).is_some());
        for other in [&seal, &seal.at("track.b.test"), &seal.at(""), &Seal::new(b"another").at("track.a.test")] {
            assert_eq!(other.read(&text), None);
        }
    }

    #[test]
    fn what_is_sealed_and_makes_no_sense_is_refused() {
        let seal = Seal::new(b"secret");
        let sealed = |said: &[u8]| {
            let code = hmac::sign(&seal.0, said);
            URL_SAFE_NO_PAD.encode([said, &code.as_ref()[..CODE]].concat())
        };
        for said in [&b""[..], b"o", &[b'o'; HEAD - 1], &[b'o'; HEAD + 1], &[b'u'; HEAD + 1], &[b'x'; HEAD], &[b'c'; HEAD - 1]] {
            assert_eq!(seal.read(&sealed(said)), None, "{said:?}");
        }
        assert_eq!(seal.read(&sealed(&[[b'c'; HEAD].as_slice(), b"\xff"].concat())), None);
        assert!(seal.read(&sealed(&[b'o'; HEAD])).is_some());
    }
}
