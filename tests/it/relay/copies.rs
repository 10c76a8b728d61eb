//! Large copies, made for a next hop that can't take the stored message: they wait for room, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use posthouse::delivery::copies::Copies;
use posthouse::delivery::fate::Fate;
use posthouse::delivery::route::courier::Courier;
use posthouse::delivery::route::means::Means;
use posthouse::store::handover::Claim;

use crate::support::IN_TIME;
use crate::support::sink::{Act, Script, Sink, Turn};

use super::{carry, carry_by, claim, config, courier_by, means, open_gate, patient};

/// Room for one.
const ROOM: u32 = 1 << 20;

/// 8-bit text that is larger than the room.
fn large() -> Claim {
    let lines = "gr\u{fc}\u{df}e an alle\r\n".repeat(ROOM as usize / 16);
    let fields = "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit";
    claim(format!("{fields}\r\n\r\n{lines}").as_bytes(), &["a@x.example", "b@x.example"])
}

/// A next hop for which such text is re-encoded.
async fn old() -> Sink {
    Sink::start(Script::default().offering(&["PIPELINING"])).await
}

fn courier_within(sink: &Sink, copies: &Copies) -> Courier {
    courier_by(&config(sink), patient(), Means { copies: copies.clone(), ..means() })
}

#[tokio::test]
async fn who_finds_no_room_in_time_waits_unattempted_and_who_needs_none_goes() {
    let (old, able, copies) = (old().await, Sink::willing().await, Copies::new(ROOM, Duration::from_millis(100)));
    let held = copies.room(ROOM as usize, "another").await.expect("room");
    let mut courier_of_old = courier_within(&old, &copies);
    let fates = carry(&mut courier_of_old, &large()).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Hindered(why) if why.starts_with("no room"))), "{fates:?}");
    assert_eq!(old.said("MAIL"), 0);
    let fates = carry(&mut courier_within(&able, &copies), &large()).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Sent(_))), "as it is stored: {fates:?}");
    drop(held);
    let fates = carry(&mut courier_of_old, &large()).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Sent(_))), "{fates:?}");
    assert_eq!(old.connections(), 1, "it was kept");
}

#[tokio::test]
async fn closing_does_not_wait_for_room() {
    let (old, copies, gate) = (old().await, Copies::new(ROOM, IN_TIME * 10), Arc::new(open_gate()));
    let _held = copies.room(ROOM as usize, "another").await.expect("room");
    let (mut courier, claim) = (courier_within(&old, &copies), large());
    let closing = async {
        old.wait("a connection", |sink| sink.said("EHLO") == 1).await;
        gate.drain();
    };
    let (fates, ()) = tokio::join!(carry_by(&mut courier, &claim, &gate), closing);
    assert_eq!(fates, [Fate::Released, Fate::Released]);
    assert_eq!(old.said("MAIL"), 0);
}

#[tokio::test]
async fn a_copy_keeps_its_room_while_another_connection_is_dialled() {
    let stale = |turn: &Turn| match (turn.verb().as_str(), turn.nth) {
        ("MAIL", 1) => Some(Act::Close),
        ("GREETING", 1) => Some(Act::Silence),
        _ => None,
    };
    let sink = Sink::start(Script::on(stale).offering(&["PIPELINING"])).await;
    let copies = Copies::new(ROOM, Duration::from_millis(100));
    let (mut courier, claim, gate) = (courier_within(&sink, &copies), large(), open_gate());
    let fates = carry(&mut courier, &claim).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Sent(_))), "{fates:?}");
    let others = async {
        sink.wait("another connection", |sink| sink.connections() == 2).await;
        copies.room(ROOM as usize, "another").await
    };
    let room = tokio::select! {
        fates = carry_by(&mut courier, &claim, &gate) => panic!("{fates:?}"),
        room = others => room,
    };
    assert!(room.is_err(), "what was copied is held still");
}
