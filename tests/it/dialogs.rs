//! Every transcript of `tests/dialogs`, held with a session alone: each segment whole, and one octet at a time.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthouse::clock::Clock;
use posthouse::store::{Location, Store};

use crate::support::dialog::{Dialog, Piece, Step, matches, unescape};
use crate::support::dialog_house::House;
use crate::support::dialog_talk::Talk;

fn dialogs() -> Vec<Dialog> {
    let dialogs = Dialog::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"));
    assert!(dialogs.len() > 30, "only {} dialogues were found", dialogs.len());
    let wanted = std::env::var("DIALOG").unwrap_or_default();
    dialogs.into_iter().filter(|dialog| dialog.name.contains(&wanted)).collect()
}

async fn open(location: &Location) -> Store {
    Store::open(location, Clock::System).await.expect("the book opens")
}

#[tokio::test]
async fn the_session_holds_every_dialog_by_segments() {
    without_io(usize::MAX).await;
}

#[tokio::test]
async fn the_session_holds_every_dialog_by_octets() {
    without_io(1).await;
}

async fn without_io(piece: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&Location::Sqlite(folder.path().join("book.db"))).await;
    let mut failures = Vec::new();
    for dialog in dialogs() {
        if piece == 1 && dialog.scene.only.as_deref() == Some("segment") {
            continue;
        }
        let house = House::furnish(&store, &dialog.scene).await;
        let talk = Talk::with_session(&house, piece).await;
        failures.extend(hold(&dialog, &house, talk).await.err());
    }
    store.close().await;
    assert!(failures.is_empty(), "{} dialogues failed:\n{}", failures.len(), failures.join("\n"));
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
            "revoke" => {
                house.revoke(rest).await;
                Ok(())
            }
            _ if talk.tell(word).await => Ok(()),
            _ => Err("this needs `@ only bytes`".into()),
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
