use serde_json::json;

use super::*;

fn filled(template: Template<'_>, variables: Value, limit: usize) -> Result<Rendered, RenderError> {
    let Value::Object(variables) = variables else { panic!("variables are an object") };
    render(template, &variables, limit)
}

const WELCOME: Template<'_> = Template {
    subject: "Hello {{name}}",
    html: Some("<p>{{ name }}, your code is {{code}}.</p><a href=\"{{url}}\">go</a>"),
    text: Some("{{name}}: {{code}} {{footer}}"),
};

#[test]
fn variables_are_named_once_in_the_order_they_first_appear() {
    assert_eq!(variables(WELCOME).expect("few names"), ["name", "code", "url", "footer"]);
    assert_eq!(variables(Template::default()), Some(Vec::new()));
    let text = |names: usize| (0..names).map(|name| format!("{{{{n{name}}}}} {{{{n0}}}} ")).collect::<String>();
    let counted = |names| variables(Template { text: Some(&text(names)), ..Template::default() }).map(|names| names.len());
    assert_eq!((counted(VARIABLES_MAX), counted(VARIABLES_MAX + 1)), (Some(VARIABLES_MAX), None));
}

#[test]
fn values_are_filled_in_and_escaped_where_they_must_be() {
    let hostile = "<script>'\"&{{code}}";
    let rendered = filled(WELCOME, json!({"name": hostile, "code": 42, "url": "/?a=1&b=2"}), 1000).expect("there is room");
    assert_eq!(rendered.subject, format!("Hello {hostile}"));
    let html = "<p>&lt;script&gt;&#39;&quot;&amp;{{code}}, your code is 42.</p><a href=\"/?a=1&amp;b=2\">go</a>";
    assert_eq!(rendered.html.as_deref(), Some(html));
    assert_eq!(rendered.text, Some(format!("{hostile}: 42 ")));
}

#[test]
fn what_is_missing_is_empty_and_what_is_no_string_is_json() {
    let template = Template { subject: "[{{a}}|{{b}}|{{c}}|{{d}}|{{e}}]", ..Template::default() };
    let rendered = filled(template, json!({"a": null, "b": true, "c": 1.5, "d": ["x", {"y": 1}]}), 1000).expect("there is room");
    assert_eq!(rendered.subject, "[|true|1.5|[\"x\",{\"y\":1}]|]");
    assert_eq!((rendered.html, rendered.text), (None, None));
}

#[test]
fn the_bound_is_on_all_of_it_and_counts_what_is_escaped() {
    let template = Template { subject: "{{a}}", html: Some("{{a}}"), text: Some("{{a}}") };
    let variables = json!({"a": "&&"});
    assert!(filled(template, variables.clone(), 14).is_ok());
    assert_eq!(filled(template, variables, 13), Err(RenderError::TooLarge(13)));
    let text = "{{a}}".repeat(10_000);
    let bomb = Template { text: Some(&text), ..Template::default() };
    assert_eq!(filled(bomb, json!({"a": "x".repeat(100_000)}), 1 << 20), Err(RenderError::TooLarge(1 << 20)));
    let long = Template { subject: "{{a}}", ..Template::default() };
    assert!(filled(long, json!({"a": "x".repeat(SUBJECT_MAX)}), 2000).is_ok());
    assert_eq!(filled(long, json!({"a": "x".repeat(SUBJECT_MAX + 1)}), 2000), Err(RenderError::Subject));
}
