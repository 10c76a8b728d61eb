use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Form {
    name: Option<String>,
    many: List<Inner, 3>,
    few: Few<String, 2>,
    free: Object,
    texts: Texts,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Inner {
    on: bool,
}

/// The path and the fault of what is refused; the path is empty where the whole body is.
fn fault(body: &str) -> (String, String) {
    match read::<Form>(body.as_bytes()) {
        Err(Problem::Malformed(text)) => (String::new(), text),
        Err(Problem::Invalid(details)) => {
            let shown = serde_json::to_value(details).expect("details");
            let (path, texts) = shown.as_object().and_then(|map| map.iter().next()).expect("one fault");
            (path.clone(), texts[0].as_str().expect("a text").to_owned())
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn what_fits_is_read() {
    let body =
        r#" {"name": "J\u00f6rg", "many": [{"on": true}], "free": {"a": [1, null, 1.5, {"b": "c"}]}, "texts": {"x": "y"}} "#;
    let form: Form = read(body.as_bytes()).expect("a form");
    assert_eq!(form.name.as_deref(), Some("J\u{f6}rg"));
    assert_eq!(form.many.0, [Inner { on: true }]);
    assert_eq!(Value::Object(form.free.0), serde_json::json!({"a": [1, null, 1.5, {"b": "c"}]}));
    assert_eq!(form.texts.0, [("x".to_owned(), "y".to_owned())]);
    assert_eq!(read::<Form>(b"{}").expect("nothing is a form, too"), Form::default());
}

#[test]
fn what_is_no_object_of_json_is_malformed() {
    let deep = "[".repeat(100_000);
    let twice = r#"{"name": "a", "name": "b"}"#;
    for body in
        ["", "nonsense", "{", "{}{}", "{} x", "[]", "7", "null", r#"{"name": "\ud800"}"#, "{\"name\": 1e999}", twice, &deep]
    {
        let (path, text) = fault(body);
        assert!(path.is_empty() && text.starts_with("The body is not"), "{}: {path} {text}", clipped(body.to_owned()));
    }
    assert!(matches!(read::<Form>(b"{\"name\": \"\xff\"}"), Err(Problem::Malformed(_))));
}

#[test]
fn what_is_wrong_inside_has_its_path() {
    for (body, path, text) in [
        (r#"{"nam": 1}"#, "nam", "unknown field `nam`"),
        (r#"{"many": [{}, {"of": 1}]}"#, "many[1].of", "unknown field `of`"),
        (r#"{"name": 5}"#, "name", "invalid type: integer `5`, expected a string"),
        (r#"{"many": [{"on": "yes"}]}"#, "many[0].on", "invalid type: string \"yes\", expected a boolean"),
        (r#"{"many": [{"on": true, "on": true}]}"#, "many[0]", "duplicate field `on`"),
        (r#"{"free": {"a": {"b": 1, "b": 2}}}"#, "free.a", "the key \"b\" stands twice"),
        (r#"{"texts": {"a": "", "a": ""}}"#, "texts", "the key \"a\" stands twice"),
        (r#"{"texts": {"a": 1}}"#, "texts.a", "invalid type: integer `1`, expected a string"),
        (r#"{"free": []}"#, "free", "must be an object"),
        (r#"{"many": [[true]]}"#, "many[0]", "invalid type: sequence, expected an object"),
    ] {
        let (at, said) = fault(body);
        assert!(at == path && said.starts_with(text) && !said.contains("column"), "{body}: {at}: {said}");
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let nested = |levels: usize| format!("{{\"free\": {{\"a\": {}{}}}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(read::<Form>(nested(DEPTH - 1).as_bytes()).is_ok());
    let (path, text) = fault(&nested(DEPTH));
    assert!(path.starts_with("free.a[0][0]") && text == "nests deeper than 64 levels", "{path}: {text}");
    assert_eq!(fault(r#"{"many": [{}, {}, {}, {}]}"#), ("many".to_owned(), "holds more than 3".to_owned()));
    assert_eq!(fault(r#"{"few": ["a", "b", "c"]}"#), ("few".to_owned(), "holds more than 2".to_owned()));
    let wide = format!("{{\"free\": {{\"a\": [{}0]}}}}", "0,".repeat(VALUES_MAX));
    assert_eq!(fault(&wide).1, "holds more than 10000 values");
    let many: Vec<String> = (0..=TEXTS_MAX).map(|n| format!("\"{n}\": \"\"")).collect();
    assert_eq!(fault(&format!("{{\"texts\": {{{}}}}}", many.join(","))).1, "holds more than 1000 keys");
    let long = format!("{{\"{}\": 1}}", "x".repeat(1 << 20));
    let (path, text) = fault(&long);
    assert!(path.len() < 300 && text.len() < 300);
}
