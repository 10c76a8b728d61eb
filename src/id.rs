//! One UUIDv7 (RFC 9562 section 5.7) per thing, and the forms it is written in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{Clock, Timestamp};

/// A UUIDv7. Sorts by the time it was made. Shown as 26 Crockford base 32 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The text is none of the forms an id is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 26 Crockford characters or a UUID")]
pub struct IdError;

impl Id {
    /// The 26 characters spoken over SMTP.
    pub fn crockford(self) -> String {
        let mut value = u128::from_be_bytes(self.0);
        let mut text = [0u8; 26];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The hyphenated form, as `/api/v1` writes it.
    pub fn uuid(self) -> String {
        uuid::Uuid::from_bytes(self.0).to_string()
    }

    /// From a database column of 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        bytes.try_into().map(Self).map_err(|_| IdError)
    }

    /// Not above any id made at or after `time`.
    pub fn earliest_at(time: Timestamp) -> Self {
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&time.0.max(0).to_be_bytes()[2..]);
        Self(bytes)
    }

    /// When it was made, to the millisecond.
    pub fn made_at(self) -> Timestamp {
        let mut ms = [0u8; 8];
        ms[2..].copy_from_slice(&self.0[..6]);
        Timestamp(i64::from_be_bytes(ms))
    }

    fn from_crockford(text: &str) -> Result<Self, IdError> {
        let mut value: u128 = 0;
        for (place, byte) in text.bytes().enumerate() {
            let digit = match byte.to_ascii_uppercase() {
                b'O' => 0,
                b'I' | b'L' => 1,
                upper => ALPHABET.iter().position(|&c| c == upper).ok_or(IdError)?,
            };
            // 26 characters hold 130 bits: the first may not exceed 7.
            if place == 0 && digit > 7 {
                return Err(IdError);
            }
            value = (value << 5) | digit as u128;
        }
        Ok(Self(value.to_be_bytes()))
    }
}

impl FromStr for Id {
    type Err = IdError;

    /// Takes every form: UUID with or without hyphens, 26 characters, or those behind a prefix (`snd_...`).
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bare = text.rsplit_once('_').map_or(text, |(_, bare)| bare);
        if bare.len() == 26 && bare.is_ascii() {
            return Self::from_crockford(bare);
        }
        uuid::Uuid::try_parse(text).map(|u| Self(u.into_bytes())).map_err(|_| IdError)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.crockford())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.crockford())
    }
}

/// Makes ids: the clock's milliseconds, then 74 random bits. Clones share their state.
#[derive(Clone, Debug)]
pub struct Ids {
    clock: Clock,
    /// A counter instead of randomness, for tests that compare whole records.
    counter: Option<Arc<AtomicU64>>,
}

impl Ids {
    /// Ids nobody can guess.
    pub fn random(clock: Clock) -> Self {
        Self { clock, counter: None }
    }

    /// Ids that count up, for tests.
    pub fn counting(clock: Clock) -> Self {
        Self { clock, counter: Some(Arc::new(AtomicU64::new(1))) }
    }

    /// A new id.
    pub fn next(&self) -> Id {
        let millis = u64::try_from(self.clock.now().0).unwrap_or(0);
        let mut tail = [0u8; 10];
        match &self.counter {
            Some(counter) => tail[2..].copy_from_slice(&counter.fetch_add(1, Ordering::SeqCst).to_be_bytes()),
            None => rand::fill(&mut tail),
        }
        Id(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_id_reads_back() {
        let id = Ids::random(Clock::System).next();
        let forms = [id.crockford(), id.crockford().to_lowercase(), id.uuid(), format!("snd_{id}")];
        for form in forms {
            assert_eq!(form.parse::<Id>(), Ok(id), "{form}");
        }
        assert_eq!(id.crockford().len(), 26);
        for bad in ["", "x", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000U"] {
            assert_eq!(bad.parse::<Id>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        let clock = Clock::manual(Timestamp(1_795_222_861_123));
        assert_eq!(Ids::counting(clock).next().made_at(), Timestamp(1_795_222_861_123));
    }
}
