//! Folding (RFC 5322 section 2.2.3).

/// Where a line is folded when it can be (RFC 5322 section 2.1.1, RFC 2047 section 2).
const PREFERRED: usize = 76;

/// A field of pieces with a blank between them, folded before a piece that would not fit.
pub fn joined(name: &str, pieces: &[String]) -> Vec<u8> {
    let mut field = format!("{name}:");
    let mut column = field.len();
    for piece in pieces {
        if column + 1 + piece.len() > PREFERRED && column > 1 {
            field.push_str("\r\n");
            column = 0;
        }
        field.push(' ');
        field.push_str(piece);
        column += 1 + piece.len();
    }
    field.push_str("\r\n");
    field.into_bytes()
}

/// A field with no line over `limit`: folded at blanks, which changes nothing; where there are none, cut, which puts one in.
pub fn folded(field: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len() + 64);
    for line in field.split_inclusive(|&byte| byte == b'\n') {
        // Octets that stand on the new line already.
        let (mut rest, mut column) = (line, 0);
        while column + length(rest) > limit {
            let room = limit - column;
            let fold = fold_at(rest, room);
            let at = fold.unwrap_or_else(|| cut_at(rest, room));
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(if fold.is_some() { b"\r\n" } else { b"\r\n " });
            (rest, column) = (&rest[at..], usize::from(fold.is_none()));
        }
        out.extend_from_slice(rest);
    }
    out
}

/// Octets of a line without its line end.
fn length(line: &[u8]) -> usize {
    line.strip_suffix(b"\r\n").unwrap_or(line).len()
}

/// The last blank within the limit that has words on both sides of it.
fn fold_at(line: &[u8], limit: usize) -> Option<usize> {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let fits = |at: &usize| is_blank(line[*at]) && !is_blank(line[*at + 1]) && !line[..*at].trim_ascii().ends_with(b":");
    let first_word = line.iter().position(|&byte| !is_blank(byte)).unwrap_or(0);
    (first_word + 1..limit.min(line.len() - 1) + 1).rev().find(|at| *at + 1 < line.len() && fits(at))
}

/// Where a line without blanks is cut: not inside a character.
fn cut_at(line: &[u8], limit: usize) -> usize {
    (limit - 3..=limit).rev().find(|&at| line[at] & 0xC0 != 0x80).unwrap_or(limit)
}
