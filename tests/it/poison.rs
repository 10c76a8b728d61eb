//! A message that kills the process each time it is attempted: it is found and held, and everything else is delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use posthouse::clock::Clock;
use posthouse::model::outcome::RecipientState;
use posthouse::store::operate::QueueAction;
use posthouse::store::{Location, Store};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::IN_TIME;
use crate::support::nouns::acceptance;
use crate::support::program::Program;
use crate::support::server::Server;
use crate::support::sink::{Act, Script, Sink};

/// The process is up, but not known to the sink yet.
const UNKNOWN: i32 = -1;

/// The process to be killed; 0: none.
fn known(prey: &AtomicI32) -> i32 {
    loop {
        match prey.load(Ordering::SeqCst) {
            UNKNOWN => std::thread::yield_now(),
            pid => return pid,
        }
    }
}

/// Waits until the process is gone, killed, or `done` holds.
async fn killed(server: &mut Server, done: impl AsyncFn() -> bool) -> bool {
    let waiting = async {
        loop {
            if server.has_ended() {
                return true;
            }
            if done().await {
                return false;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(IN_TIME, waiting).await.expect("something happens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_the_process_is_held_after_some_deaths_and_others_are_delivered() {
    let (prey, deaths) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicUsize::new(0)));
    let (aimed, counted) = (prey.clone(), deaths.clone());
    let sink = Sink::start(Script::on(move |turn| {
        if !turn.line.contains("poison@") {
            return None;
        }
        let pid = Pid::from_raw(tokio::task::block_in_place(|| known(&aimed)))?;
        counted.fetch_add(1, Ordering::SeqCst);
        kill_process(pid, Signal::KILL).expect("our own child");
        Some(Act::Silence)
    }))
    .await;
    let relay =
        format!("[delivery]\nroute = \"relay\"\n[delivery.relay]\nhost = \"127.0.0.1\"\nport = {}\n", sink.address.port());
    let program = Program::with_file(&relay);
    let file = program.dir.path().join("data/posthouse.db");
    let open = async || Store::open(&Location::Sqlite(file.clone()), Clock::System).await.expect("the book opens");

    let store = open().await;
    let team = store.create_team("t").await.expect("a team").id;
    let poison = acceptance(team, &["poison@example.com"]);
    let bad = poison.message.id;
    store.accept(poison).await.expect("accepted");
    let mut good = Vec::new();
    for _ in 0..10 {
        let offered = acceptance(team, &["you@example.com"]);
        good.push(offered.message.id);
        store.accept(offered).await.expect("accepted");
    }
    let state = async |id| store.message(None, id).await.expect("read").expect("there").recipients[0].state;
    loop {
        prey.store(UNKNOWN, Ordering::SeqCst);
        let mut server = Server::start(&program, &[], &[]);
        prey.store(server.pid(), Ordering::SeqCst);
        if !killed(&mut server, async || state(bad).await == RecipientState::Held).await {
            prey.store(0, Ordering::SeqCst);
            for &id in &good {
                assert!(!killed(&mut server, async || state(id).await == RecipientState::Sent).await);
            }
            break;
        }
        assert!(deaths.load(Ordering::SeqCst) <= 3, "it dies for ever");
    }
    assert_eq!(deaths.load(Ordering::SeqCst), 3, "in flight among others once, then twice alone");
    let shown = program.run(&["queue", "list", "--json"]);
    assert!(shown.answer().contains("\"status\":\"held\"") && shown.answer().contains("queue release"), "{shown:?}");
    // What was in flight when it died may have arrived more than once.
    assert!(sink.received().len() >= good.len());
    let mut server = Server::start(&program, &[], &[]);
    assert_eq!(store.queue_action(bad, QueueAction::Release).await, Ok(1));
    assert!(!killed(&mut server, async || state(bad).await == RecipientState::Sent).await);
    server.close();
    store.close().await;
}
