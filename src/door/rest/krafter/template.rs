//! A template as the API reads it, and as it shows it.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::door::rest::checks::{self, BLANK};
use crate::door::rest::problem::Details;
use crate::model::template::{StoredTemplate, TemplateText};
use crate::template::{self, SUBJECT_MAX, VARIABLES_MAX};

/// Characters of a name.
const NAME_MAX: usize = 255;
/// Characters of the HTML, and of the text.
const CONTENT_MAX: usize = 1 << 20;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    #[schema(format = "uuid")]
    pub id: String,
    pub name: String,
    pub subject: String,
    #[schema(required)]
    pub html_content: Option<String>,
    #[schema(required)]
    pub text_content: Option<String>,
    /// The names that stand between braces, in the order in which subject, HTML and text first have them.
    pub variables: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// What a template is to say: `{{name}}` stands for a variable. HTML, text or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Welcome",
    "subject": "Welcome, {{name}}",
    "html_content": "<p>Good to see you, {{name}}.</p>",
    "text_content": "Good to see you, {{name}}."
}))]
pub struct NewTemplate {
    #[schema(value_type = String, required, min_length = 1, max_length = 255)]
    pub name: Option<String>,
    #[schema(value_type = String, required, min_length = 1, max_length = 998)]
    pub subject: Option<String>,
    #[schema(max_length = 1048576)]
    pub html_content: Option<String>,
    #[schema(max_length = 1048576)]
    pub text_content: Option<String>,
}

/// What a template is to say from now on. What is left out stays as it is; content that is `null` goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateChange {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, min_length = 1, max_length = 255)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, min_length = 1, max_length = 998)]
    pub subject: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 1048576)]
    pub html_content: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 1048576)]
    pub text_content: Option<Option<String>>,
}

/// A field that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(source).map(Some)
}

impl NewTemplate {
    /// What is to be kept, when nothing is wrong with it.
    pub fn checked(self) -> Result<TemplateText, Details> {
        let mut faults = Details::default();
        let name = line(&mut faults, "name", self.name, NAME_MAX);
        let subject = line(&mut faults, "subject", self.subject, SUBJECT_MAX);
        let [html, text] = [self.html_content, self.text_content].map(|text| text.filter(|text| !text.is_empty()));
        if html.is_none() && text.is_none() {
            faults.add("html_content", format!("{BLANK} when text_content is blank, too"));
        }
        for (path, content) in [("html_content", &html), ("text_content", &text)] {
            let Some(content) = content else { continue };
            checks::is_within(&mut faults, path, content, CONTENT_MAX);
            if content.contains('\0') {
                faults.add(path, "must not hold U+0000");
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let pieces = template::Template { subject: &subject, html: html.as_deref(), text: text.as_deref() };
        let Some(variables) = template::variables(pieces) else {
            let path = if html.is_some() { "html_content" } else { "text_content" };
            return Err(Details::one(path, format!("must not name over {VARIABLES_MAX} variables, with all that goes with it")));
        };
        Ok(TemplateText { name, subject, html, text, variables })
    }

    /// Octets of its contents.
    pub fn octets(&self) -> usize {
        [&self.html_content, &self.text_content].into_iter().flatten().map(String::len).sum()
    }
}

/// A text that says something, on one line.
fn line(faults: &mut Details, path: &str, text: Option<String>, longest: usize) -> String {
    let text = checks::required(faults, path, text).unwrap_or_default();
    checks::is_line(faults, path, &text);
    checks::is_within(faults, path, &text, longest);
    text
}

impl TemplateChange {
    /// What is known, with this in its place.
    pub fn over(self, known: TemplateText) -> NewTemplate {
        NewTemplate {
            name: self.name.unwrap_or(Some(known.name)),
            subject: self.subject.unwrap_or(Some(known.subject)),
            html_content: self.html_content.unwrap_or(known.html),
            text_content: self.text_content.unwrap_or(known.text),
        }
    }
}

impl From<StoredTemplate> for Template {
    fn from(stored: StoredTemplate) -> Self {
        let StoredTemplate { id, text, created_at, updated_at, .. } = stored;
        Self {
            id: id.uuid(),
            name: text.name,
            subject: text.subject,
            html_content: text.html,
            text_content: text.text,
            variables: text.variables,
            created_at: created_at.rfc3339(),
            updated_at: updated_at.rfc3339(),
        }
    }
}
