//! ESMTP parameters of MAIL and RCPT: `keyword["=" value]`, in any case (RFC 5321 section 4.1.2).

use crate::model::envelope::{BodyType, DsnNotify, DsnRet};
use crate::wire::xtext;

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("{0} is not a parameter of this command here")]
    Unknown(String),
    #[error("the value of {0} is missing or wrong")]
    Value(&'static str),
    #[error("{0} stands twice")]
    Twice(&'static str),
}

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE=` in octets (RFC 1870).
    pub size: Option<u64>,
    pub body: Option<BodyType>,
    pub smtputf8: bool,
    pub ret: Option<DsnRet>,
    /// Decoded.
    pub envid: Option<String>,
}

/// The parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParameters {
    pub notify: Option<DsnNotify>,
    /// Decoded, with its address type: `rfc822;a@b`.
    pub orcpt: Option<String>,
}

impl MailParameters {
    /// Reads what follows the reverse-path.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut read = Self::default();
        let mut auth = None;
        for (keyword, value) in words(text) {
            match keyword.to_ascii_uppercase().as_str() {
                "SIZE" => once(&mut read.size, "SIZE", value.and_then(size))?,
                "BODY" => once(&mut read.body, "BODY", body(keyword, value)?)?,
                "SMTPUTF8" if value.is_none() && !read.smtputf8 => read.smtputf8 = true,
                "SMTPUTF8" => return Err(ParameterError::Value("SMTPUTF8")),
                "RET" => once(&mut read.ret, "RET", value.and_then(ret))?,
                "ENVID" => once(&mut read.envid, "ENVID", value.and_then(xtext::decode))?,
                // RFC 4954 section 5: no peer is trusted to vouch for another, so it is read and not used.
                "AUTH" => once(&mut auth, "AUTH", value.and_then(auth_value))?,
                _ => return Err(unknown(keyword)),
            }
        }
        Ok(read)
    }
}

impl RcptParameters {
    /// Reads what follows the forward-path.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut read = Self::default();
        for (keyword, value) in words(text) {
            match keyword.to_ascii_uppercase().as_str() {
                "NOTIFY" => once(&mut read.notify, "NOTIFY", value.and_then(DsnNotify::parse))?,
                "ORCPT" => once(&mut read.orcpt, "ORCPT", value.and_then(orcpt))?,
                _ => return Err(unknown(keyword)),
            }
        }
        Ok(read)
    }
}

fn words(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split([' ', '\t']).filter(|word| !word.is_empty()).map(|word| match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    })
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), ParameterError> {
    if place.is_some() {
        return Err(ParameterError::Twice(name));
    }
    *place = Some(value.ok_or(ParameterError::Value(name))?);
    Ok(())
}

fn unknown(keyword: &str) -> ParameterError {
    ParameterError::Unknown(keyword.chars().take(40).collect())
}

/// RFC 1870 section 4: up to 20 digits.
fn size(value: &str) -> Option<u64> {
    if value.bytes().all(|b| b.is_ascii_digit()) { value.parse().ok() } else { None }
}

/// BINARYMIME is a word of RFC 3030, but it is not offered, and so is a parameter that nobody knows.
fn body(keyword: &str, value: Option<&str>) -> Result<Option<BodyType>, ParameterError> {
    match value.map(str::to_ascii_uppercase).as_deref() {
        Some("7BIT") => Ok(Some(BodyType::SevenBit)),
        Some("8BITMIME") => Ok(Some(BodyType::EightBitMime)),
        Some("BINARYMIME") => Err(unknown(&format!("{keyword}=BINARYMIME"))),
        _ => Ok(None),
    }
}

fn ret(value: &str) -> Option<DsnRet> {
    [DsnRet::Full, DsnRet::Headers].into_iter().find(|ret| ret.as_str().eq_ignore_ascii_case(value))
}

/// `<>`, or a mailbox in xtext.
fn auth_value(value: &str) -> Option<()> {
    (!value.is_empty() && xtext::decode(value).is_some()).then_some(())
}

/// `addr-type ";" xtext` (RFC 3461 section 4.2).
fn orcpt(value: &str) -> Option<String> {
    let (kind, address) = value.split_once(';')?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let address = xtext::decode(address).filter(|address| is_atom && !address.is_empty())?;
    Some(format!("{kind};{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_parameters_are_read_in_any_case_and_order() {
        let read = MailParameters::parse(" body=8bitmime  SIZE=42\tsmtputf8 RET=hdrs ENVID=a+2Bb AUTH=<> ");
        let body = Some(BodyType::EightBitMime);
        assert_eq!(
            read,
            Ok(MailParameters { size: Some(42), body, smtputf8: true, ret: Some(DsnRet::Headers), envid: Some("a+b".into()) })
        );
        assert_eq!(MailParameters::parse(""), Ok(MailParameters::default()));
    }

    #[test]
    fn a_wrong_value_is_named() {
        for bad in ["SIZE", "SIZE=", "SIZE=-1", "SIZE=+1", "SIZE=1k", "SIZE=18446744073709551616", "SIZE=99999999999999999999"] {
            assert_eq!(MailParameters::parse(bad), Err(ParameterError::Value("SIZE")), "{bad}");
        }
        assert_eq!(MailParameters::parse("SIZE=1 size=1"), Err(ParameterError::Twice("SIZE")));
        assert_eq!(MailParameters::parse("BODY=9BIT"), Err(ParameterError::Value("BODY")));
        assert_eq!(MailParameters::parse("RET=ALL"), Err(ParameterError::Value("RET")));
        assert_eq!(MailParameters::parse("SMTPUTF8=1"), Err(ParameterError::Value("SMTPUTF8")));
        assert_eq!(RcptParameters::parse("NOTIFY=NEVER,DELAY"), Err(ParameterError::Value("NOTIFY")));
        assert_eq!(RcptParameters::parse("ORCPT=a@b"), Err(ParameterError::Value("ORCPT")));
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        for (bad, name) in
            [("X", "X"), ("holdfor=1", "holdfor"), ("BODY=BINARYMIME", "BODY=BINARYMIME"), ("NOTIFY=NEVER", "NOTIFY")]
        {
            assert_eq!(MailParameters::parse(bad), Err(ParameterError::Unknown(name.into())));
        }
        assert_eq!(RcptParameters::parse("SIZE=1"), Err(ParameterError::Unknown("SIZE".into())));
    }

    #[test]
    fn rcpt_parameters_are_read() {
        let read = RcptParameters::parse(" NOTIFY=success,failure ORCPT=rfc822;a+2Bb@c.test").unwrap();
        assert_eq!(read.notify.map(DsnNotify::text).as_deref(), Some("SUCCESS,FAILURE"));
        assert_eq!(read.orcpt.as_deref(), Some("rfc822;a+b@c.test"));
    }
}
