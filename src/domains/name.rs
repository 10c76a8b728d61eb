//! The name of a sender domain as somebody wrote it.

use crate::model::address::Address;

/// Octets of a name that leave room for what is published below it (RFC 1035 section 2.3.4): selectors, the label of a return path.
const LONGEST: usize = 180;

/// A-labels, lower case, no last dot. None: no address has this after its `@`, it is the address of a machine, or it is too long.
pub fn comparable(name: &str) -> Option<String> {
    let address = Address::parse(&format!("postmaster@{name}")).ok()?;
    let domain = address.ascii_domain();
    let top = domain.rsplit('.').next().unwrap_or_default();
    let is_name = !domain.starts_with('[') && !top.bytes().all(|byte| byte.is_ascii_digit());
    // A label that says that it is an A-label must be one (RFC 5891 section 4.4).
    let is_sound = !domain.contains("xn--") || idna::domain_to_ascii_strict(&domain).is_ok();
    (is_name && is_sound && domain.len() <= LONGEST).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form() {
        for (written, form) in [
            ("Example.COM.", "example.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("XN--bcher-kva.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(comparable(written).as_deref(), Some(form), "{written}");
        }
        let (long, label) = (format!("{}.test", ["x".repeat(60), "x".repeat(60), "x".repeat(60)].join(".")), "x".repeat(64));
        for bad in [
            "",
            ".",
            "a..b",
            "-a.test",
            "a b.test",
            "a.test\r\n",
            "a.test\0",
            "[192.0.2.1]",
            "192.0.2.1",
            "a@b.test",
            "a.test/x",
            "xn--\u{fc}.test",
            "xn--a.test",
            "*.a.test",
            &format!("{label}.test"),
            &long,
        ] {
            assert_eq!(comparable(bad), None, "{bad:?}");
        }
    }
}
