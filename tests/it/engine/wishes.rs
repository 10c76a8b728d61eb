//! Who unsubscribes while a broadcast message waits is not sent it; all else goes.

use std::sync::Arc;

use posthouse::model::event::EventKind;
use posthouse::model::stream::Stream;

use super::*;
use crate::support::stores::on_every_engine;

/// Nobody is at work yet when it is accepted.
async fn waiting(store: &Store, team: Id, number: usize, stream: Stream, insists: bool) -> Id {
    let mut acceptance = numbered(team, number, &["Done@example.com", "you@example.com"]);
    let message = Arc::make_mut(&mut acceptance.message);
    message.stream = stream;
    message.ignore_unsubscribe = insists;
    accept(store, acceptance).await
}

#[test]
fn a_wish_told_while_mail_waits_is_heeded() {
    on_every_engine(|book| async move {
        let (store, sink) = (&book.store, Sink::willing().await);
        let team = team(store).await;
        let heeded = waiting(store, team, 1, Stream::Broadcast, false).await;
        let insisted = waiting(store, team, 2, Stream::Broadcast, true).await;
        let transactional = waiting(store, team, 3, Stream::Transactional, false).await;
        let lone = {
            let mut acceptance = numbered(team, 4, &["done@example.com"]);
            Arc::make_mut(&mut acceptance.message).stream = Stream::Broadcast;
            accept(store, acceptance).await
        };
        assert_eq!(store.unsubscribe(&nouns::unsubscribe(team, "done@example.com")).await, Ok(true));
        let engine = Running::start(store, &config(&sink), &book.clock);
        use RecipientState::{Rejected, Sent};
        for (id, ended) in
            [(heeded, &[Rejected, Sent][..]), (insisted, &[Sent, Sent]), (transactional, &[Sent, Sent]), (lone, &[Rejected])]
        {
            until("its end", || async { states(store, id).await == ended }).await;
        }
        engine.stop().await;
        let to_done = sink.received().iter().filter(|mail| mail.rcpt.iter().any(|path| path.contains("one@example.com"))).count();
        assert_eq!(to_done, 2, "by ignore_unsubscribe, and on the other stream");
        let recipient = recipients(store, heeded).await.remove(0);
        assert_eq!((recipient.attempts, recipient.last_reply.as_str()), (0, "unsubscribed"));
        let events = store.events(lone).await.expect("read");
        assert_eq!((events.len(), events[0].kind, &events[0].detail["reason"]), (1, EventKind::Rejected, &"unsubscribed".into()));
    });
}
