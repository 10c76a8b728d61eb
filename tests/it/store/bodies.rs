//! Bodies of every size come back octet for octet; large ones lie in pieces.

use std::sync::Arc;

use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::message::Body;
use posthouse::store::accept::{Acceptance, Accepted};
use posthouse::store::claim::Lane;

use super::keyed;
use crate::support::nouns::acceptance;
use crate::support::stores::{Book, on_every_engine};

const PIECE: usize = 1 << 20;

/// A message of so many octets, no stretch of which is like another.
fn of_size(team: Id, octets: usize) -> Acceptance {
    let mut offered = acceptance(team, &["a@example.test"]);
    let bytes: Vec<u8> = (0..octets as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    Arc::make_mut(&mut offered.message).size = octets as u64;
    offered.body = Body::free(bytes);
    offered
}

async fn accept_all(book: &Book, offered: &[Acceptance]) {
    let tasks: Vec<_> = offered
        .iter()
        .cloned()
        .map(|offered| {
            let store = book.store.clone();
            tokio::spawn(async move { store.accept(offered).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(Accepted::New));
    }
}

#[test]
fn bodies_of_every_size_come_back_as_they_were() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let sizes = [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7];
        let offered: Vec<_> = sizes.iter().map(|octets| of_size(team, *octets)).collect();
        accept_all(&book, &offered).await;
        let claims = book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
        assert_eq!(claims.len(), offered.len());
        for offered in &offered {
            let (id, octets) = (offered.message.id, offered.body.len());
            let read = book.store.body(Some(team), id).await.unwrap().expect("a body");
            assert!(read == *offered.body.bytes(), "{octets} octets, read");
            let claim = claims.iter().find(|claim| claim.message.id == id).expect("a claim");
            assert!(claim.body.bytes() == offered.body.bytes(), "{octets} octets, claimed");
        }
    });
}

#[test]
fn a_large_repeat_is_known_and_writes_nothing() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let first = keyed(of_size(team, 2 * PIECE + 1), 1, 1, false);
        let again = keyed(of_size(team, 2 * PIECE + 1), 1, 1, false);
        accept_all(&book, std::slice::from_ref(&first)).await;
        let id = first.message.id;
        assert!(matches!(book.store.accept(again.clone()).await, Ok(Accepted::Replay { id: of, .. }) if of == id));
        assert_eq!(book.store.body(None, again.message.id).await, Ok(None));
        assert_eq!(book.store.body(None, id).await.unwrap().as_ref(), Some(first.body.bytes()));
    });
}

#[test]
fn a_body_that_lacks_a_piece_is_missing() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("test").await.unwrap();
        let offered = of_size(team, 3 * PIECE);
        accept_all(&book, std::slice::from_ref(&offered)).await;
        book.tamper("DELETE FROM message_body_pieces WHERE idx = 0").await;
        assert_eq!(book.store.body(None, offered.message.id).await, Ok(None));
        assert!(book.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap().is_empty());
        let events = book.store.events(offered.message.id).await.unwrap();
        assert_eq!(events.iter().map(|e| e.kind).collect::<Vec<_>>(), [EventKind::Failed]);
    });
}

#[test]
fn the_pieces_go_with_their_body() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let offered = of_size(team, 2 * PIECE);
        accept_all(&book, std::slice::from_ref(&offered)).await;
        book.tamper("DELETE FROM message_bodies").await;
        // What is left of them would be in the way of the body that is put back.
        book.tamper("INSERT INTO message_bodies (message_id, mime, pieces) SELECT id, '', 1 FROM outbound_messages").await;
        assert_eq!(book.store.body(None, offered.message.id).await, Ok(None));
    });
}
