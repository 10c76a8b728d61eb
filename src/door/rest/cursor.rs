//! Where the next page of a list begins, as a text that means nothing to anybody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::Id;

/// The cursor behind this row.
pub fn after(id: Id) -> String {
    URL_SAFE_NO_PAD.encode(id.0)
}

/// The row that a cursor stands behind.
pub fn read(text: &str) -> Result<Id, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| FAULT)?;
    Id::from_slice(&bytes).map_err(|_| FAULT)
}

/// The cursor behind the row of this name.
pub fn after_name(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name of the row that a cursor stands behind.
pub fn read_name(text: &str) -> Result<String, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| FAULT)?;
    String::from_utf8(bytes).ok().filter(|name| !name.contains('\0')).ok_or(FAULT)
}

const FAULT: &str = "is no cursor of this list";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let id = Id([7; 16]);
        assert_eq!(read(&after(id)), Ok(id));
        for bad in ["", "x", "AAAA", "BwcHBwcHBwcHBwcHBwcHBw==", "\u{e4}"] {
            assert_eq!(read(bad), Err(FAULT), "{bad}");
        }
        assert_eq!(read_name(&after_name("j\u{f6}rg@a.test")).as_deref(), Ok("j\u{f6}rg@a.test"));
        for bad in ["x", "_w", "AAAA", "YUBiLmM=", "\u{e4}"] {
            assert_eq!(read_name(bad), Err(FAULT), "{bad}");
        }
    }
}
