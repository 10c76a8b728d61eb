//! Changing our own fields of a message: some go, some are put on top, and every other byte stays as it came.

use super::fields::Fields;

/// What is to be changed about a header section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Whole fields, line ends included, that go on top.
    pub top: Vec<u8>,
    /// Places of fields in [`Fields::list`] that go away, in any order.
    pub remove: Vec<usize>,
    /// A field that is written anew where it stands, line end included.
    pub rewrite: Option<(usize, Vec<u8>)>,
}

impl Edit {
    /// The message with the changes made. What an mbox file put before it goes too, and a missing empty line before the body is
    /// put in: otherwise a later reader could see another header section than the one that was judged.
    pub fn apply(&self, message: &[u8], fields: &Fields<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + self.top.len() + 256);
        out.extend_from_slice(&self.top);
        let mut kept = fields.envelope.end;
        for (place, field) in fields.list.iter().enumerate() {
            let anew = self.rewrite.as_ref().filter(|(which, _)| *which == place).map(|(_, field)| field.as_slice());
            if anew.is_none() && !self.remove.contains(&place) {
                continue;
            }
            out.extend_from_slice(&message[kept..field.range.start]);
            out.extend_from_slice(anew.unwrap_or_default());
            kept = field.range.end;
        }
        out.extend_from_slice(&message[kept..fields.separator.start]);
        let body = &message[fields.separator.start..];
        if fields.separator.is_empty() && !body.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(body);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mime::fields::Bounds;

    const BOUNDS: Bounds = Bounds { bytes: 1 << 18, fields: 1000 };

    fn edited(message: &str, edit: &Edit) -> String {
        let fields = Fields::split(message.as_bytes(), BOUNDS);
        String::from_utf8(edit.apply(message.as_bytes(), &fields)).expect("text in, text out")
    }

    #[test]
    fn fields_go_come_and_change() {
        let edit = Edit { top: b"R: 1\r\n".to_vec(), remove: vec![2, 0], rewrite: Some((1, b"B: new\r\n".to_vec())) };
        let message = "A: x\r\n y\r\nB: 1\r\nC: 2\r\nD:3\r\n\r\nbody\r\nA: z\r\n";
        assert_eq!(edited(message, &edit), "R: 1\r\nB: new\r\nD:3\r\n\r\nbody\r\nA: z\r\n");
    }

    #[test]
    fn a_missing_empty_line_is_put_in_and_an_mbox_line_taken_out() {
        let edit = Edit { top: b"R: 1\r\n".to_vec(), ..Edit::default() };
        assert_eq!(edited("A: 1\r\njunk\r\nFrom: x\r\n", &edit), "R: 1\r\nA: 1\r\n\r\njunk\r\nFrom: x\r\n");
        assert_eq!(edited("From a Sat\r\nA: 1\r\n\r\nb\r\n", &edit), "R: 1\r\nA: 1\r\n\r\nb\r\n");
        assert_eq!(edited("A: 1\r\n", &edit), "R: 1\r\nA: 1\r\n");
        assert_eq!(edited("\r\nbody\r\n", &edit), "R: 1\r\n\r\nbody\r\n");
    }

    proptest! {
        #[test]
        fn every_other_byte_stays(
            header in proptest::collection::vec("[A-Z][a-z]{0,5}: [ -~]{0,20}(\r\n[ \t][ -~]{0,9}){0,2}\r\n", 1..12),
            body in proptest::collection::vec(any::<u8>(), 0..200),
            removed in proptest::collection::btree_set(0usize..12, 0..6),
            top in "(X: [a-z]{0,9}\r\n){0,2}",
        ) {
            let mut message = header.concat().into_bytes();
            message.extend(b"\r\n");
            message.extend(&body);
            let fields = Fields::split(&message, BOUNDS);
            prop_assert_eq!(fields.list.len(), header.len());
            let edit = Edit { top: top.clone().into_bytes(), remove: removed.iter().copied().collect(), rewrite: None };
            let mut expected = top.into_bytes();
            let kept = header.iter().enumerate().filter(|(place, _)| !removed.contains(place));
            kept.for_each(|(_, field)| expected.extend(field.as_bytes()));
            expected.extend(b"\r\n");
            expected.extend(&body);
            prop_assert_eq!(edit.apply(&message, &fields), expected);
        }
    }
}
