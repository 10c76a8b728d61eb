//! What holds for whole sessions whatever the bytes are. Single behaviours are shown by the transcripts in `tests/dialogs`.

use std::net::IpAddr;
use std::sync::LazyLock;

use base64::Engine as _;
use bytes::Bytes;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::id::Ids;
use crate::model::key::KeyRights;

const BUDGET: usize = 1 << 28;

/// A session with a driver that says yes, and what came of it.
struct Conversation {
    session: Session,
    budget: Arc<Semaphore>,
    key: Arc<ApiKey>,
    ids: Ids,
    said: Vec<u8>,
    accepted: Vec<Bytes>,
    closed: bool,
}

impl Conversation {
    /// With a peer that needs no login.
    fn new(settings: Settings) -> Self {
        let clock = Clock::manual(Timestamp(0));
        let ids = Ids::counting(clock);
        let key = Arc::new(ApiKey {
            id: ids.next(),
            team: ids.next(),
            name: "key".into(),
            display: "kr_live_0000".into(),
            rights: KeyRights::default(),
            created_at: Timestamp(0),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            requests_per_minute: None,
        });
        let trusted = Some(key.clone());
        let peer = Peer { address: IpAddr::from([127, 0, 0, 1]), tls: Tls::Absent, cleartext_auth: true, trusted };
        let session = Session::new(Arc::new(settings), peer);
        let budget = Arc::new(Semaphore::new(BUDGET));
        Self { session, budget, key, ids, said: Vec::new(), accepted: Vec::new(), closed: false }
    }

    fn send(&mut self, octets: &[u8]) {
        if !self.closed {
            self.session.input(octets);
            self.run();
        }
    }

    fn run(&mut self) {
        loop {
            match self.session.next_action() {
                Action::Read => break,
                Action::Close => {
                    self.closed = true;
                    break;
                }
                Action::StartTls => panic!("not offered"),
                Action::Reserve { octets, .. } => match self.budget.clone().try_acquire_many_owned(octets) {
                    Ok(permit) => self.session.memory_granted(permit),
                    Err(_) => self.session.memory_refused(),
                },
                Action::Authenticate(_) => self.session.authenticated(Ok(self.key.clone())),
                Action::Begin { key, .. } => self.session.begun(Ok(key)),
                Action::Address { .. } => self.session.addressed(Ok(())),
                Action::Submit(submission) => {
                    self.accepted.push(submission.mime.bytes().clone());
                    let recipients = submission.envelope.recipients.len();
                    let receipt =
                        Receipt { id: self.ids.next(), replay_of: None, left_out: Default::default(), recipients, record: None };
                    self.session.submitted(Ok(receipt));
                }
            }
        }
        self.said.extend_from_slice(&self.session.output().split());
    }

    /// The codes of the replies, one for each last line.
    fn codes(&self) -> Vec<String> {
        let said = String::from_utf8_lossy(&self.said);
        said.lines().filter(|line| line.get(3..4) == Some(" ")).map(|line| line[..3].to_owned()).collect()
    }
}

fn settings() -> Settings {
    static DEFAULTS: LazyLock<Settings> = LazyLock::new(|| Settings::from_config(&Config::defaults()));
    Settings { errors: 1000, max_message_size: 300, ..DEFAULTS.clone() }
}

fn held(pieces: &[&[u8]]) -> Conversation {
    let mut conversation = Conversation::new(settings());
    conversation.run();
    for piece in pieces {
        conversation.send(piece);
    }
    conversation
}

