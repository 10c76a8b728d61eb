//! The parsers under hostile input: everything that the tests know as input, mutated at random. Nothing may panic or take long,
//! and what must hold of any input holds of these.
//!
//! `MUTATIONS=100000` gives every target that many inputs instead of a few thousand, `MUTATIONS_SEED=7` others than usual. A
//! failure names both, and shows the input.

use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use posthouse::config::Config;
use posthouse::door::keyring::Denied;
use posthouse::door::smtp::session::{Action, Peer, Session, Tls};
use posthouse::door::smtp::settings::Settings;
use posthouse::mime::adapt::{self, Hop, LINE_MAX};
use posthouse::mime::edit::Edit;
use posthouse::mime::fields::{Bounds, Fields};
use posthouse::mime::mailbox::Mailbox;
use posthouse::mime::parts::Reach;
use posthouse::mime::refill::{self, Said};
use posthouse::mime::view::View;
use posthouse::model::address::Address;
use posthouse::model::refusal::{Code, Refusal};
use posthouse::wire::command::Command;
use posthouse::wire::dot::DotReader;
use posthouse::wire::line::{self, Line};
use posthouse::wire::newline::Newlines;
use tokio::sync::Semaphore;

use crate::support::dialog::{Dialog, Piece, Step};
use crate::support::mutate::{Chance, mutated};

/// Inputs for each target when nothing else is asked for.
const DOSE: u64 = 2_000;
/// What one input may take, in a build without optimisation on a busy machine.
const SLOW: Duration = Duration::from_secs(10);
/// What is taken for a loop without an end.
const FOR_EVER: Duration = Duration::from_secs(60);
const REACH: Reach = Reach { depth: 100, parts: 10_000 };

/// Feeds `target` the seeds as they are, then mutated.
fn feed(name: &str, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8], &mut Chance)) {
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let (dose, seed) = (number("MUTATIONS", DOSE), number("MUTATIONS_SEED", 1));
    let mut chance = Chance::new(seed);
    let watched = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    watch(Arc::downgrade(&watched));
    for round in 0..dose {
        let input = match seeds.get(usize::try_from(round).expect("a small number")) {
            Some(seed) => seed.clone(),
            None => mutated(seeds, &mut chance),
        };
        *watched.lock().expect("the watch") = (Instant::now(), input.clone());
        let case = Case { name, seed, round, input: &input };
        let began = Instant::now();
        target(&input, &mut chance);
        assert!(began.elapsed() < SLOW, "{:?}", began.elapsed());
        drop(case);
    }
}

/// Ends the process when one input takes for ever, and shows it: a loop that never ends is never a slow one.
fn watch(watched: Weak<Mutex<(Instant, Vec<u8>)>>) {
    std::thread::spawn(move || {
        while let Some(watched) = watched.upgrade() {
            // A poisoned watch: the input's own panic ends the test.
            let Ok((since, input)) = watched.lock().map(|watched| watched.clone()) else { return };
            if since.elapsed() > FOR_EVER {
                eprintln!("this never ends: {}", input.escape_ascii());
                std::process::abort();
            }
            drop(watched);
            std::thread::park_timeout(Duration::from_millis(200));
        }
    });
}

/// Tells which input a panic came from.
struct Case<'a> {
    name: &'a str,
    seed: u64,
    round: u64,
    input: &'a [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} MUTATIONS_SEED={} input {}: {}", self.name, self.seed, self.round, self.input.escape_ascii());
        }
    }
}

/// What the dialogues send: one seed for each, all of its octets in a row.
fn conversations() -> Vec<Vec<u8>> {
    let dialogs = Dialog::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"));
    dialogs.iter().map(|dialog| dialog.steps.iter().flat_map(|(_, step)| octets(step)).collect()).collect()
}

fn octets(step: &Step) -> Vec<u8> {
    let Step::Send(pieces) = step else { return Vec::new() };
    let octets = pieces.iter().map(|piece| if let Piece::Octets(octets) = piece { &octets[..] } else { b"AGEAYg==" });
    octets.collect::<Vec<_>>().concat()
}

