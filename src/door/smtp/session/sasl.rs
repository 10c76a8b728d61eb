//! The two SASL mechanisms: PLAIN (RFC 4616) and LOGIN. Pure: text in, credentials or the next challenge out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::key::Secret;
use crate::model::stream::Stream;

/// Octets of a line that belongs to AUTH, CRLF included (RFC 4954 section 4).
pub const LINE_MAX: usize = 12288;

/// As EHLO lists them.
pub const MECHANISMS: &str = "PLAIN LOGIN";

/// What the next response means.
#[derive(Clone, PartialEq, Eq)]
pub enum Exchange {
    Plain,
    LoginUser,
    LoginPassword { user: String },
}

/// Where a response leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this, and read on.
    Challenge(&'static str, Exchange),
    Credentials(Credentials),
    /// It is not base64, or not what the mechanism asks for.
    Malformed,
    /// It can't be right whatever the key is: RFC 4616 section 2 lets nobody act for another here.
    Denied,
}

/// What a client logs in with.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// Any name will do; its suffix may name a stream.
    pub user: String,
    pub secret: Secret,
}

/// `User Name` and `Password` are older; `Username:` is what clients know.
const USERNAME: &str = "VXNlcm5hbWU6";
const PASSWORD: &str = "UGFzc3dvcmQ6";

/// The exchange that `mechanism` begins. `None`: not known here.
pub fn begin(mechanism: &str) -> Option<Exchange> {
    match mechanism {
        "PLAIN" => Some(Exchange::Plain),
        "LOGIN" => Some(Exchange::LoginUser),
        _ => None,
    }
}

impl Exchange {
    /// The first challenge, when the client gave no initial response.
    pub fn ask(self) -> Step {
        let challenge = if self == Self::LoginUser { USERNAME } else { "" };
        Step::Challenge(challenge, self)
    }

    /// Reads a response in base64.
    pub fn response(self, base64: &[u8]) -> Step {
        let Ok(octets) = STANDARD.decode(base64) else { return Step::Malformed };
        match self {
            Self::Plain => plain(&octets),
            Self::LoginUser => {
                let user = String::from_utf8_lossy(&octets).into_owned();
                Step::Challenge(PASSWORD, Self::LoginPassword { user })
            }
            Self::LoginPassword { user } => credentials(user, &octets),
        }
    }
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 section 2).
fn plain(octets: &[u8]) -> Step {
    let parts: Vec<&[u8]> = octets.split(|&b| b == 0).collect();
    let [authzid, authcid, password] = parts[..] else { return Step::Malformed };
    if authcid.is_empty() {
        return Step::Malformed;
    }
    if !authzid.is_empty() && authzid != authcid {
        return Step::Denied;
    }
    credentials(String::from_utf8_lossy(authcid).into_owned(), password)
}

fn credentials(user: String, password: &[u8]) -> Step {
    match str::from_utf8(password) {
        Ok(password) if !password.is_empty() => Step::Credentials(Credentials { user, secret: Secret::from_text(password) }),
        _ => Step::Denied,
    }
}

impl Credentials {
    /// The stream named by a suffix of the user name: `apikey+broadcast`.
    pub fn stream(&self) -> Option<Stream> {
        let (_, suffix) = self.user.rsplit_once('+')?;
        Stream::ALL.into_iter().find(|stream| stream.as_str().eq_ignore_ascii_case(suffix))
    }
}

// What a client logs in with is written nowhere: people put the key where the user name belongs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Step {
        Exchange::Plain.response(STANDARD.encode(text).as_bytes())
    }

    fn found(user: &str, key: &str) -> Step {
        Step::Credentials(Credentials { user: user.into(), secret: Secret::from_text(key) })
    }

    #[test]
    fn plain_is_three_parts() {
        assert_eq!(plain("\0apikey\0k"), found("apikey", "k"));
        assert_eq!(plain("apikey\0apikey\0k"), found("apikey", "k"));
        for malformed in ["", "apikey", "\0apikey", "\0a\0k\0", "\0\0k", "a\0\0k"] {
            assert_eq!(plain(malformed), Step::Malformed, "{malformed:?}");
        }
        for denied in ["root\0apikey\0k", "\0apikey\0"] {
            assert_eq!(plain(denied), Step::Denied, "{denied:?}");
        }
    }

    #[test]
    fn only_whole_standard_base64_is_read() {
        for bad in ["AGEAYg", "AGEAYg=", "AGEAYg==x", "AGE AYg==", " AGEAYg==", "AGEA_g==", "*", "=", "AGEAYg==="] {
            assert_eq!(Exchange::Plain.response(bad.as_bytes()), Step::Malformed, "{bad}");
        }
        assert_eq!(Exchange::Plain.response(b"AGEAYg=="), found("a", "b"));
    }

    #[test]
    fn login_asks_twice() {
        let user = Exchange::LoginUser.response(b"YXBpa2V5");
        assert_eq!(user, Step::Challenge(PASSWORD, Exchange::LoginPassword { user: "apikey".into() }));
        assert_eq!(Exchange::LoginPassword { user: "apikey".into() }.response(b"aw=="), found("apikey", "k"));
        assert_eq!(Exchange::LoginPassword { user: "apikey".into() }.response(b""), Step::Denied);
    }

    #[test]
    fn a_suffix_of_the_user_name_names_the_stream() {
        for (user, stream) in [
            ("apikey", None),
            ("apikey+broadcast", Some(Stream::Broadcast)),
            ("a+b+Transactional", Some(Stream::Transactional)),
            ("apikey+news", None),
            ("broadcast", None),
        ] {
            assert_eq!(Credentials { user: user.into(), secret: Secret::from_text("k") }.stream(), stream, "{user}");
        }
    }
}
