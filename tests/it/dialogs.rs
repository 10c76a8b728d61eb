//! Every transcript of `tests/dialogs`: with a session alone, each segment whole and one octet at a time; through the driver over
//! a pipe, whose clock a test moves; and with a listening server on both stores.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthouse::clock::Clock;
use posthouse::door::smtp::connection;
use posthouse::door::smtp::listener;
use posthouse::shutdown::Shutdown;
use posthouse::store::{Location, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::IN_TIME;
use crate::support::dialog::{Dialog, Piece, Step, matches, unescape};
use crate::support::dialog_house::House;
use crate::support::dialog_talk::{Behind, Talk};
use crate::support::postgres::Cluster;

fn dialogs() -> Vec<Dialog> {
    let dialogs = Dialog::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"));
    assert!(dialogs.len() > 30, "only {} dialogues were found", dialogs.len());
    let wanted = std::env::var("DIALOG").unwrap_or_default();
    dialogs.into_iter().filter(|dialog| dialog.name.contains(&wanted)).collect()
}

/// The ways a dialogue can be held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// With a session alone.
    Segments,
    Octets,
    /// Through the driver, over a pipe in memory.
    Pipe,
    /// With a listener, over TCP.
    Live,
}

impl Mode {
    /// Whether what the dialogue shows can be brought about this way.
    fn can_show(self, dialog: &Dialog) -> bool {
        match dialog.scene.only.as_deref() {
            None => true,
            Some("bytes") => matches!(self, Mode::Segments | Mode::Octets),
            Some("segment") => self != Mode::Octets,
            Some("clock") => self != Mode::Live,
            Some("listener") => self != Mode::Pipe,
            Some("bytes by segments") => self == Mode::Segments,
            Some(other) => panic!("{}: what is @ only {other}?", dialog.name),
        }
    }
}

#[tokio::test]
async fn the_session_holds_every_dialog_by_segments() {
    let (_folder, location) = sqlite();
    hold_all(Mode::Segments, &location).await;
}

#[tokio::test]
async fn the_session_holds_every_dialog_by_octets() {
    let (_folder, location) = sqlite();
    hold_all(Mode::Octets, &location).await;
}

