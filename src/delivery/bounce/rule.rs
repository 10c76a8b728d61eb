//! One rule of the table, ready to be asked.

use crate::config::BounceRule;
use crate::delivery::bounce::text::Said;
use crate::model::bounce::BounceClass;

/// Gives its class to what matches each condition that it has.
#[derive(Clone, Debug)]
pub struct Rule {
    pub class: BounceClass,
    codes: Vec<u16>,
    statuses: Vec<[Number; 3]>,
    /// Phrases, each cut at its stars.
    texts: Vec<Vec<String>>,
}

/// One number of an enhanced code, as a rule names it.
#[derive(Clone, Debug)]
enum Number {
    Is(String),
    /// `60*`; `*` alone is any.
    Begins(String),
}

impl Rule {
    /// From its written form; the error says what makes no sense.
    pub fn new(written: &BounceRule) -> Result<Self, String> {
        if written.code.is_empty() && written.status.is_empty() && written.text.is_empty() {
            return Err("it has neither code, status nor text, and would match everything".to_owned());
        }
        let statuses = written.status.iter().map(|status| numbers(status)).collect::<Result<_, _>>()?;
        let texts = written.text.iter().map(|phrase| parts(phrase)).collect::<Result<_, _>>()?;
        Ok(Self { class: written.class, codes: written.code.clone(), statuses, texts })
    }

    /// Whether each kind of condition holds by one of its alternatives. A class that suppresses asks for a permanent reply too.
    pub fn matches(&self, said: &Said) -> bool {
        let status = |numbers: &[Number; 3]| said.status.is_some_and(|s| numbers.iter().zip(s).all(|(n, is)| n.matches(is)));
        (!self.class.suppresses() || said.is_permanent())
            && (self.codes.is_empty() || self.codes.contains(&said.code))
            && (self.statuses.is_empty() || self.statuses.iter().any(status))
            && (self.texts.is_empty() || self.texts.iter().any(|parts| said.contains(parts)))
    }
}

impl Number {
    fn matches(&self, number: u16) -> bool {
        let number = number.to_string();
        match self {
            Self::Is(wanted) => number == *wanted,
            Self::Begins(start) => number.starts_with(start),
        }
    }
}

fn numbers(status: &str) -> Result<[Number; 3], String> {
    let wrong = || format!("status {status:?}: expected three numbers, as in 5.1.1, 5.7.* or 5.7.60*");
    let number = |text: &str| {
        let (digits, open) = text.strip_suffix('*').map_or((text, false), |digits| (digits, true));
        let sound = digits.bytes().all(|b| b.is_ascii_digit()) && (open || !digits.is_empty());
        let digits = digits.to_owned();
        sound.then_some(if open { Number::Begins(digits) } else { Number::Is(digits) })
    };
    let all: Option<Vec<Number>> = status.split('.').map(number).collect();
    all.and_then(|all| all.try_into().ok()).ok_or_else(wrong)
}

/// In lower case, cut at the stars.
fn parts(phrase: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = phrase.to_lowercase().split('*').map(|part| part.trim().to_owned()).collect();
    let sound = parts.iter().all(|part| part.chars().filter(|c| c.is_alphanumeric()).count() >= 2);
    if sound { Ok(parts) } else { Err(format!("text {phrase:?}: each part needs two letters or more")) }
}
