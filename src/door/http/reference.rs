//! `/openapi.json`: the API's description. `/docs`: the same as a page, without a script or anything from elsewhere.

use std::sync::LazyLock;

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use crate::door::rest;

/// Made once: it depends on the program alone.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(rest::document()).unwrap_or_default());

#[derive(Template)]
#[template(path = "reference.html")]
struct Reference {
    operations: Vec<Operation>,
    schemas: Vec<Schema>,
}

/// A method of a path.
struct Operation {
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Field>,
    body: Option<String>,
    /// Status, description and shape of each answer.
    answers: Vec<(String, String, String)>,
}

/// A shape that operations name.
struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    required: bool,
    description: String,
}

/// The document.
pub async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.to_string())
}

/// The page.
pub async fn page() -> Response {
    let page = Reference { operations: operations(&DOCUMENT["paths"]), schemas: schemas(&DOCUMENT["components"]["schemas"]) };
    match page.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn operations(paths: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in members(paths) {
        operations.extend(members(item).map(|(method, operation)| Operation::of(path, method, operation)));
    }
    operations
}

fn schemas(schemas: &Value) -> Vec<Schema> {
    let schema = |(name, schema): (&String, &Value)| Schema {
        name: name.clone(),
        description: text(&schema["description"]),
        fields: members(&schema["properties"])
            .map(|(name, of)| Field::of(name, of, is_among(&schema["required"], name)))
            .collect(),
    };
    members(schemas).map(schema).collect()
}

impl Operation {
    fn of(path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let answer = |(status, answer): (&String, &Value)| (status.clone(), text(&answer["description"]), shape(answer));
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            parameters: parameters.map(Field::of_parameter).collect(),
            body: Some(shape(&operation["requestBody"])).filter(|shape| !shape.is_empty()),
            answers: members(&operation["responses"]).map(answer).collect(),
        }
    }
}

impl Field {
    fn of(name: &str, schema: &Value, required: bool) -> Self {
        Self { name: name.to_owned(), kind: kind(schema), required, description: text(&schema["description"]) }
    }

    fn of_parameter(parameter: &Value) -> Self {
        let required = parameter["required"].as_bool().unwrap_or(false);
        let field = Self::of(&text(&parameter["name"]), &parameter["schema"], required);
        Self { description: text(&parameter["description"]), ..field }
    }
}

/// What a body holds: its type, or the name of its shape.
fn shape(body: &Value) -> String {
    members(&body["content"]).map(|(_, content)| kind(&content["schema"])).next().unwrap_or_default()
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    if let Some(choices) = ["oneOf", "anyOf", "enum"].iter().find_map(|key| schema[key].as_array()) {
        let words: Vec<String> =
            choices.iter().map(|choice| choice.as_str().map_or_else(|| kind(choice), str::to_owned)).collect();
        return words.join(" | ");
    }
    let word = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" | "),
        word => text(word),
    };
    match &schema["items"] {
        Value::Null => word,
        items => format!("list of {}", kind(items)),
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_among(list: &Value, name: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|one| one == name))
}
