//! 200 HTML messages as many programs write them, and as nobody should (`tests/tracking/make.py`), tracked, and looked at by Python's
//! parsers (`tests/tracking/read.py`): a reader is shown the same text, and only links and the picture differ.

use std::path::Path;
use std::process::Command;

use posthouse::config::Config;
use posthouse::id::Id;
use posthouse::mime::adapt::{Hop, adapt};
use posthouse::mime::parts::Reach;
use posthouse::tracking::links::Links;
use posthouse::tracking::rewrite::{Pages, Tracked};
use posthouse::tracking::token::Seal;

const MESSAGES: &str = "200";

#[test]
fn tracked_html_shows_the_same_text_to_another_reader() {
    if let Err(missing) = Command::new("python3").arg("--version").output() {
        assert!(std::env::var_os("POSTHOUSE_TEST_NO_SKIPS").is_none(), "{missing}, and skipping is forbidden");
        return eprintln!("skipped: python3: {missing}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let seed = std::env::var("HTML_SEED").unwrap_or_else(|_| "1".to_owned());
    assert_eq!(python("make.py", &[&folder.path().display().to_string(), MESSAGES, &seed]), Ok(()));
    let links = Links::new("https://mail.house.test", &Seal::new(b"secret"));
    let tracked = Tracked { links: &links, message: Id([7; 16]), recipient: 0, opens: true, clicks: true, own_link: false };
    let reach = Reach::new(&Config::defaults().smtp.limits);
    let mut changed = None;
    let entries = std::fs::read_dir(folder.path()).expect("the folder").collect::<Result<Vec<_>, _>>().expect("its entries");
    for file in entries.iter().map(std::fs::DirEntry::path) {
        let message = std::fs::read(&file).expect("a message");
        let marked = Pages::of(&message, reach).marked(tracked);
        changed = marked.as_ref().map(|_| (file.clone(), message.clone())).or(changed);
        let sent = marked.unwrap_or(message);
        let sent = adapt(&sent, Hop { eight_bit_mime: true, smtputf8: false }, reach).expect("it can leave");
        std::fs::write(sent_of(&file), &sent.bytes).expect("written");
    }
    assert_eq!(python("read.py", &[&folder.path().display().to_string()]), Ok(()));
    let (file, message) = changed.expect("one that has links");
    std::fs::write(sent_of(&file), message).expect("written");
    assert!(python("read.py", &[&folder.path().display().to_string()]).is_err(), "one that was not tracked is found");
}

/// Where what leaves lies.
fn sent_of(file: &Path) -> String {
    format!("{}.sent", file.display())
}

/// Runs one of the programs; the error is what it says.
fn python(program: &str, arguments: &[&str]) -> Result<(), String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tracking").join(program);
    let output = Command::new("python3").arg(program).args(arguments).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}
