//! xtext: printable ASCII with `+` and two upper-case hexadecimal digits for the rest (RFC 3461 section 4).

/// The text that `xtext` stands for. `None` when it is not of that form, or stands for control characters or for no UTF-8.
pub fn decode(xtext: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(xtext.len());
    let mut rest = xtext.bytes();
    while let Some(byte) = rest.next() {
        octets.push(match byte {
            b'+' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'=' | ..=b' ' | 0x7f => return None,
            // RFC 6533 section 3 lets UTF-8 stand for itself.
            _ => byte,
        });
    }
    String::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Lower case is no xtext by the letter, but is sent and can mean nothing else.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_read() {
        for (xtext, text) in [("QQ314159", "QQ314159"), ("a+2Bb+3D", "a+b="), ("", ""), ("M+C3+BC", "Mü")] {
            assert_eq!(decode(xtext).as_deref(), Some(text));
        }
        for bad in ["+", "+2", "+G0", "a=b", "a b", "+0D+0A", "+FF"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
