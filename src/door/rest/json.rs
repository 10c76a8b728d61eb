//! Strict JSON: a body is read straight into its type, so that nothing of it is kept, or descended into, that the type has no place
//! for. Types refuse unknown fields and duplicates themselves; free-form objects are read by [`Object`].

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::problem::{Details, Problem, clipped};

/// How deep a free-form value may nest.
pub const DEPTH: usize = 64;
/// Values that a free-form object may hold, however deep.
const VALUES_MAX: usize = 10_000;

/// Reads one value. What is no JSON, or no object, is malformed; what is wrong inside is told by its path.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let path = error.path().to_string();
        (path, error.into_inner())
    });
    match read {
        Ok(Fields(value)) => source.end().map(|()| value).map_err(|error| malformed(&error)),
        Err((path, error)) if error.classify() == Category::Data && path != "." => Err(Details::one(path, reason(&error)).into()),
        Err((_, error)) => Err(malformed(&error)),
    }
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::Malformed(clipped(format!("The body is not a JSON object of this form: {error}")))
}

/// What is wrong, without the place in the bytes, which the path says better.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// An object of the fields of `T`. By itself a type of fields would take a list of their values, too.
struct Fields<T>(T);

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(FieldsVisitor(PhantomData))
    }
}

struct FieldsVisitor<T>(PhantomData<T>);

impl<'de, T: de::Deserialize<'de>> Visitor<'de> for FieldsVisitor<T> {
    type Value = Fields<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, source: A) -> Result<Fields<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(source)).map(Fields)
    }
}

/// A JSON object of any content: no key twice in an object, no deeper than [`DEPTH`], and not endless.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(pub Map<String, Value>);

impl<'de> de::Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let left = Cell::new(VALUES_MAX);
        match (Strict { depth: 0, left: &left }).deserialize(source)? {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(de::Error::custom("must be an object")),
        }
    }
}

/// Reads a value that may nest.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    /// How many more values there may be.
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH {
            return Err(E::custom(format_args!("nests deeper than {DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(de::Error::custom(format_args!("holds more than {VALUES_MAX} values")));
        };
        self.left.set(left);
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut map = Map::new();
        while let Some(key) = source.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {:?} stands twice", clipped(key))));
            }
            let value = source.next_value_seed(inside)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// An object of texts, as it came in order: no key twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<(String, String)>);

/// Keys of such an object.
const TEXTS_MAX: usize = 1000;

impl<'de> de::Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Texts, A::Error> {
        let mut seen = HashSet::new();
        let mut texts = Vec::new();
        while let Some(key) = source.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format_args!("the key {:?} stands twice", clipped(key))));
            }
            if texts.len() == TEXTS_MAX {
                return Err(de::Error::custom(format_args!("holds more than {TEXTS_MAX} keys")));
            }
            texts.push((key, source.next_value()?));
        }
        Ok(Texts(texts))
    }
}

/// A list of at most `MAX` values that are no objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Few<T, const MAX: usize>(pub Vec<T>);

impl<'de, T: de::Deserialize<'de>, const MAX: usize> de::Deserialize<'de> for Few<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: de::Deserialize<'de>, const MAX: usize> Visitor<'de> for FewVisitor<T, MAX> {
    type Value = Few<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, source: A) -> Result<Self::Value, A::Error> {
        bounded(source, MAX).map(Few)
    }
}

/// A list of at most `MAX` objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(pub Vec<T>);

impl<'de, T: de::Deserialize<'de>, const MAX: usize> de::Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: de::Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, source: A) -> Result<Self::Value, A::Error> {
        let fields: Vec<Fields<T>> = bounded(source, MAX)?;
        Ok(List(fields.into_iter().map(|Fields(item)| item).collect()))
    }
}

/// What a list holds, read no further than it may go.
fn bounded<'de, T: de::Deserialize<'de>, A: SeqAccess<'de>>(mut source: A, most: usize) -> Result<Vec<T>, A::Error> {
    let mut list = Vec::new();
    while let Some(item) = source.next_element()? {
        if list.len() == most {
            return Err(de::Error::custom(format_args!("holds more than {most}")));
        }
        list.push(item);
    }
    Ok(list)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
