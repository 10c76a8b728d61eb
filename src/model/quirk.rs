//! What a client does that a stricter server would refuse: it is taken, and counted for the owner of its key.

/// One habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// A CR or an LF that stands alone (RFC 5321 section 2.3.8).
    BareLineEnd,
    /// A line over 998 octets (RFC 5322 section 2.1.1).
    LongLine,
    /// 8-bit octets without BODY=8BITMIME (RFC 6152 section 3).
    UndeclaredEightBit,
    /// A line of an mbox file before the first field.
    MboxLine,
    /// No empty line between header and body (RFC 5322 section 2.1).
    NoEmptyLine,
    /// A blank between a field's name and its colon (RFC 5322 section 4.5).
    BlankBeforeColon,
}

impl Quirk {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::BareLineEnd, Self::LongLine, Self::UndeclaredEightBit, Self::MboxLine, Self::NoEmptyLine, Self::BlankBeforeColon];

    /// The word used in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::BareLineEnd => "bare_line_end",
            Self::LongLine => "long_line",
            Self::UndeclaredEightBit => "undeclared_8bit",
            Self::MboxLine => "mbox_line",
            Self::NoEmptyLine => "no_empty_line",
            Self::BlankBeforeColon => "blank_before_colon",
        }
    }

    /// The one of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quirk| quirk.word() == word)
    }

    /// What its owner is told: "this client ...".
    pub fn text(self) -> &'static str {
        match self {
            Self::BareLineEnd => "sends bare CR or LF as line ends",
            Self::LongLine => "sends lines over 998 octets",
            Self::UndeclaredEightBit => "sends 8-bit octets without BODY=8BITMIME",
            Self::MboxLine => "puts a From line of an mbox file before the header",
            Self::NoEmptyLine => "sends no empty line before the body",
            Self::BlankBeforeColon => "puts a blank before a field's colon",
        }
    }
}
