//! Other octets in some parts of a message; every other byte stays.

use super::leaf;
use super::parts::Part;

/// `message` with other octets in these of its leaf parts, which stand in their order, each in the transfer encoding that it has.
pub fn replaced<'p>(message: &[u8], parts: impl IntoIterator<Item = (&'p Part, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 4);
    let mut done = 0;
    for (part, octets) in parts {
        out.extend_from_slice(&message[done..part.body.start]);
        let start = out.len();
        leaf::write(&octets, part.encoding, &mut out);
        // The message itself ends with a line end of its own.
        if part.parent.is_none() && !out[start..].ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        done = part.body.end;
    }
    out.extend_from_slice(&message[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::parts::{self, Reach};

    #[test]
    fn a_part_keeps_its_encoding_and_its_neighbours_their_bytes() {
        let message = "Content-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\nfirst\r\n--z\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                       YQ==\r\n--z\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nb=\r\n\r\n--z--\r\nend\r\n";
        let parts = parts::of(message.as_bytes(), Reach::STANDARD);
        let anew =
            parts.iter().skip(1).zip(["one\r\nx", "two", "caf\u{e9}"]).map(|(part, text)| (part, text.as_bytes().to_vec()));
        let out = String::from_utf8(replaced(message.as_bytes(), anew)).expect("text");
        let expected = message.replace("first", "one\r\nx").replace("YQ==", "dHdv").replace("b=\r\n", "caf=C3=A9");
        assert_eq!(out, expected);
    }

    #[test]
    fn a_message_that_is_one_part_ends_with_a_line_end() {
        for (encoding, body) in [("7bit", "new\r\n"), ("base64", "bmV3\r\n"), ("quoted-printable", "new\r\n")] {
            let head = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
            let message = format!("{head}YQ==\r\n");
            let parts = parts::of(message.as_bytes(), Reach::STANDARD);
            let out = replaced(message.as_bytes(), [(&parts[0], b"new".to_vec())]);
            assert_eq!(String::from_utf8(out).expect("text"), format!("{head}{body}"));
        }
    }
}
