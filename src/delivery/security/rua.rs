//! Where a domain wants to be told of TLS: the record at `_smtp._tls` (RFC 8460 section 3).

use crate::model::address::Address;

/// Addresses of one record that are written to.
const ADDRESSES: usize = 5;

/// The addresses that reports are mailed to, by the TXT records there; none: the domain asks for no reports, or not by mail.
pub fn addresses(records: &[String]) -> Vec<Address> {
    let asking: Vec<&String> = records.iter().filter(|record| is_of_this_version(record)).collect();
    // Where several ask, none does.
    let [record] = asking[..] else { return Vec::new() };
    let fields = record.split(';').filter_map(|field| field.split_once('='));
    let rua = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case("rua")).flat_map(|(_, value)| value.split(','));
    rua.filter_map(mailbox).take(ADDRESSES).collect()
}

fn is_of_this_version(record: &str) -> bool {
    let version = record.split(';').next().and_then(|field| field.split_once('='));
    version.is_some_and(|(name, value)| name.trim() == "v" && value.trim() == "TLSRPTv1")
}

/// The one address, in ASCII, of a `mailto:` URI (RFC 6068), of which nothing else is heeded.
fn mailbox(uri: &str) -> Option<Address> {
    let (scheme, rest) = uri.trim().split_once(':')?;
    let text = rest.split('?').next().filter(|_| scheme.eq_ignore_ascii_case("mailto"))?;
    Address::parse(&decoded(text)?).ok().filter(Address::is_ascii)
}

/// Percent-encoding undone (RFC 3986 section 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut octets = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        octets.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        octets.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_asks_by_its_mailto_uris() {
        let asked = |records: &[&str]| {
            let records: Vec<String> = records.iter().map(|&record| record.to_owned()).collect();
            addresses(&records).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(asked(&["v=TLSRPTv1; rua=mailto:tls@a.example"]), ["tls@a.example"]);
        let several = "v = TLSRPTv1 ;rua= https://a.example/tls , MAILTO:a%2Bb@a.example?subject=x,mailto:c@a.example;";
        assert_eq!(asked(&["v=spf1 -all", several]), ["a+b@a.example", "c@a.example"]);
        assert_eq!(asked(&[&format!("v=TLSRPTv1;rua={}", ["mailto:a@b.example"; 9].join(","))]).len(), ADDRESSES);
        for silent in
            ["v=TLSRPTv1", "v=TLSRPTv1;rua=https://a.example", "v=TLSRPTv2;rua=mailto:a@b.example", "rua=mailto:a@b.example", ""]
        {
            assert_eq!(asked(&[silent]), [""; 0], "{silent}");
        }
        for broken in ["mailto:", "mailto:%", "mailto:%4", "mailto:%\u{fc}x@b.example", "mailto:a@b.example%0d%0aBcc:c@d.example"]
        {
            assert_eq!(asked(&[&format!("v=TLSRPTv1;rua={broken}")]), [""; 0], "{broken}");
        }
        let one = "v=TLSRPTv1; rua=mailto:tls@a.example";
        assert_eq!(asked(&[one, one]), [""; 0], "several records are none");
    }
}
