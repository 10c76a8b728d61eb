//! A template as it is kept for a team.

use crate::clock::Timestamp;
use crate::id::Id;

/// What a team wrote, and under which name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateText {
    pub name: String,
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
    /// The names that it takes values for.
    pub variables: Vec<String>,
}

/// One template on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTemplate {
    pub id: Id,
    pub team: Id,
    pub text: TemplateText,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
