//! Transcripts of SMTP sessions: what a client sends, what it must hear, and what must then be in the store.
//!
//! `#` says why. `C:` sends a line, `C~` sends raw octets with escapes; what is sent without a reply expected in between goes out
//! as one segment. `S:` is one line of a reply, with `*` for anything. `=` checks what came of it, `!` makes something happen.
//! `@` sets the scene, before the first line. In what is sent, `{plain}` and `{key}` are the response of PLAIN and LOGIN with the key (`{plain NAME}`
//! of another key), `{template NAME}` is the id of a template, `{base64 TEXT}` is TEXT in base64, and `{N*TEXT}` repeats.

use std::path::Path;

/// One transcript.
#[derive(Debug)]
pub struct Dialog {
    pub name: String,
    pub scene: Scene,
    /// With the number of the line each stands in.
    pub steps: Vec<(usize, Step)>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<Piece>),
    Expect(String),
    /// `= WORD REST`.
    Check(String, String),
    /// `! WORD REST`.
    Happen(String, String),
}

/// Part of what is sent.
#[derive(Clone, Debug)]
pub enum Piece {
    Octets(Vec<u8>),
    /// The PLAIN response of the key with this name.
    Plain(String),
    /// Its text, in base64: what LOGIN asks for.
    Key(String),
    /// The id of the template with this name.
    Template(String),
}

/// What holds before the first line.
#[derive(Clone, Debug)]
pub struct Scene {
    /// `@ smtp.bare_newlines = refuse`: name and value.
    pub config: Vec<(String, String)>,
    /// `@ key NAME FLAG...`.
    pub keys: Vec<(String, Vec<String>)>,
    /// `@ template NAME SUBJECT | HTML | TEXT`; `@ foreign-template` is another team's.
    pub templates: Vec<Template>,
    /// `@ tls WORD`.
    pub tls: String,
    pub cleartext_auth: bool,
    pub trusted: bool,
    /// `@ fault PLACE WORD`.
    pub faults: Vec<(String, String)>,
    /// `@ start greeted|in|addressed`: how far the session is when the transcript begins.
    pub start: String,
    /// `@ only bytes`: what it shows can't be brought about from outside. `@ only segment`: it depends on what comes together.
    /// `@ only clock`: a test must move the clock. `@ only listener`: a second client comes.
    pub only: Option<String>,
}

/// A template on record before the first line.
#[derive(Clone, Debug)]
pub struct Template {
    pub name: String,
    pub foreign: bool,
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
}

impl Dialog {
    /// Every `*.dialog` of the directory, by name.
    pub fn all(directory: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(directory).expect("the directory of dialogues");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let dialogs = paths.iter().filter(|path| path.extension().is_some_and(|e| e == "dialog"));
        dialogs.map(|path| Self::parse(path, &std::fs::read_to_string(path).expect("a dialogue"))).collect()
    }

    fn parse(path: &Path, text: &str) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut dialog = Self { name, scene: Scene::default(), steps: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            match mark {
                "" | "# " | "#" => {}
                "@ " => dialog.scene.set(rest, number),
                "C:" => dialog.steps.push((number, Step::Send(pieces(rest, b"\r\n")))),
                "C~" => dialog.steps.push((number, Step::Send(pieces(rest, b"")))),
                "S:" => dialog.steps.push((number, Step::Expect(rest.to_owned()))),
                "= " => dialog.steps.push((number, words(rest, Step::Check))),
                "! " => dialog.steps.push((number, words(rest, Step::Happen))),
                other => panic!("{}:{number}: what is {other:?}?", path.display()),
            }
        }
        dialog
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            config: Vec::new(),
            keys: vec![("key".into(), vec!["transactional".into()])],
            templates: Vec::new(),
            tls: "absent".into(),
            cleartext_auth: true,
            trusted: false,
            faults: Vec::new(),
            start: String::new(),
            only: None,
        }
    }
}

impl Scene {
    fn set(&mut self, line: &str, number: usize) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(value) = rest.strip_prefix("= ") {
            return self.config.push((word.to_owned(), value.to_owned()));
        }
        match word {
            "key" => {
                let (name, flags) = rest.split_once(' ').unwrap_or((rest, ""));
                self.keys.retain(|(known, _)| known != name);
                self.keys.push((name.to_owned(), flags.split(' ').filter(|f| !f.is_empty()).map(str::to_owned).collect()));
            }
            "template" | "foreign-template" => self.templates.push(Template::read(rest, word == "foreign-template")),
            "tls" => self.tls = rest.to_owned(),
            "cleartext" => self.cleartext_auth = rest != "never",
            "trusted" => self.trusted = true,
            "fault" => {
                let (place, word) = rest.split_once(' ').unwrap_or((rest, ""));
                self.faults.push((place.to_owned(), word.to_owned()));
            }
            "start" => self.start = rest.to_owned(),
            "only" => self.only = Some(rest.to_owned()),
            other => panic!("line {number}: what is @ {other}?"),
        }
    }
}

impl Template {
    fn read(line: &str, foreign: bool) -> Self {
        let (name, texts) = line.split_once(' ').expect("a name and texts");
        let mut texts = texts.split('|').map(|text| text.trim().to_owned());
        let mut next = || texts.next().filter(|text| !text.is_empty());
        let subject = next().unwrap_or_default();
        Self { name: name.to_owned(), foreign, subject, html: next(), text: next() }
    }
}

fn words(text: &str, step: fn(String, String) -> Step) -> Step {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    step(word.to_owned(), rest.to_owned())
}

fn pieces(text: &str, end: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, braced)) = rest.split_once('{') {
        let (inner, after) = braced.split_once('}').expect("a closing brace");
        pieces.push(Piece::Octets(unescape(before)));
        pieces.push(braced_piece(inner));
        rest = after;
    }
    pieces.push(Piece::Octets([unescape(rest), end.to_vec()].concat()));
    pieces
}

fn braced_piece(inner: &str) -> Piece {
    use base64::Engine as _;
    if let Some((number, text)) = inner.split_once('*') {
        return Piece::Octets(unescape(text).repeat(number.parse().expect("a number before *")));
    }
    let (word, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let name = if rest.is_empty() { "key" } else { rest };
    match word {
        "plain" => Piece::Plain(name.to_owned()),
        "key" => Piece::Key(name.to_owned()),
        "template" => Piece::Template(name.to_owned()),
        "base64" => Piece::Octets(base64::engine::general_purpose::STANDARD.encode(unescape(rest)).into_bytes()),
        other => panic!("what is {{{other}}}?"),
    }
}

/// `\r \n \t \0 \\ \xNN`; the rest stands for itself.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'\\' => match bytes.next().expect("an escape") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let digits = [bytes.next().expect("a digit"), bytes.next().expect("a digit")];
                    u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).expect("hexadecimal")
                }
                other => other,
            },
            other => other,
        });
    }
    octets
}

/// Whether `line` is what `pattern` says, `*` standing for anything.
pub fn matches(pattern: &str, line: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == line };
    let Some(mut line) = line.strip_prefix(head) else { return false };
    loop {
        if matches(rest, line) {
            return true;
        }
        let mut chars = line.chars();
        if chars.next().is_none() {
            return false;
        }
        line = chars.as_str();
    }
}
