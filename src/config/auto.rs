//! A choice that may be left to the house.

use serde::{Deserialize, Serialize};

/// `"auto"`, `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoBool {
    Auto,
    Set(bool),
}

impl Serialize for AutoBool {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Set(asked) => to.serialize_bool(*asked),
        }
    }
}

impl<'de> Deserialize<'de> for AutoBool {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            Bool(bool),
        }
        match Form::deserialize(from)? {
            Form::Bool(asked) => Ok(Self::Set(asked)),
            Form::Word(word) if word == "auto" => Ok(Self::Auto),
            // The environment has only text to say it by.
            Form::Word(word) if word == "true" || word == "false" => Ok(Self::Set(word == "true")),
            Form::Word(word) => Err(serde::de::Error::custom(format!("{word:?}: expected \"auto\", true or false"))),
        }
    }
}
