//! From the four places where the operator says what is wanted to one [`Config`]: flags go before the environment, the
//! environment before the file, the file before the defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::Table;

use super::source::{self, ANY_NAME, Origin, Setting};
use super::{Config, DEFAULT, check, nearest};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "posthouse.toml";

/// Where settings are looked for.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config FILE`, which must exist; without it `posthouse.toml` in the working directory is read if it is there.
    pub file: Option<PathBuf>,
    /// The environment; what does not begin with `POSTHOUSE__` is passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// Settings by dotted name, written as in the environment.
    pub flags: Vec<(String, String)>,
}

/// A setting that can't stand: where it was found, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {text}")]
pub struct ConfigError {
    pub origin: Origin,
    pub text: String,
}

impl ConfigError {
    pub(super) fn new(origin: Origin, text: impl Into<String>) -> Self {
        Self { origin, text: text.into() }
    }
}

/// Reads every source, lays them over one another and checks that the result makes sense.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let defaults = default_table();
    let shape = shape(&defaults);
    let mut settings = match file_text(sources.file.as_deref())? {
        Some((path, text)) => source::file(&path, &text, &shape)?,
        None => Vec::new(),
    };
    settings.extend(source::environment(&sources.environment, &shape)?);
    settings.extend(source::flags(&sources.flags, &shape)?);
    let config = overlay(defaults, &shape, settings)?;
    check::check(&config)?;
    Ok(config)
}

/// The embedded file as a table.
fn default_table() -> Table {
    DEFAULT.parse().expect("the embedded default configuration is TOML")
}

/// The shape that every source is held against: the defaults, where each named smarthost has those of the one without a name.
fn shape(defaults: &Table) -> Table {
    let mut shape = defaults.clone();
    let delivery = shape.get_mut("delivery").and_then(toml::Value::as_table_mut);
    let template = delivery.as_ref().and_then(|delivery| delivery.get("relay").cloned());
    let relays = delivery.and_then(|delivery| delivery.get_mut("relays")).and_then(toml::Value::as_table_mut);
    if let (Some(relays), Some(template)) = (relays, template) {
        relays.insert(ANY_NAME.to_owned(), template);
    }
    shape
}

/// The file's name and text; `None` when no file was named and none is there.
fn file_text(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(ConfigError::new(Origin::Path(path.to_owned()), format!("can't be read: {e}"))),
    }
}

/// Lays one setting after the other over the table. Each is tried at once, so that the one that does not fit is the one named.
fn overlay(mut table: Table, shape: &Table, settings: Vec<Setting>) -> Result<Config, ConfigError> {
    for Setting { path, value, origin } in settings {
        put(&mut table, shape, &path, value);
        if let Err(e) = Config::deserialize(table.clone()) {
            return Err(ConfigError::new(origin, format!("{}: {}", path.join("."), nearest::explain(e.message()))));
        }
    }
    Config::deserialize(table).map_err(|e| ConfigError::new(Origin::Defaults, e.message()))
}

/// Sets the value at `path`, whose parents are tables of the shape; one that is not there yet begins with the shape's values.
fn put(table: &mut Table, shape: &Table, path: &[String], value: toml::Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [first, rest @ ..] => {
            let Some(toml::Value::Table(shape)) = source::named(shape, first) else { return };
            let inner = table.entry(first.clone()).or_insert_with(|| toml::Value::Table(shape.clone()));
            if let toml::Value::Table(inner) = inner {
                put(inner, shape, rest, value);
            }
        }
    }
}
