//! Reading replies (RFC 5321 section 4.2), with a bound on everything a peer may send.

use std::fmt;

use memchr::memchr;

use crate::model::outcome::Reply;

/// Octets of one line. RFC 5321 section 4.5.3.1.5 asks for 512; real servers say more.
const LINE_MAX: usize = 2048;
/// Octets of one reply.
const REPLY_MAX: usize = 8192;
/// Lines of one reply.
const LINES_MAX: usize = 100;

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    pub code: u16,
    /// The text of its lines, without codes, joined by LF.
    pub text: String,
}

/// Why octets are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    #[error("the line does not begin with a reply code")]
    NoCode,
    #[error("its lines have different codes")]
    CodeChanges,
    #[error("it is too long")]
    TooLong,
}

impl ServerReply {
    /// 2yz: done.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// In the model's form: the enhanced status code (RFC 2034) apart from the text, lines joined by blanks.
    pub fn to_model(&self) -> Reply {
        let enhanced = self.text.split_whitespace().next().filter(|word| is_enhanced(word, self.code)).map(str::to_owned);
        let mut text = String::with_capacity(self.text.len());
        for line in self.text.lines() {
            let line = match &enhanced {
                Some(status) => line.strip_prefix(status.as_str()).unwrap_or(line).trim_start(),
                None => line,
            };
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(line);
        }
        Reply::new(self.code, enhanced, &text)
    }
}

impl fmt::Display for ServerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_model().line())
    }
}

/// `class "." subject "." detail` of RFC 3463 section 2, of the reply's own class.
fn is_enhanced(word: &str, code: u16) -> bool {
    let mut parts = word.split('.');
    let number = |part: Option<&str>| part.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    let class = parts.next().and_then(|p| p.parse::<u16>().ok());
    class == Some(code / 100) && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

/// Takes one reply off the front of `bytes`: the reply, and how many octets it was. `None`: it is not all there yet.
pub fn parse(bytes: &[u8]) -> Result<Option<(ServerReply, usize)>, BadReply> {
    let mut reply = ServerReply { code: 0, text: String::new() };
    let mut at = 0;
    for line in 0..LINES_MAX {
        let rest = &bytes[at..];
        let Some(end) = memchr(b'\n', rest) else {
            return if rest.len() > LINE_MAX || bytes.len() > REPLY_MAX { Err(BadReply::TooLong) } else { Ok(None) };
        };
        at += end + 1;
        if end > LINE_MAX || at > REPLY_MAX {
            return Err(BadReply::TooLong);
        }
        // A peer that ends its lines by LF alone is understood; we never do so ourselves.
        let content = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let (code, last, text) = parse_line(content).ok_or(BadReply::NoCode)?;
        if line == 0 {
            reply.code = code;
        } else {
            // RFC 5321 section 4.2.1: the code is the same on each line.
            if code != reply.code {
                return Err(BadReply::CodeChanges);
            }
            reply.text.push('\n');
        }
        reply.text.push_str(&String::from_utf8_lossy(text));
        if last {
            return Ok(Some((reply, at)));
        }
    }
    Err(BadReply::TooLong)
}

/// Code, whether it is the reply's last line, and text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let digits = line.get(..3)?;
    if !(b'2'..=b'5').contains(&digits[0]) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match line.get(3) {
        None => Some((code, true, &[])),
        Some(b' ') => Some((code, true, &line[4..])),
        Some(b'-') => Some((code, false, &line[4..])),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> (u16, String, usize) {
        let (reply, used) = parse(bytes).unwrap().unwrap();
        (reply.code, reply.text, used)
    }

    #[test]
    fn replies_of_one_line_and_of_many() {
        assert_eq!(whole(b"250 ok\r\n354 go\r\n"), (250, "ok".into(), 8));
        assert_eq!(whole(b"250\r\n"), (250, String::new(), 5));
        assert_eq!(whole(b"250-a\r\n250-\r\n250 c\n"), (250, "a\n\nc".into(), 19));
    }

    #[test]
    fn a_reply_that_is_cut_anywhere_is_not_there_yet() {
        let text = b"250-mx.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n";
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for (bytes, wrong) in [
            (&b"hello\r\n"[..], BadReply::NoCode),
            (b"99\r\n", BadReply::NoCode),
            (b"150 early\r\n", BadReply::NoCode),
            (b"250_x\r\n", BadReply::NoCode),
            (b"\r\n", BadReply::NoCode),
            (b"250-a\r\n251 b\r\n", BadReply::CodeChanges),
        ] {
            assert_eq!(parse(bytes), Err(wrong), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_reply_without_end_is_cut_off() {
        assert_eq!(parse(&[b'2'; 5000]), Err(BadReply::TooLong));
        assert_eq!(parse("250-x\r\n".repeat(200).as_bytes()), Err(BadReply::TooLong));
        assert_eq!(parse(format!("250-{}\r\n", "x".repeat(1000)).repeat(20).as_bytes()), Err(BadReply::TooLong));
    }

    #[test]
    fn the_enhanced_code_is_told_apart() {
        let reply = |code, text: &str| ServerReply { code, text: text.to_owned() }.to_model();
        assert_eq!(reply(550, "5.1.1 no such\n5.1.1 user").line(), "550 5.1.1 no such user");
        assert_eq!(reply(550, "5.1.1 x").enhanced.as_deref(), Some("5.1.1"));
        assert_eq!(reply(250, "5.1.1 x").enhanced, None);
        assert_eq!(reply(451, "4.7 x").enhanced, None);
        assert_eq!(reply(451, "a\u{1b}[31mb").text, "a [31mb");
    }
}