fn lines() -> Vec<Vec<u8>> {
    let all = conversations().concat();
    all.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect()
}

/// The corpus, and the mails that the real clients are given.
fn mails() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/corpus", "tests/clients/mails"].map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"));
    let mut paths: Vec<_> = folders.into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mails: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("a mail")).collect();
    assert!(mails.len() >= 4, "only {} mails were found", mails.len());
    mails
}

#[test]
fn a_command_holds_only_what_can_be_written_again() {
    feed("command", &lines(), |line, _| {
        let address = match Command::parse(line) {
            Ok(Command::Mail(mail)) => mail.reverse_path,
            Ok(Command::Rcpt(rcpt)) => Some(rcpt.forward_path),
            _ => None,
        };
        if let Some(address) = address {
            assert_eq!(Address::parse(address.as_str()).as_ref(), Ok(&address));
            assert!(!address.as_str().contains(['\r', '\n', '\0']), "{address}");
            assert_eq!(Address::parse(&address.key()).map(|again| again.key()), Ok(address.key()));
        }
    });
}

#[test]
fn lines_do_not_depend_on_how_they_come() {
    feed("line", &conversations(), |octets, chance| {
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut buffer, mut lines) = (BytesMut::new(), Vec::new());
            for piece in pieces {
                buffer.extend_from_slice(piece);
                while let Line::Whole(line) = line::take(&mut buffer, 512) {
                    assert!(!line.windows(2).any(|pair| pair == b"\r\n") && line.len() <= 510);
                    lines.push(line);
                }
                if buffer.len() >= 512 {
                    break;
                }
            }
            lines
        };
        let whole = read(&mut octets.chunks(512));
        assert_eq!(read(&mut octets.chunks(1 + chance.below(7))), whole);
    });
}

/// Content as the door keeps it, and the octets that were used up, with `octets` in pieces.
fn kept(octets: &[u8], size: usize) -> (Vec<u8>, Option<usize>) {
    let (mut dot, mut newlines, mut kept, mut used) = (DotReader::default(), Newlines::default(), Vec::new(), 0);
    for piece in octets.chunks(size) {
        let progress = dot.read(piece, |content| newlines.read(content, &mut kept));
        used += progress.used;
        if progress.ended {
            newlines.finish(&mut kept);
            return (kept, Some(used));
        }
    }
    newlines.finish(&mut kept);
    (kept, None)
}

/// Whether CR and LF stand only as CRLF.
fn has_whole_line_ends(octets: &[u8]) -> bool {
    let pairs = octets.windows(2).filter(|pair| pair == b"\r\n").count();
    octets.iter().filter(|&&byte| byte == b'\r').count() == pairs && octets.iter().filter(|&&byte| byte == b'\n').count() == pairs
}

#[test]
fn content_does_not_depend_on_how_it_comes() {
    feed("data", &[conversations(), mails()].concat(), |octets, chance| {
        let whole = kept(octets, octets.len().max(1));
        assert_eq!(kept(octets, 1 + chance.below(9)), whole);
        assert!(has_whole_line_ends(&whole.0) && (whole.0.is_empty() || whole.0.ends_with(b"\r\n")));
        let end = [b"\r\n", octets].concat().windows(5).position(|five| five == b"\r\n.\r\n").map(|place| place + 3);
        assert_eq!(whole.1, end, "data ends at CRLF.CRLF and nowhere else");
    });
}

#[test]
fn a_header_section_loses_no_byte_and_reads_the_same_after_an_edit() {
    feed("fields", &mails(), |message, _| {
        let fields = Fields::split(message, Bounds::STORED);
        let mut at = fields.envelope.end;
        for field in &fields.list {
            assert_eq!(field.range.start, at);
            at = field.range.end;
            let _ = (field.text(), Mailbox::parse(field.value).map(|mailbox| &field.value[mailbox.address]));
        }
        assert_eq!(fields.separator.start, at);
        let edited = Edit::default().apply(message, &fields);
        let again = Fields::split(&edited, Bounds::STORED);
        let names = |fields: &Fields<'_>| fields.list.iter().map(|field| field.name.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&again), names(&fields));
        assert_eq!(edited[again.body()..], message[fields.body()..]);
    });
}