/// One thing a client does, whole: a command, a login, a chunk, or a message that is sure to be asked for.
fn deed() -> impl Strategy<Value = Vec<u8>> {
    let login = base64::engine::general_purpose::STANDARD.encode("\0apikey\0key");
    let command = prop::sample::select(vec![
        "EHLO a".to_owned(),
        "HELO a".to_owned(),
        "NOOP".to_owned(),
        "RSET".to_owned(),
        "XYZZY".to_owned(),
        "NOOP a\rb\nc".to_owned(),
        "MAIL FROM:<a@example.test>".to_owned(),
        "MAIL FROM:<a@example.test> SIZE=200".to_owned(),
        "MAIL FROM:bad".to_owned(),
        "RCPT TO:<u@x.test>".to_owned(),
        "RCPT TO:<v@x.test> NOTIFY=NEVER".to_owned(),
        format!("AUTH PLAIN {login}"),
        format!("AUTH PLAIN\r\n{login}"),
        "AUTH LOGIN\r\n*".to_owned(),
        "NOOP ".to_owned() + &"x".repeat(3000),
    ]);
    let text = "[.\r\nab]{0,60}";
    prop_oneof![
        4 => command.prop_map(|line| format!("{line}\r\n").into_bytes()),
        2 => (text, any::<bool>()).prop_map(|(text, last)| {
            let last = if last { " LAST" } else { "" };
            format!("BDAT {}{last}\r\n{text}", text.len()).into_bytes()
        }),
        2 => (text, 0..8usize).prop_map(|(text, times)| {
            let stuffed = text.repeat(times).replace("\r\n.\r\n", "\r\n..\r\n");
            let body = format!("Subject: x\r\n\r\n{stuffed}\r\n.\r\n");
            format!("RSET\r\nEHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<u@x.test>\r\nDATA\r\n{body}").into_bytes()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_pieces_do_not_matter(deeds in proptest::collection::vec(deed(), 1..12), cuts in proptest::collection::vec(1..40usize, 1..30)) {
        let octets = deeds.concat();
        let mut pieces = Vec::new();
        let mut rest = &octets[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let (whole, cut) = (held(&[&octets]), held(&pieces));
        prop_assert_eq!(String::from_utf8_lossy(&whole.said), String::from_utf8_lossy(&cut.said));
        prop_assert_eq!(&whole.accepted, &cut.accepted);
        prop_assert_eq!(whole.closed, cut.closed);
    }

    #[test]
    fn no_bytes_can_harm_it(octets in proptest::collection::vec(prop_oneof![
        Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b' '), any::<u8>()
    ], 0..400)) {
        let mut conversation = held(&[b"EHLO a\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<u@x.test>\r\n", &octets]);
        conversation.send(b"\r\n.\r\nQUIT\r\nQUIT\r\n");
        prop_assert!(conversation.said.ends_with(b"\r\n"));
        drop(conversation.session);
        prop_assert_eq!(conversation.budget.available_permits(), BUDGET);
    }
}

/// How far a transaction is, for a model of the session.
#[derive(Clone, Copy)]
enum Open {
    No,
    Sender,
    Recipients,
    Chunks,
}

/// What RFC 5321 section 4.1.4 and RFC 3030 section 2 say of the order of commands, in a few lines.
fn model(commands: &[&str]) -> Vec<&'static str> {
    let (mut greeted, mut open) = (false, Open::No);
    let mut codes = vec!["220"];
    for command in commands {
        let (then, said): (Open, &[&str]) = match (*command, open) {
            ("EHLO" | "RSET", _) => (Open::No, &["250"]),
            ("MAIL", Open::No) if greeted => (Open::Sender, &["250"]),
            ("RCPT", Open::Sender | Open::Recipients) => (Open::Recipients, &["250"]),
            ("DATA", Open::Recipients) => (Open::No, &["354", "250"]),
            ("DATA", Open::Sender) => (open, &["554"]),
            ("BDAT", Open::Recipients | Open::Chunks) => (Open::Chunks, &["250"]),
            ("LAST", Open::Recipients | Open::Chunks) => (Open::No, &["250"]),
            ("BDAT" | "LAST", Open::Sender) => (Open::No, &["554"]),
            _ => (open, &["503"]),
        };
        greeted |= *command == "EHLO";
        open = then;
        codes.extend(said);
    }
    codes
}

#[test]
fn every_order_of_commands_is_answered_as_the_standard_says() {
    const ALPHABET: [&str; 7] = ["EHLO", "RSET", "MAIL", "RCPT", "DATA", "BDAT", "LAST"];
    let mut tried = 0;
    for length in 1..=5u32 {
        for number in 0..ALPHABET.len().pow(length) {
            let commands: Vec<&str> =
                (0..length).map(|place| ALPHABET[number / ALPHABET.len().pow(place) % ALPHABET.len()]).collect();
            assert_eq!(perform(&commands), model(&commands), "{commands:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 19_607);
}

fn perform(commands: &[&str]) -> Vec<String> {
    let mut conversation = held(&[]);
    for command in commands {
        conversation.send(match *command {
            "EHLO" => b"EHLO client\r\n",
            "MAIL" => b"MAIL FROM:<a@example.test>\r\n",
            "RCPT" => b"RCPT TO:<u@x.test>\r\n",
            "DATA" => b"DATA\r\n",
            "BDAT" => b"BDAT 14\r\nSubject: x\r\n\r\n",
            "LAST" => b"BDAT 14 LAST\r\nSubject: x\r\n\r\n",
            _ => b"RSET\r\n",
        });
        if conversation.codes().last().is_some_and(|code| code == "354") {
            conversation.send(b"Subject: x\r\n\r\nbody\r\n.\r\n");
        }
    }
    conversation.codes()
}

/// A command without an end is read away, and little of it is held.
#[test]
fn an_endless_line_is_held_in_little_memory() {
    let mut conversation = held(&[b"EHLO a\r\n"]);
    let mut sent = 0;
    while !conversation.closed {
        conversation.send(&[b'a'; 32 * 1024]);
        sent += 32 * 1024;
        let held = conversation.session.inbound.capacity();
        assert!(held <= 96 * 1024 && sent <= 256 * 1024, "{held} octets are held of {sent}");
    }
    assert_eq!(conversation.codes(), ["220", "250", "500", "421"]);
}

/// Every sequence of up to six octets that matter, between a text and a smuggled transaction: never two messages, and the
/// session is in step afterwards. Also where the message is thrown away.
#[test]
fn nothing_but_the_genuine_end_lets_a_second_message_in() {
    const ALPHABET: [u8; 4] = [b'\r', b'\n', b'.', 0];
    let smuggled = b"MAIL FROM:<s@x.test>\r\nRCPT TO:<v@y.test>\r\nDATA\r\nsmuggled\r\n.\r\n";
    let begin = b"EHLO a\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<u@x.test>\r\nDATA\r\n";
    let large = [b'x'; 400];
    for length in 1..=6u32 {
        for number in 0..ALPHABET.len().pow(length) {
            let fake: Vec<u8> = (0..length).map(|place| ALPHABET[number / 4usize.pow(place) % 4]).collect();
            if fake.windows(5).any(|five| five == b"\r\n.\r\n") {
                continue;
            }
            for text in [&b"text"[..], &large[..]] {
                let conversation = held(&[&[begin, text, &fake, smuggled].concat(), b"NOOP\r\n"]);
                assert!(conversation.accepted.len() <= 1, "{}", fake.escape_ascii());
                // Greeting, EHLO, MAIL, RCPT, 354, the dot, NOOP.
                assert_eq!(conversation.codes().len(), 7, "{}", fake.escape_ascii());
            }
        }
    }
}

#[test]
fn a_thousand_commands_that_send_nothing_are_borne() {
    let mut conversation = held(&[b"EHLO a\r\n"]);
    for _ in 0..998 {
        conversation.send(b"RSET\r\n");
    }
    assert!(!conversation.closed);
    let message = b"MAIL FROM:<>\r\nRCPT TO:<u@x.test>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";
    conversation.send(message);
    for _ in 0..999 {
        conversation.send(b"NOOP\r\n");
    }
    assert!(!conversation.closed, "a message accepted begins the count anew");
    conversation.send(b"NOOP\r\n");
    assert!(conversation.closed);
    assert_eq!(conversation.codes().last().map(String::as_str), Some("421"));
}

#[test]
fn what_a_message_reserved_beyond_its_size_is_given_back() {
    let mut conversation = held(&[b"EHLO a\r\nMAIL FROM:<> SIZE=300\r\nRCPT TO:<u@x.test>\r\nDATA\r\n"]);
    assert_eq!(conversation.budget.available_permits(), BUDGET - 300);
    conversation.send(b"Subject: x\r\n\r\n.\r\n");
    assert_eq!(conversation.accepted.len(), 1);
    assert_eq!(conversation.budget.available_permits(), BUDGET);
}

/// RCPT commands whose addresses and originals are as long as they may be.
fn long_recipients(count: usize) -> Vec<u8> {
    let (long, original) = ("x".repeat(200), "y".repeat(1000));
    let rcpt = |n: usize| format!("RCPT TO:<{n}{long}@x.test> ORCPT=rfc822;{original}\r\n").into_bytes();
    (0..count).flat_map(rcpt).collect()
}

#[test]
fn a_long_envelope_counts_in_the_budget_until_its_message_is_gone() {
    const MAIL: &[u8] = b"MAIL FROM:<>\r\n";
    let mut conversation = held(&[b"EHLO a\r\n", MAIL, b"RCPT TO:<u@x.test>\r\nRCPT TO:<v@x.test>\r\n"]);
    assert_eq!(conversation.budget.available_permits(), BUDGET, "a few recipients come with the connection");
    conversation.send(&long_recipients(500));
    let reserved = BUDGET - conversation.budget.available_permits();
    assert!(reserved >= 500 * 1200, "{reserved} octets for 500 recipients");
    conversation.send(b"RSET\r\n");
    assert_eq!(conversation.budget.available_permits(), BUDGET);
    conversation.send(&[MAIL, &long_recipients(500), b"DATA\r\nSubject: x\r\n\r\n.\r\n"].concat());
    assert_eq!(conversation.accepted.len(), 1);
    assert_eq!(conversation.budget.available_permits(), BUDGET);
}

#[test]
fn without_memory_for_more_recipients_those_taken_stand() {
    let mut conversation = held(&[b"EHLO a\r\nMAIL FROM:<>\r\n"]);
    let taken = conversation.budget.clone().try_acquire_many_owned(BUDGET as u32 - 20_000).expect("nearly all");
    conversation.send(&long_recipients(100));
    let codes = conversation.codes();
    let accepted = codes.iter().filter(|code| *code == "250").count() - 2;
    assert!((10..90).contains(&accepted), "{accepted} were taken");
    assert_eq!(codes.iter().filter(|code| *code == "452").count(), 100 - accepted);
    drop(taken);
    // One that is there already is no new one.
    conversation.send(&long_recipients(1));
    assert_eq!(conversation.codes().last().map(String::as_str), Some("250"));
    conversation.send(b"DATA\r\nSubject: x\r\n\r\n.\r\n");
    assert_eq!(conversation.accepted.len(), 1);
}

#[test]
fn a_hundred_thousand_chunks_of_one_octet_are_one_message() {
    const CHUNKS: usize = 100_000;
    let mut settings = settings();
    settings.max_message_size = 200_000;
    let mut conversation = Conversation::new(settings);
    conversation.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<u@x.test>\r\n");
    let before = conversation.codes().len();
    for _ in 0..CHUNKS / 1000 {
        conversation.send(&b"BDAT 1\r\nx".repeat(1000));
    }
    assert!(conversation.accepted.is_empty());
    conversation.send(b"BDAT 0 LAST\r\n");
    assert_eq!(conversation.codes().len() - before, CHUNKS + 1);
    let message = conversation.accepted.first().expect("one message");
    assert_eq!((conversation.accepted.len(), message.iter().filter(|&&octet| octet == b'x').count()), (1, CHUNKS));
    assert_eq!(conversation.budget.available_permits(), BUDGET);
}

#[test]
fn a_large_size_reserves_little_before_the_first_octet() {
    let mut settings = settings();
    settings.max_message_size = 25 << 20;
    let mut conversation = Conversation::new(settings);
    conversation.send(b"EHLO a\r\nMAIL FROM:<> SIZE=26214400\r\nRCPT TO:<u@x.test>\r\nDATA\r\n");
    assert_eq!(conversation.budget.available_permits(), BUDGET - (1 << 20));
    let line = [b"x".repeat(1022).as_slice(), b"\r\n"].concat();
    for _ in 0..2048 {
        conversation.send(&line);
    }
    conversation.send(b".\r\n");
    assert_eq!(conversation.accepted.first().map(Bytes::len), Some(2 << 20));
}

#[test]
fn what_can_not_be_right_is_asked_of_the_keyring_too() {
    // It is the driver that holds back a refusal.
    for text in ["root\0apikey\0key", "\0apikey\0"] {
        let mut conversation = held(&[b"EHLO a\r\n"]);
        let response = base64::engine::general_purpose::STANDARD.encode(text);
        conversation.session.input(format!("AUTH PLAIN {response}\r\n").as_bytes());
        let Action::Authenticate(secret) = conversation.session.next_action() else { panic!("{text:?} was answered at once") };
        assert_eq!(secret, crate::model::key::Secret::from_text(""));
    }
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() < 512, "{} octets", size_of::<Session>());
}
