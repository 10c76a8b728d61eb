//! A message made from its pieces.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;

/// A message to be written. Addresses are `local@domain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    /// More fields; values are encoded and folded as unstructured text.
    pub headers: Vec<(String, String)>,
}

impl Draft {
    /// The MIME bytes, with Date and Message-ID.
    pub fn compose(self) -> std::io::Result<Vec<u8>> {
        let to: Vec<Address<'_>> = self.to.into_iter().map(|to| Address::new_address(None::<String>, to)).collect();
        let mut message = MessageBuilder::new()
            .from(Address::new_address(None::<String>, self.from))
            .to(Address::new_list(to))
            .subject(self.subject);
        for (name, value) in self.headers {
            message = message.header(name, mail_builder::headers::text::Text::new(value));
        }
        if let Some(text) = self.text {
            message = message.text_body(text);
        }
        if let Some(html) = self.html {
            message = message.html_body(html);
        }
        message.write_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::view::View;

    #[test]
    fn what_is_composed_reads_back() {
        let draft = Draft {
            from: "a@b.test".to_owned(),
            to: vec!["c@d.test".to_owned(), "e@f.test".to_owned()],
            subject: "Gr\u{fc}\u{df}e\r\nBcc: v@x.test".to_owned(),
            text: Some("text \u{2713}\n".to_owned()),
            html: Some("<p>html</p>".to_owned()),
            headers: vec![("X-Krafter-Tag".to_owned(), "kind: t\u{e9}st".to_owned())],
        };
        let bytes = draft.compose().expect("memory takes every byte");
        let view = View::of(&bytes, crate::mime::parts::Reach::STANDARD);
        assert_eq!(view.header("subject").replace(' ', ""), "Gr\u{fc}\u{df}eBcc:v@x.test");
        assert_eq!(view.header("bcc"), "");
        assert_eq!(view.header("x-krafter-tag"), "kind: t\u{e9}st");
        assert_eq!(view.header("to").matches('@').count(), 2);
        assert_eq!(view.text.as_deref().map(str::trim_end), Some("text \u{2713}"));
        assert_eq!(view.html.as_deref(), Some("<p>html</p>"));
        assert!(!view.header("message-id").is_empty() && !view.header("date").is_empty());
    }
}
