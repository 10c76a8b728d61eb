use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 256 * 1024, fields: 1000 };

/// What the splitter found, put together again.
fn rejoined(message: &[u8], fields: &Fields<'_>) -> Vec<u8> {
    let mut whole = message[fields.envelope.clone()].to_vec();
    fields.list.iter().for_each(|field| whole.extend(&message[field.range.clone()]));
    whole.extend(&message[fields.separator.clone()]);
    whole.extend(&message[fields.body()..]);
    whole
}

fn names(message: &[u8]) -> (Vec<String>, &[u8]) {
    let fields = Fields::split(message, BOUNDS);
    assert_eq!(rejoined(message, &fields), message);
    (fields.list.iter().map(|field| field.name.to_owned()).collect(), &message[fields.body()..])
}

#[test]
fn a_field_keeps_its_folding() {
    let message = b"Subject: a\r\n b\r\n\tc\r\nTo:x\r\n\r\nbody\r\n";
    let fields = Fields::split(message, BOUNDS);
    assert_eq!(fields.list[0].value, b" a\r\n b\r\n\tc");
    assert_eq!(fields.list[0].text(), "a b c");
    assert_eq!(fields.list[1].value, b"x");
    assert_eq!(&message[fields.body()..], b"body\r\n");
}

#[test]
fn the_first_line_that_is_no_field_begins_the_body() {
    let cases: [(&[u8], &[&str], &[u8]); 13] = [
        (b"A: 1\r\nB\r\n: 2\r\n\r\n", &["A"], b"B\r\n: 2\r\n\r\n"),
        (b"A: 1\r\nno colon\r\nFrom: x\r\n\r\n", &["A"], b"no colon\r\nFrom: x\r\n\r\n"),
        (b"A: 1\r\n: nameless\r\n\r\n", &["A"], b": nameless\r\n\r\n"),
        (b"A: 1\r\nHello there: you\r\n", &["A"], b"Hello there: you\r\n"),
        (b"A: 1\r\nB\xff: 2\r\n\r\n", &["A"], b"B\xff: 2\r\n\r\n"),
        (b"bCC : 1\r\nX\t: 2\r\n\r\n", &["bCC", "X"], b""),
        (b"A: 1\r\n", &["A"], b""),
        (b"", &[], b""),
        (b"\r\nbody only\r\n", &[], b"body only\r\n"),
        (b" folded from nothing\r\nA: 1\r\n", &[], b" folded from nothing\r\nA: 1\r\n"),
        (b"From a@b Sat Nov 21 01:20:21 2026\r\nA: 1\r\n\r\nx", &["A"], b"x"),
        (b">From x\r\n>From y:z\r\nA: 1\r\n\r\nx", &["A"], b"x"),
        (b"From : a@b\r\nconstructor: 1\r\n__proto__: 2\r\n\r\n", &["From", "constructor", "__proto__"], b""),
    ];
    for (message, expected, body) in cases {
        assert_eq!(names(message), (expected.iter().map(|&n| n.to_owned()).collect(), body), "{:?}", message.escape_ascii());
    }
}

#[test]
fn a_name_too_long_for_a_line_is_none() {
    let fits = format!("{}: v\r\n\r\n", "n".repeat(NAME_MAX));
    assert_eq!(names(fits.as_bytes()).0.len(), 1);
    let flood = format!("A: 1\r\n{}: v\r\n\r\n", "n".repeat(64 * 1024));
    assert_eq!(names(flood.as_bytes()).0, ["A"]);
}

#[test]
fn bounds_stop_the_reading_and_say_so() {
    let many = "R: x\r\n".repeat(1001);
    assert_eq!(Fields::split(many.as_bytes(), BOUNDS).excess, Some(Excess::Fields));
    assert_eq!(Fields::split(&many.as_bytes()[6..], BOUNDS).excess, None);
    let long = format!("Subject:{}\r\n\r\n", "\r\n x".repeat(100_000));
    let fields = Fields::split(long.as_bytes(), BOUNDS);
    assert_eq!(fields.excess, Some(Excess::Bytes));
    assert_eq!(rejoined(long.as_bytes(), &fields), long.as_bytes());
}

proptest! {
    #[test]
    fn nothing_is_lost_whatever_comes(message in proptest::collection::vec(any::<u8>(), 0..400)) {
        let fields = Fields::split(&message, BOUNDS);
        prop_assert_eq!(rejoined(&message, &fields), message);
    }

    #[test]
    fn nothing_is_lost_of_what_looks_like_mail(message in "([A-Za-z\\-: ]{0,12}(:|\r\n|\n| |\t|>From |\u{e4}|x){1,3}){0,40}") {
        let bytes = message.as_bytes();
        let fields = Fields::split(bytes, BOUNDS);
        prop_assert_eq!(rejoined(bytes, &fields), bytes.to_vec());
        let ranges: Vec<_> = fields.list.iter().map(|f| f.range.clone()).collect();
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
