//! The policy's text (RFC 8461 section 3.2).

use std::sync::Arc;
use std::time::Duration;

use crate::model::address::ascii_domain;
use crate::store::tls_sessions::HeldTo;

/// RFC 8461 section 3.2: about a year.
const MAX_AGE_MAX: u64 = 31_557_600;
/// Patterns of one policy.
const PATTERNS_MAX: usize = 200;

/// What is done about hosts that don't comply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are not used.
    Enforce,
    /// They are reported.
    Testing,
    /// Nothing: the domain takes its policy back.
    None,
}

/// A domain's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub max_age: Duration,
    /// Its lines as they were fetched, and its patterns of hosts: lower case, A-labels; `*.` at the beginning stands for one label. Each
    /// session that is counted refers to them.
    pub told: Arc<HeldTo>,
}

impl Policy {
    /// Reads the text. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
            return Err("it holds a control character".to_owned());
        }
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect();
        let fields: Vec<(&str, &str)> =
            lines.iter().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim())).collect();
        // RFC 8461 section 3.2: of a field that stands twice, all but the first are ignored; mx may be repeated.
        let first = |key: &str| fields.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        if first("version") != Some("STSv1") {
            return Err("its version is not STSv1".to_owned());
        }
        let mode = match first("mode") {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            other => return Err(format!("its mode is {other:?}")),
        };
        let max_age = first("max_age").filter(|age| age.len() <= 10).and_then(|age| age.parse::<u64>().ok());
        let Some(max_age) = max_age else { return Err("it has no max_age".to_owned()) };
        let mx = patterns(&fields)?;
        if mx.is_empty() && mode != Mode::None {
            return Err("it names no mx".to_owned());
        }
        let told = Arc::new(HeldTo { kind: "sts".to_owned(), lines, hosts: mx });
        Ok(Self { mode, max_age: Duration::from_secs(max_age.min(MAX_AGE_MAX)), told })
    }

    /// Whether the host (lower case, A-labels) is one of the policy's (RFC 8461 section 4.1).
    pub fn names(&self, host: &str) -> bool {
        self.told.hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => host == pattern,
        })
    }
}

fn patterns(fields: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let values = fields.iter().filter(|(key, _)| *key == "mx").map(|(_, value)| *value);
    let patterns: Option<Vec<String>> = values.take(PATTERNS_MAX).map(pattern).collect();
    patterns.ok_or_else(|| "an mx of it is no host name".to_owned())
}

fn pattern(value: &str) -> Option<String> {
    let (star, name) = value.strip_prefix("*.").map_or(("", value), |name| ("*.", name));
    let name = ascii_domain(name)?;
    let is_sound = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    is_sound.then(|| format!("{star}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\nmx: backupmx.example.com\r\n\
                        max_age: 604800\r\nfuture: x\r\n";

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let policy = Policy::parse(TEXT).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        assert_eq!(policy.told.hosts, ["mail.example.com", "*.example.net", "backupmx.example.com"]);
        assert_eq!(policy.told.lines[0], "version: STSv1");
        assert_eq!(Policy::parse(&TEXT.replace("\r\n", "\n")).unwrap().told.hosts, policy.told.hosts);
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let policy = Policy::parse(TEXT).unwrap();
        for (host, named) in [
            ("mail.example.com", true),
            ("a.example.net", true),
            ("example.net", false),
            ("a.b.example.net", false),
            ("mail.example.com.evil.org", false),
            ("xexample.net", false),
            (".example.net", false),
        ] {
            assert_eq!(policy.names(host), named, "{host}");
        }
    }

    #[test]
    fn what_is_no_policy_is_told() {
        for (text, complaint) in [
            ("", "version"),
            ("version: STSv2\nmode: none\nmax_age: 1\n", "version"),
            ("version: STSv1\nmode: maybe\nmax_age: 1\n", "mode"),
            ("version: STSv1\nmode: enforce\nmax_age: 1\n", "names no mx"),
            ("version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n", "no host name"),
            ("version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1\n", "max_age"),
            ("version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 99999999999\n", "max_age"),
            ("<html>mode: none</html>", "version"),
            ("version: STSv1\nmode: none\nmax_age: 1\nx: \0\n", "control character"),
        ] {
            let refusal = Policy::parse(text).unwrap_err();
            assert!(refusal.contains(complaint), "{text}: {refusal}");
        }
        let none = Policy::parse("version: STSv1\nmode: none\nmax_age: 9999999999\nmode: enforce\n").unwrap();
        assert_eq!((none.mode, none.max_age), (Mode::None, Duration::from_secs(MAX_AGE_MAX)));
    }
}
