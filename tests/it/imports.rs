//! Imports run one way: every path that begins with `crate::` must lead to a module that its own may know.

use std::path::{Path, PathBuf};

/// What any module may name.
const FOUNDATIONS: &[&str] =
    &["clock", "config", "heavy", "id", "lock", "net", "panics", "pem", "recent", "shutdown", "tables", "model"];

/// Each module of the crate, in the order mail flows, with what it may name besides the foundations and itself.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("mime", &[]),
    ("template", &["mime"]),
    ("tracking", &["mime"]),
    ("policy", &["mime"]),
    ("store", &[]),
    ("intake", &["policy", "store", "mime", "template"]),
    ("notices", &["store", "mime"]),
    ("suppressions", &["store"]),
    ("retention", &["store"]),
    ("door", &["intake", "notices", "wire", "mime", "template", "tracking", "suppressions", "store", "domains", "event"]),
    ("delivery", &["wire", "store", "mime", "tracking", "notices"]),
    ("domains", &["store", "mime", "delivery", "tracking"]),
    ("event", &["store", "delivery"]),
    ("telemetry", &[]),
    (
        "app",
        &[
            "intake",
            "notices",
            "retention",
            "door",
            "delivery",
            "domains",
            "event",
            "store",
            "policy",
            "mime",
            "wire",
            "telemetry",
        ],
    ),
    ("cli", &["app", "intake", "door", "delivery", "domains", "suppressions", "store", "policy", "mime", "wire", "telemetry"]),
];

/// The foundations know only one another: values first, nouns over them.
const FOUNDATIONS_MAY_NAME: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("id", &["clock"]),
    ("lock", &[]),
    ("net", &[]),
    ("heavy", &[]),
    ("panics", &[]),
    ("pem", &[]),
    ("recent", &[]),
    ("shutdown", &[]),
    ("tables", &[]),
    ("config", &["clock", "model"]),
    ("model", &["clock", "id"]),
];

#[test]
fn imports_run_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut backwards = Vec::new();
    let mut seen = 0;
    for file in rust_files(&source) {
        let Some(module) = module_of(&source, &file) else { continue };
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (line, named) in named_modules(&text) {
            seen += 1;
            if !may_name(&module, &named) {
                backwards.push(format!("{}:{line}: {module} names {named}", file.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} imports were found: the search is broken");
    assert!(backwards.is_empty(), "these imports run backwards:\n{}", backwards.join("\n"));
}

#[test]
fn only_the_store_names_sqlx() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let strays: Vec<_> = rust_files(&source)
        .into_iter()
        .filter(|file| module_of(&source, file).as_deref() != Some("store"))
        .filter(|file| code(&std::fs::read_to_string(file).expect("a source file")).any(|(_, line)| line.contains("sqlx::")))
        .collect();
    assert!(strays.is_empty(), "these name sqlx: {strays:?}");
}

#[test]
fn the_search_sees_every_form_of_an_import() {
    let text = "use crate::store::Store;\n// crate::not\nuse crate::{\n    id::Id,\n    model::{key, team},\n};\nlet x = crate::clock::Clock::System;";
    let found = named_modules(text);
    assert_eq!(found, [(1, "store"), (4, "id"), (5, "model"), (7, "clock")].map(|(line, name)| (line, name.to_owned())));
    assert!(!may_name("model", "store") && !may_name("store", "door") && !may_name("unheard_of", "model"));
}

fn may_name(module: &str, named: &str) -> bool {
    let row = |table: &[(&str, &'static [&'static str])]| table.iter().find(|(name, _)| *name == module).map(|(_, may)| *may);
    module == named
        || match (row(FOUNDATIONS_MAY_NAME), row(MAY_NAME)) {
            (Some(may), _) => may.contains(&named),
            (None, Some(may)) => may.contains(&named) || FOUNDATIONS.contains(&named),
            (None, None) => false,
        }
}

/// The crate's module that a file belongs to; none for the crate's own two roots.
fn module_of(source: &Path, file: &Path) -> Option<String> {
    let first = file.strip_prefix(source).ok()?.components().next()?.as_os_str().to_str()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(module, "lib" | "main")).then(|| module.to_owned())
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a source directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// Lines that are no comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(n, line)| (n + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The first segment behind each `crate::`, with its line; also of each member of `crate::{...}`.
fn named_modules(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // How deep inside a `crate::{` group the line begins; 0 outside.
    let mut depth = 0usize;
    for (number, line) in code(text) {
        let mut rest = line;
        if depth == 0 {
            while let Some(place) = rest.find("crate::") {
                rest = &rest[place + "crate::".len()..];
                if rest.starts_with('{') {
                    break;
                }
                found.push((number, first_word(rest)));
            }
            if !rest.starts_with('{') || !line.contains("crate::{") {
                continue;
            }
        }
        depth = group(rest, depth, |word| found.push((number, word)));
    }
    found
}

/// Reads a line of a group; tells each name that begins a member of its outermost level. Returns the depth at its end.
fn group(line: &str, mut depth: usize, mut tell: impl FnMut(String)) -> usize {
    let mut at_start = true;
    for (place, c) in line.char_indices() {
        match c {
            '{' => (depth, at_start) = (depth + 1, true),
            '}' => (depth, at_start) = (depth.saturating_sub(1), false),
            ',' => at_start = true,
            ';' => return 0,
            c if c.is_whitespace() => {}
            _ => {
                if at_start && depth == 1 {
                    tell(first_word(&line[place..]));
                }
                at_start = false;
            }
        }
    }
    depth
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
