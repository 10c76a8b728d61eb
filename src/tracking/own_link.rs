//! Where a sender wants the reader's own link to unsubscribe: `{{unsubscribe_url}}`, in the bodies of broadcast.

use std::ops::Range;

use crate::model::unsubscribe::LINK_NAMES;

/// Places of one body that are filled in; further ones stay.
const PLACES_MAX: usize = 100;
/// What may stand between the braces and the name.
const BLANKS: [u8; 2] = [b' ', b'\t'];

/// The places of a body in a charset that contains ASCII, in order.
pub fn places(text: &[u8]) -> Vec<Range<usize>> {
    let found = memchr::memchr_iter(b'{', text).filter_map(|start| Some(start..start + length(&text[start..])?));
    found.take(PLACES_MAX).collect()
}

/// How long the place is that begins here, if one does.
fn length(text: &[u8]) -> Option<usize> {
    let inner = without_blanks(text.strip_prefix(b"{{")?);
    let after = LINK_NAMES.iter().find_map(|name| inner.strip_prefix(name.as_bytes()))?;
    let rest = without_blanks(after).strip_prefix(b"}}")?;
    Some(text.len() - rest.len())
}

fn without_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| BLANKS.contains(byte)).count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_of_the_names_between_double_braces() {
        for (text, expected) in [
            ("", vec![]),
            ("{{unsubscribe_url}}", vec![(0, 19)]),
            ("a {{ unsubscribeUrl\t}}{{unsubscribe_url}}", vec![(2, 22), (22, 41)]),
            ("{{{unsubscribe_url}}}", vec![(1, 20)]),
            ("{{unsubscribe_url}", vec![]),
            ("{{unsubscribe_urls}} {{UNSUBSCRIBE_URL}} {{ unsubscribe url }} {{unsubscribe_url|x}}", vec![]),
            ("{{{{unsubscribe_url}}", vec![(2, 21)]),
        ] {
            let found: Vec<_> = places(text.as_bytes()).into_iter().map(|place| (place.start, place.end)).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(places("{{unsubscribe_url}}".repeat(200).as_bytes()).len(), PLACES_MAX);
    }
}
