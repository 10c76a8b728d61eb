//! A mailbox of the envelope: `Local-part "@" ( Domain / address-literal )` (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

use std::fmt;

/// A mailbox, kept as it was written; quoting in the local part is not touched.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    at: usize,
}

/// What is wrong with an address, in words a sender understands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("there is no @ with a domain after it")]
    NoDomain,
    #[error("the part before the @ is not an atom or a quoted string")]
    LocalPart,
    #[error("the domain is not a host name or an address literal")]
    Domain,
    #[error("the address is too long")]
    TooLong,
}

/// RFC 5321 section 4.5.3.1.1 asks for 64; longer ones exist (VERP) and are taken.
const LOCAL_PART_MAX: usize = 255;
/// RFC 5321 section 4.5.3.1.2.
const DOMAIN_MAX: usize = 255;

impl Address {
    /// Reads one mailbox, without angle brackets or display name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let at = split_at(text)?;
        let (local, domain) = (&text[..at], &text[at + 1..]);
        if local.len() > LOCAL_PART_MAX || domain.len() > DOMAIN_MAX {
            return Err(AddressError::TooLong);
        }
        if !is_local_part(local) {
            return Err(AddressError::LocalPart);
        }
        if domain.is_empty() {
            return Err(AddressError::NoDomain);
        }
        if !is_domain(domain) {
            return Err(AddressError::Domain);
        }
        Ok(Self { text: text.to_owned(), at })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Before the `@`, quotes included.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// After the `@`, as it was written.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The domain in its comparable form: A-labels, lower case (one strict UTS 46 pass).
    pub fn ascii_domain(&self) -> String {
        ascii_domain(self.domain()).unwrap_or_else(|| self.domain().to_lowercase())
    }

    /// Whether only SMTPUTF8 can carry it: the local part is not ASCII (RFC 6531). A U-label domain has an A-label form.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local_part().is_ascii()
    }

    /// Whether it holds anything but ASCII, so that a client must have announced SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// The form by which two spellings of one mailbox are known as the same: all lower case, domain in A-labels, needless quotes
    /// gone. Local parts are case-sensitive by the letter of RFC 5321 section 2.4, but no suppression list may depend on it.
    pub fn key(&self) -> String {
        format!("{}@{}", unquoted(self.local_part()).to_lowercase(), self.ascii_domain())
    }
}

/// A domain name's comparable form: A-labels, lower case, no trailing dot. `None` when it is none.
pub fn ascii_domain(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.starts_with('[') {
        return Some(domain.to_ascii_lowercase());
    }
    if domain.is_ascii() {
        // Underscores and the like are no business of UTS 46's strictness here: real envelopes hold them.
        return (!domain.is_empty()).then(|| domain.to_ascii_lowercase());
    }
    idna::domain_to_ascii_strict(domain).ok().filter(|d| !d.is_empty())
}

/// The place of the `@` that ends the local part.
fn split_at(text: &str) -> Result<usize, AddressError> {
    if !text.starts_with('"') {
        return text.find('@').filter(|at| at + 1 < text.len()).ok_or(AddressError::NoDomain);
    }
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let at = place + 1;
                return if text[at..].starts_with('@') { Ok(at) } else { Err(AddressError::LocalPart) };
            }
            _ => {}
        }
    }
    Err(AddressError::LocalPart)
}

/// `atext` of RFC 5322 section 3.2.3, and UTF-8 beyond ASCII (RFC 6532 section 3.2).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_beyond_ascii(c)
}

/// What RFC 6531 adds; blanks and line separators beyond ASCII are left out, since readers take them for the ASCII ones.
fn is_beyond_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

fn is_local_part(local: &str) -> bool {
    if let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) {
        return is_quoted_content(inner);
    }
    // Dots at the ends and in runs are no dot-string, but appliances and Japanese carriers send them: taken.
    !local.is_empty() && local.chars().all(|c| c == '.' || is_atext(c))
}

/// `qtextSMTP / quoted-pairSMTP` of RFC 5321 section 4.1.2.
fn is_quoted_content(inner: &str) -> bool {
    let mut escaped = false;
    for c in inner.chars() {
        if c.is_control() {
            return false;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        return is_address_literal(literal);
    }
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let label = |l: &str| {
        !l.is_empty()
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || is_beyond_ascii(c))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let Some(ascii) = ascii_domain(domain) else { return false };
    !domain.is_empty() && domain.split('.').all(label) && ascii.len() <= 253 && ascii.split('.').all(|l| l.len() <= 63)
}

/// RFC 5321 section 4.1.3.
fn is_address_literal(literal: &str) -> bool {
    match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => literal[5..].parse::<std::net::Ipv6Addr>().is_ok(),
        _ => literal.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// A quoted local part whose content is an atom means the same without quotes (RFC 5321 section 4.1.2).
fn unquoted(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    if !plain.is_empty() && plain.chars().all(|c| c == '.' || is_atext(c)) { plain } else { local.to_owned() }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
