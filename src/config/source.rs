//! What each source says, as a list of settings that know where they stand.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::load::ConfigError;
use super::nearest;

/// What the names of environment variables begin with; `__` stands between the levels.
const PREFIX: &str = "POSTHOUSE__";

/// In the shape of the configuration: stands for any key of its table, each of which has this shape.
pub const ANY_NAME: &str = "*";

/// One key that was set.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// From the outermost table inwards; each but the last is a table of the default configuration.
    pub path: Vec<String>,
    pub value: Value,
    pub origin: Origin,
}

/// Where a setting stands, as an operator finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A place in a file, both numbers from 1.
    File { path: PathBuf, line: usize, column: usize },
    /// A file as a whole.
    Path(PathBuf),
    /// The name of an environment variable.
    Environment(String),
    /// The dotted name given to `--set`, or the flag itself.
    Flag(String),
    /// A rule that the settings break together.
    Together,
    /// The embedded defaults.
    Defaults,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--set {name}"),
            Self::Together => f.write_str("configuration"),
            Self::Defaults => f.write_str("embedded defaults"),
        }
    }
}

/// The settings of a file.
pub fn file(path: &Path, text: &str, shape: &Table) -> Result<Vec<Setting>, ConfigError> {
    let at = |offset: usize| {
        let (line, column) = line_and_column(text, offset);
        Origin::File { path: path.to_owned(), line, column }
    };
    let broken = |e: toml::de::Error| ConfigError::new(at(e.span().map_or(0, |s| s.start)), e.message());
    let values: Table = text.parse().map_err(broken)?;
    let places = DeTable::parse(text).map_err(broken)?;
    let mut settings = Vec::new();
    let place_of = |path: &[String]| at(offset_of(places.get_ref(), path));
    collect(&mut Vec::new(), values, shape, shape, &place_of, &mut settings)?;
    Ok(settings)
}

/// The settings of the environment. Names are in any case; a name without the prefix is not ours.
pub fn environment(variables: &[(OsString, OsString)], shape: &Table) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    // By name, so that a table given as JSON comes before a key inside it that is given alone.
    let mut variables: Vec<_> = variables.iter().collect();
    variables.sort();
    for (name, value) in variables {
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let origin = Origin::Environment(format!("{PREFIX}{rest}"));
        let Some(value) = value.to_str() else {
            return Err(ConfigError::new(origin, "the value is not UTF-8"));
        };
        let path = rest.split("__").map(str::to_lowercase).collect();
        written(path, value, &origin, shape, &mut settings)?;
    }
    Ok(settings)
}

/// The settings of `--set NAME=VALUE`.
pub fn flags(flags: &[(String, String)], shape: &Table) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (name, value) in flags {
        let path = name.split('.').map(str::to_owned).collect();
        written(path, value, &Origin::Flag(name.clone()), shape, &mut settings)?;
    }
    Ok(settings)
}

/// One value written as text: typed as the default of its name is, lists and tables as JSON.
fn written(path: Vec<String>, text: &str, origin: &Origin, shape: &Table, to: &mut Vec<Setting>) -> Result<(), ConfigError> {
    let fail = |text: String| ConfigError::new(origin.clone(), text);
    let default = lookup(shape, &path).ok_or_else(|| fail(nearest::unknown(&path, shape)))?;
    let name = path.join(".");
    let value = match default {
        Value::Integer(_) => {
            text.trim().parse().map(Value::Integer).map_err(|_| fail(format!("{name}: {text:?} is not a number")))?
        }
        Value::Boolean(_) => match text.trim() {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            _ => return Err(fail(format!("{name}: {text:?} is neither true nor false"))),
        },
        Value::Array(_) | Value::Table(_) => from_json(text).map_err(|e| fail(format!("{name}: expected JSON: {e}")))?,
        _ => Value::String(text.to_owned()),
    };
    place(path, value, default, shape, &|_| origin.clone(), to)
}

fn from_json(text: &str) -> Result<Value, String> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Value::try_from(json).map_err(|e| e.to_string())
}

/// The settings of a table, level by level; a key that the default configuration lacks is an error.
fn collect(
    path: &mut Vec<String>,
    values: Table,
    shape: &Table,
    root: &Table,
    at: &dyn Fn(&[String]) -> Origin,
    to: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    for (key, value) in values {
        path.push(key.clone());
        let default = named(shape, &key).ok_or_else(|| ConfigError::new(at(path), nearest::unknown(path, root)))?;
        place(path.clone(), value, default, root, at, to)?;
        path.pop();
    }
    Ok(())
}

/// One value at its place: a table is opened, a list of tables is looked into, anything else is a setting.
fn place(
    mut path: Vec<String>,
    value: Value,
    default: &Value,
    root: &Table,
    at: &dyn Fn(&[String]) -> Origin,
    to: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    match (value, default) {
        (Value::Table(inner), Value::Table(shape)) => collect(&mut path, inner, shape, root, at, to),
        (_, Value::Table(_)) => Err(ConfigError::new(at(&path), format!("{}: expected a table", path.join(".")))),
        (value, default) => {
            if let (Value::Array(items), Some(shape)) = (&value, default.get(0).and_then(Value::as_table)) {
                known_items(&path, items, shape, at)?;
            }
            to.push(Setting { origin: at(&path), path, value });
            Ok(())
        }
    }
}

/// Whether each table of a list has only keys that the list's default has.
fn known_items(path: &[String], items: &[Value], shape: &Table, at: &dyn Fn(&[String]) -> Origin) -> Result<(), ConfigError> {
    for (index, item) in items.iter().enumerate() {
        let Some(unknown) = item.as_table().and_then(|t| t.keys().find(|key| !shape.contains_key(*key))) else { continue };
        let place: Vec<String> = path.iter().cloned().chain([index.to_string(), unknown.clone()]).collect();
        let text = nearest::unknown(std::slice::from_ref(unknown), shape);
        return Err(ConfigError::new(at(&place), format!("in {}: {text}", path.join("."))));
    }
    Ok(())
}

fn lookup<'a>(shape: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = named(shape, first)?;
    if rest.is_empty() { Some(value) } else { lookup(value.as_table()?, rest) }
}

/// What the key has for its shape.
pub fn named<'a>(shape: &'a Table, key: &str) -> Option<&'a Value> {
    shape.get(key).or_else(|| shape.get(ANY_NAME))
}

/// Where the key at `path` begins in the text; a number in the path is a place in a list.
fn offset_of(table: &DeTable<'_>, path: &[String]) -> usize {
    let Some((first, rest)) = path.split_first() else { return 0 };
    let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == first) else { return 0 };
    match inner(value, rest) {
        Some(offset) if offset != 0 => offset,
        _ => key.span().start,
    }
}

fn inner(value: &Spanned<DeValue<'_>>, rest: &[String]) -> Option<usize> {
    match (value.get_ref(), rest) {
        (DeValue::Table(table), [_, ..]) => Some(offset_of(table, rest)),
        (DeValue::Array(items), [index, rest @ ..]) => inner(items.get(index.parse::<usize>().ok()?)?, rest),
        _ => None,
    }
}

/// Both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
