//! A text, cut into what stands as it is and what is to be filled in.

/// Octets of a variable's name.
const NAME_MAX: usize = 64;
/// What may stand between the braces and the name.
const BLANKS: [char; 2] = [' ', '\t'];

/// A stretch of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// The name of what stands here.
    Variable(&'a str),
}

/// The pieces of a text, in order. Braces around anything that is no name are text.
pub fn of(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, end)) = variable(rest) {
            rest = &rest[end..];
            return Some(Piece::Variable(name));
        }
        let end = next_variable(rest);
        let (before, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(before))
    })
}

/// Where the next variable begins; the end where there is none.
fn next_variable(text: &str) -> usize {
    let mut at = 0;
    while let Some(place) = text[at..].find("{{") {
        at += place;
        if variable(&text[at..]).is_some() {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The name of the variable that begins here, and where it ends.
fn variable(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("{{")?.trim_start_matches(BLANKS);
    let (name, after) = inner.split_at(inner.find(|c| !is_in_names(c))?);
    let rest = after.trim_start_matches(BLANKS).strip_prefix("}}")?;
    (1..=NAME_MAX).contains(&name.len()).then(|| (name, text.len() - rest.len()))
}

fn is_in_names(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Piece::{Text, Variable};
    use super::*;

    #[test]
    fn names_between_double_braces_are_variables() {
        let cases: [(&str, &[Piece<'_>]); 13] = [
            ("", &[]),
            ("plain", &[Text("plain")]),
            ("{{name}}", &[Variable("name")]),
            ("Dear {{ first_name }},", &[Text("Dear "), Variable("first_name"), Text(",")]),
            ("{{a}}{{\tb\t}}", &[Variable("a"), Variable("b")]),
            ("{{user.name-2}}", &[Variable("user.name-2")]),
            ("{{gr\u{f6}\u{df}e}}", &[Variable("gr\u{f6}\u{df}e")]),
            ("{{{name}}}", &[Text("{"), Variable("name"), Text("}")]),
            ("{{}} {{ }} {{a b}} {{#if x}} {{a\nb}}", &[Text("{{}} {{ }} {{a b}} {{#if x}} {{a\nb}}")]),
            ("{{open", &[Text("{{open")]),
            ("{{open {{name}}", &[Text("{{open "), Variable("name")]),
            ("} } {name} {{<b>}}", &[Text("} } {name} {{<b>}}")]),
            ("{{\u{1F40E}}}", &[Text("{{\u{1F40E}}}")]),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn floods_of_braces_take_no_time() {
        for flood in ["{", "{{", "{{a", "{{ ", "{{a}"] {
            let text = flood.repeat((1 << 20) / flood.len());
            let began = std::time::Instant::now();
            let pieces = of(&text).count();
            assert!(pieces <= 1 && began.elapsed() < std::time::Duration::from_secs(10), "{flood}: {pieces}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "([{}a .\u{e4}]|\\{\\{ ?[a-z]{1,3} ?\\}\\}){0,40}") {
            let mut at = 0;
            for piece in of(&text) {
                match piece {
                    Text(piece) => {
                        prop_assert!(text[at..].starts_with(piece));
                        at += piece.len();
                    }
                    Variable(name) => {
                        let end = text[at..].find("}}").expect("its end");
                        prop_assert_eq!(text[at + 2..at + end].trim(), name);
                        at += end + 2;
                    }
                }
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
