//! The story that `docs/ARCHITECTURE.md` tells names what is there: files, modules, types and functions.

use std::path::Path;

/// A source file: its modules from the crate's root, and its text.
struct Source {
    modules: Vec<String>,
    text: String,
}

#[test]
fn what_the_architecture_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let story = std::fs::read_to_string(root.join("docs/ARCHITECTURE.md")).expect("the story");
    let sources = sources(&root.join("src"));
    let names: Vec<&str> = named(&story).collect();
    assert!(names.len() > 40, "only {} names were found: the search is broken", names.len());
    let lost: Vec<_> = names.into_iter().filter(|name| !is_there(name, root, &sources)).collect();
    assert!(lost.is_empty(), "named in the story, and nowhere else: {lost:?}");
}

#[test]
fn the_search_misses_what_is_not_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("src"));
    for name in ["Store::accept", "session::Session::input", "policy::judge", "retry::Schedule", "src/model/"] {
        assert!(is_there(name, root, &sources), "{name}");
    }
    for name in ["Store::accepts", "session::Store::accept", "Session::accept", "policy::claim", "retry::Plan", "src/nouns/"] {
        assert!(!is_there(name, root, &sources), "{name}");
    }
}

/// What stands between backticks and is a path of files or of modules, or a single name.
fn named(story: &str) -> impl Iterator<Item = &str> {
    let is_name = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '/' | '.'))
    };
    let code = story.split('`').skip(1).step_by(2).filter(is_name);
    // `CRLF.CRLF`, a host name: only paths may hold a dot.
    code.filter(|text| text.contains('/') || !text.contains('.'))
}

fn is_there(name: &str, root: &Path, sources: &[Source]) -> bool {
    if name.contains('/') {
        return root.join(name).exists();
    }
    let segments: Vec<&str> = name.split("::").collect();
    if segments.len() == 1 {
        return sources.iter().any(|source| source.modules.iter().any(|module| module == name) || holds(&source.text, name));
    }
    let (modules, items): (Vec<&str>, Vec<&str>) = match segments.iter().position(|s| s.starts_with(char::is_uppercase)) {
        Some(first) => (segments[..first].to_vec(), segments[first..].to_vec()),
        None => (segments[..segments.len() - 1].to_vec(), segments[segments.len() - 1..].to_vec()),
    };
    sources.iter().any(|source| {
        let is_within = |modules: &[&str]| modules.iter().all(|module| source.modules.iter().any(|m| m == module));
        is_within(&segments) || is_within(&modules) && declares(&source.text, &items)
    })
}

/// The last item is a function or a variant, or a type alone; what it belongs to is declared or implemented in the same file.
fn declares(text: &str, items: &[&str]) -> bool {
    let Some((last, owners)) = items.split_last() else { return false };
    let owned =
        |owner: &&str| ["struct", "enum", "trait", "impl", "for"].iter().any(|word| holds(text, &format!("{word} {owner}")));
    let last = if last.starts_with(char::is_uppercase) { (*last).to_owned() } else { format!("fn {last}") };
    holds(text, &last) && owners.iter().all(owned)
}

/// Whether `wanted` stands in the text as a whole word.
fn holds(text: &str, wanted: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(wanted).any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + wanted.len()..].starts_with(is_word))
}

fn sources(src: &Path) -> Vec<Source> {
    let mut folders = vec![src.to_owned()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a source directory") {
            let path = entry.expect("a directory entry").path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("rs") => {
                    let text = std::fs::read_to_string(&path).expect("UTF-8");
                    sources.push(Source { modules: modules(src, &path), text });
                }
                None => folders.push(path),
                _ => {}
            }
        }
    }
    sources
}

fn modules(src: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(src).expect("a file of src").with_extension("");
    path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
}