#[tokio::test]
async fn the_driver_holds_every_dialog() {
    let (_folder, location) = sqlite();
    hold_all(Mode::Pipe, &location).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_holds_every_dialog_on_sqlite() {
    let (_folder, location) = sqlite();
    hold_all(Mode::Live, &location).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_holds_every_dialog_on_postgresql() {
    let Some(cluster) = Cluster::start() else { return };
    hold_all(Mode::Live, &Location::Postgres(cluster.database())).await;
}

fn sqlite() -> (tempfile::TempDir, Location) {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Sqlite(folder.path().join("book.db"));
    (folder, location)
}

async fn hold_all(mode: Mode, location: &Location) {
    let store = Store::open(location, Clock::System).await.expect("the book opens");
    let mut failures = Vec::new();
    for dialog in dialogs().iter().filter(|dialog| mode.can_show(dialog)) {
        let house = House::furnish(&store, &dialog.scene).await;
        let held = match mode {
            Mode::Segments => hold(dialog, &house, Talk::with_session(&house, usize::MAX).await).await,
            Mode::Octets => hold(dialog, &house, Talk::with_session(&house, 1).await).await,
            Mode::Pipe => over_a_pipe(dialog, &house).await,
            Mode::Live => with_a_server(dialog, &house).await,
        };
        failures.extend(held.err());
    }
    store.close().await;
    assert!(failures.is_empty(), "{} dialogues failed:\n{}", failures.len(), failures.join("\n"));
}

async fn over_a_pipe(dialog: &Dialog, house: &House) -> Result<(), String> {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let shutdown = Shutdown::default();
    let served = tokio::spawn(connection::serve(Arc::new(house.door()), theirs, house.peer(), shutdown.clone()));
    let server = Behind { shutdown, connector: house.connector(), address: None };
    let held = hold(dialog, house, Talk::over(ours, server)).await;
    timeout(IN_TIME, served)
        .await
        .map_err(|_| format!("{}: the connection does not end", dialog.name))?
        .expect("the driver does not panic");
    held
}

async fn with_a_server(dialog: &Dialog, house: &House) -> Result<(), String> {
    let rules = house.rules();
    let socket = TcpListener::bind(rules.address).await.expect("a port");
    let address = socket.local_addr().expect("its address");
    let shutdown = Shutdown::default();
    let server = tokio::spawn(listener::run(vec![(socket, rules)], house.door(), shutdown.clone()));
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let behind = Behind { shutdown: shutdown.clone(), connector: house.connector(), address: Some(address) };
    let held = hold(dialog, house, Talk::over(stream, behind)).await;
    shutdown.begin();
    timeout(IN_TIME, server)
        .await
        .map_err(|_| format!("{}: the server does not end", dialog.name))?
        .expect("the server does not panic");
    held
}

/// Holds a dialogue to its end. The error names file and line.
async fn hold(dialog: &Dialog, house: &House, mut talk: Talk<'_>) -> Result<(), String> {
    let name = &dialog.name;
    open_with(&dialog.scene.start, house, &mut talk).await.map_err(|why| format!("{name}: at the start: {why}"))?;
    let mut segment = Vec::new();
    for (line, step) in &dialog.steps {
        if let Step::Send(pieces) = step {
            talk.said_nothing_more().map_err(|why| format!("{name}:{line}: {why}"))?;
            segment.extend(sent(pieces, house));
            continue;
        }
        if !segment.is_empty() {
            talk.send(&std::mem::take(&mut segment)).await;
        }
        act(step, house, &mut talk).await.map_err(|why| format!("{name}:{line}: {why}"))?;
    }
    if !segment.is_empty() {
        talk.send(&segment).await;
    }
    talk.said_nothing_more().map_err(|why| format!("{name}: at the end: {why}"))?;
    talk.hang_up().await.map_err(|why| format!("{name}: after the end: {why}"))
}

async fn act(step: &Step, house: &House, talk: &mut Talk<'_>) -> Result<(), String> {
    match step {
        Step::Send(_) => Ok(()),
        Step::Expect(pattern) => expect(pattern, talk).await,
        Step::Check(word, rest) => check(word, rest, house, talk).await,
        Step::Happen(word, rest) => match word.as_str() {
            "suppress" => {
                house.suppress(rest).await;
                Ok(())
            }
            "unsubscribe" => {
                house.unsubscribe(rest).await;
                Ok(())
            }
            "revoke" => {
                house.revoke(rest).await;
                Ok(())
            }
            "hang-up" => talk.hang_up().await,
            _ => {
                talk.tell(word).await;
                Ok(())
            }
        },
    }
}

async fn expect(pattern: &str, talk: &mut Talk<'_>) -> Result<(), String> {
    match talk.line().await? {
        Some(line) if matches(pattern, &line) => Ok(()),
        Some(line) => Err(format!("expected {pattern:?}, heard {line:?}")),
        None => Err(format!("expected {pattern:?}, heard nothing")),
    }
}

/// Greets, logs in and addresses, as far as the scene says.
async fn open_with(start: &str, house: &House, talk: &mut Talk<'_>) -> Result<(), String> {
    let steps = ["greeted", "in", "addressed"];
    let Some(depth) = steps.iter().position(|step| *step == start) else {
        return if start.is_empty() { Ok(()) } else { Err(format!("what is @ start {start}?")) };
    };
    expect("220 *", talk).await?;
    talk.send(b"EHLO client.test\r\n").await;
    while !talk.line().await?.ok_or("no answer to EHLO")?.starts_with("250 ") {}
    if depth >= 1 {
        let login = sent(&[Piece::Octets(b"AUTH PLAIN ".to_vec()), Piece::Plain("key".into())], house);
        talk.send(&[&login[..], b"\r\n"].concat()).await;
        expect("235 2.7.0 *", talk).await?;
    }
    if depth >= 2 {
        talk.send(b"MAIL FROM:<a@example.test>\r\nRCPT TO:<u@x.test>\r\n").await;
        expect("250 2.1.0 *", talk).await?;
        expect("250 2.1.5 *", talk).await?;
    }
    Ok(())
}

fn sent(pieces: &[Piece], house: &House) -> Vec<u8> {
    let piece = |piece: &Piece| match piece {
        Piece::Octets(octets) => octets.clone(),
        Piece::Template(name) => house.template(name).uuid().into_bytes(),
        Piece::Key(name) => STANDARD.encode(house.secret(name).reveal()).into_bytes(),
        Piece::Plain(name) => {
            let text = format!("\0apikey\0{}", house.secret(name).reveal());
            STANDARD.encode(text).into_bytes()
        }
    };
    pieces.iter().flat_map(piece).collect()
}

async fn check(word: &str, rest: &str, house: &House, talk: &mut Talk<'_>) -> Result<(), String> {
    let is = |found: &str| if found == rest { Ok(()) } else { Err(format!("{word} is {found}")) };
    match word {
        "closed" => return talk.closed().await,
        "quirks" => return is(&house.quirks().await),
        "queue" => return is(&house.messages().await.len().to_string()),
        "writes" => return talk.writes().map_or(Ok(()), |writes| is(&writes.to_string())),
        _ => {}
    }
    let listed = house.messages().await.into_iter().next().ok_or("there is no message")?;
    let message = &listed.message;
    let octets = house.octets(message).await;
    let holds = memchr::memmem::find(&octets, &unescape(rest)).is_some();
    match word {
        "holds" | "lacks" if holds == (word == "holds") => Ok(()),
        "holds" | "lacks" => Err(format!("the message is {}", octets.escape_ascii())),
        "body" => {
            let end = memchr::memmem::find(&octets, b"\r\n\r\n").ok_or("the message has no body")? + 4;
            let found = &octets[end..];
            if found == unescape(rest) { Ok(()) } else { Err(format!("the body is {}", found.escape_ascii())) }
        }
        "recipients" => is(&listed.recipients.iter().map(|r| r.path.address.as_str()).collect::<Vec<_>>().join(" ")),
        "subject" => is(&message.subject),
        "template" if message.template == Some(house.template(rest)) => Ok(()),
        "template" => Err(format!("the template is {:?}", message.template)),
        "reverse-path" => is(message.reverse_path.as_deref().unwrap_or("null")),
        "stream" => is(message.stream.as_str()),
        "ret" => is(message.ret.map_or("none", |ret| ret.as_str())),
        "envid" => is(message.envid.as_deref().unwrap_or("none")),
        "notify" => is(&listed.recipients[0].path.notify.map_or("none".into(), |notify| notify.text())),
        "orcpt" => is(listed.recipients[0].path.orcpt.as_deref().unwrap_or("none")),
        "smtputf8" => is(if message.smtputf8 { "yes" } else { "no" }),
        other => Err(format!("what is = {other}?")),
    }
}