#[test]
fn a_message_of_any_kind_can_be_shown() {
    feed("view", &mails(), |message, _| {
        let view = View::of(message, REACH);
        let texts = view.text.iter().chain(&view.html);
        let unseen = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        texts.for_each(|text| assert!(!text.contains(unseen), "{text:?}"));
    });
}

#[test]
fn a_message_of_any_kind_can_be_made_to_say_something_else() {
    let said = Said { subject: "new =?utf-8?Q?one?=", text: Some("new text\n"), html: Some("<p>new</p>\n") };
    feed("refill", &mails(), |message, _| {
        let Ok(refilled) = refill::refilled(message, said, REACH) else { return };
        let view = View::of(&refilled, REACH);
        let shown = (view.header("subject"), view.text.as_deref(), view.html.as_deref());
        assert_eq!(shown, (said.subject, said.text, said.html), "{}", refilled.escape_ascii());
        assert_eq!(view.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Subject")).count(), 1);
    });
}

#[test]
fn what_leaves_is_what_the_next_hop_can_take() {
    feed("adapt", &mails(), |message, chance| {
        let hop = Hop { eight_bit_mime: chance.below(2) == 0, smtputf8: chance.below(2) == 0 };
        let Ok(adapted) = adapt::adapt(message, hop, REACH) else { return };
        assert!(has_whole_line_ends(&adapted.bytes));
        let longest = adapted.bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).len()).max();
        assert!(longest.is_none_or(|longest| longest <= LINE_MAX), "{longest:?}");
        assert!(hop.eight_bit_mime || adapted.smtputf8 || adapted.bytes.is_ascii());
    });
}

/// All that a session says to these octets, under a key that may do anything and is refused at the dot.
fn said(settings: &Arc<Settings>, octets: &[u8], size: usize) -> Vec<u8> {
    let key = Arc::new(crate::support::nouns::key());
    let peer = Peer { address: [127, 0, 0, 1].into(), tls: Tls::Absent, cleartext_auth: true, trusted: Some(key) };
    let mut session = Session::new(settings.clone(), peer);
    let budget = Arc::new(Semaphore::new(1 << 28));
    let mut pieces = octets.chunks(size);
    loop {
        match session.next_action() {
            Action::Read => match pieces.next() {
                Some(piece) => session.input(piece),
                None => break,
            },
            Action::Close => break,
            Action::StartTls => unreachable!("TLS is not offered"),
            Action::Reserve { octets, .. } => {
                session.memory_granted(budget.clone().try_acquire_many_owned(octets).expect("there is room"));
            }
            Action::Authenticate(_) => session.authenticated(Err(Denied::Unknown)),
            Action::Begin { key, .. } => session.begun(Ok(key)),
            Action::Address { .. } => session.addressed(Ok(())),
            Action::Submit(submission) => {
                assert!(has_whole_line_ends(&submission.mime) && !submission.mime.contains(&0));
                session.submitted(Err(Refusal::new(Code::InvalidMessage, format!("{} octets", submission.mime.len()))));
            }
        }
    }
    let said = session.output().to_vec();
    drop(session);
    assert_eq!(budget.available_permits(), 1 << 28, "no memory stays behind");
    said
}

#[test]
fn a_session_answers_whatever_it_hears_in_whole_replies() {
    let settings = Arc::new(Settings::from_config(&Config::defaults()));
    feed("session", &conversations(), |octets, _| {
        let said = said(&settings, octets, 4096);
        assert!(said.ends_with(b"\r\n") && has_whole_line_ends(&said));
        for line in said.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let is_reply = line.len() >= 4 && line[..3].iter().all(u8::is_ascii_digit) && matches!(line[3], b' ' | b'-');
            assert!(is_reply && line.len() < 512, "{}", line.escape_ascii());
        }
    });
}
