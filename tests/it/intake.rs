//! From a submission to the book: what is kept, what is said, and what is known as a repeat.

mod allowance;
mod batch;
mod templates;

use std::sync::Arc;

use posthouse::clock::Clock;
use posthouse::config::{Config, Route};
use posthouse::id::{Id, Ids};
use posthouse::intake::Intake;
use posthouse::model::domain::ReturnLabel;
use posthouse::model::envelope::Envelope;
use posthouse::model::key::{ApiKey, KeyRights, Quota, Secret, StreamWord};
use posthouse::model::message::{Body, Source};
use posthouse::model::outcome::RecipientState;
use posthouse::model::refusal::Code;
use posthouse::model::stream::Stream;
use posthouse::model::submission::{Receipt, Submission, Transport};
use posthouse::model::suppression::Suppression;
use posthouse::store::Store;
use posthouse::store::keys::NewKey;
use posthouse::store::read::{Filter, Listed};

use crate::support::IN_TIME;
use crate::support::nouns::address;
use crate::support::stores::{Book, on_every_engine};

/// An intake on an empty book, with one key.
struct House {
    store: Store,
    intake: Intake,
    key: Arc<ApiKey>,
}

impl House {
    /// Route relay, no domain asked for, unless `change` says otherwise.
    async fn new(book: &Book, change: impl FnOnce(&mut Config, &mut KeyRights)) -> Self {
        let mut config = Config::defaults();
        config.delivery.route = Route::Relay;
        config.require_verified_domain = posthouse::config::AutoBool::Set(false);
        config.data_dir = std::env::temp_dir();
        config.limits.min_free = posthouse::config::units::ByteSize(1);
        let mut rights = KeyRights { streams: vec![StreamWord(Stream::Transactional)], ..KeyRights::default() };
        change(&mut config, &mut rights);
        let team = match book.store.team("t").await.unwrap() {
            Some(team) => team.id,
            None => book.store.create_team("t").await.unwrap().id,
        };
        let key = NewKey { team, name: "k".into(), secret: Secret::generate(), rights, expires_at: None };
        let key = Arc::new(book.store.create_key(key).await.unwrap());
        let intake = Intake::new(book.store.clone(), &config, book.clock.clone(), Ids::random(Clock::System));
        Self { store: book.store.clone(), intake, key }
    }

    fn submission(&self, to: &[&str], mime: impl Into<Vec<u8>>) -> Submission {
        Submission {
            key: self.key.clone(),
            source: Source::Smtp,
            envelope: Envelope {
                reverse_path: Some(address("bounce@b.test")),
                recipients: to.iter().map(|to| address(to).into()).collect(),
                ..Envelope::default()
            },
            mime: Body::free(mime.into()),
            controls: None,
            login_stream: None,
            transport: Transport { protocol: "ESMTPA", tls: None },
            quirks: Vec::new(),
        }
    }

    async fn offer(&self, to: &[&str], text: &str) -> Result<Receipt, Code> {
        let mime = text.replace('\n', "\r\n");
        self.intake.accept(self.submission(to, mime)).await.map_err(|refusal| refusal.code)
    }

    async fn kept(&self, id: Id) -> (Listed, Vec<u8>) {
        let listed = self.store.message(Some(self.key.team), id).await.unwrap().expect("the message is in the book");
        let body = self.store.body(Some(self.key.team), id).await.unwrap().expect("its bytes too");
        (listed, body.to_vec())
    }

    async fn suppress(&self, address: &str, reason: &str) {
        let suppression = Suppression {
            team: self.key.team,
            address: address.into(),
            reason: reason.into(),
            message: None,
            evidence: None,
            created_at: Clock::System.now(),
        };
        self.store.suppress(&[suppression]).await.unwrap();
    }

    async fn count(&self) -> usize {
        let filter = Filter { team: Some(self.key.team), limit: 1000, ..Filter::default() };
        self.store.messages(&filter).await.unwrap().len()
    }
}

const PLAIN: &str = "From: A <a@b.test>\nTo: r@c.test\nSubject: hello\nMessage-ID: <1@b.test>\n\nbody\n";

/// What stands before the client's own bytes: one Received of three lines at most.
fn after_received(body: &[u8]) -> &[u8] {
    assert!(body.starts_with(b"Received: by localhost with ESMTPA id "), "{}", body.escape_ascii());
    let mut lines = body.split_inclusive(|&byte| byte == b'\n');
    let mut length = lines.next().map_or(0, <[u8]>::len);
    for line in lines.take_while(|line| line.starts_with(b"\t")) {
        length += line.len();
    }
    &body[length..]
}

#[test]
fn every_byte_stays_but_our_own_fields() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let corpus: [&[u8]; 4] = [
            include_bytes!("../corpus/signed.eml"),
            include_bytes!("../corpus/calendar.eml"),
            include_bytes!("../corpus/flowed.eml"),
            include_bytes!("../corpus/eight-bit.eml"),
        ];
        for mail in corpus {
            let receipt = house.intake.accept(house.submission(&["r@c.test"], mail)).await.unwrap();
            let (listed, body) = house.kept(receipt.id).await;
            assert_eq!(after_received(&body), mail);
            assert_eq!((listed.message.size, listed.message.eight_bit), (body.len() as u64, !mail.is_ascii()));
            assert!(String::from_utf8_lossy(&body).contains(&receipt.id.crockford()));
        }
    });
}

#[test]
fn controls_go_and_what_is_missing_comes() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let text = "X-Krafter-Stream: transactional\nX-Krafter-Tag: kind=welcome\nX-Krafter-Track : no\n\
                    X-Krafter-Send-At: 2099-01-01T00:00:00Z\nFrom: =?utf-8?Q?Zo=C3=AB?= <Z@B.test>\nBcc: hidden@c.test\n\
                    Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe=00?=\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe=00?=\nDate:\n\nbody\n";
        let receipt = house.offer(&["r@c.test"], text).await.unwrap();
        let (listed, body) = house.kept(receipt.id).await;
        let message = &listed.message;
        assert_eq!(message.tags, [("kind".to_owned(), "welcome".to_owned())]);
        assert_eq!((message.tracking.opens, message.tracking.clicks), (Some(false), Some(false)));
        assert_eq!((message.from.as_str(), message.from_header.as_str()), ("z@b.test", "Zo\u{eb} <Z@B.test>"));
        assert_eq!(message.subject, "Gr\u{fc}\u{df}e");
        assert!(message.send_at.is_some_and(|at| at > message.created_at));
        let text = String::from_utf8_lossy(after_received(&body)).into_owned();
        let (ours, theirs) = text.split_once("From:").expect("the client's fields follow ours");
        assert!(ours.starts_with("Date: ") && ours.contains(&format!("\r\nMessage-ID: {}\r\n", message.message_id)), "{ours}");
        assert!(message.message_id.ends_with("@b.test>"), "{}", message.message_id);
        assert_eq!(theirs, " =?utf-8?Q?Zo=C3=AB?= <Z@B.test>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe=00?=\r\n\r\nbody\r\n");
    });
}

#[test]
fn suppressed_recipients_are_named_or_the_message_refused() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        house.suppress("gone@c.test", "bounce").await;
        let receipt = house.offer(&["r@c.test", "Gone@C.test"], PLAIN).await.unwrap();
        assert_eq!((receipt.left_out.suppressed, receipt.recipients), (vec!["Gone@C.test".to_owned()], 2));
        let (listed, _) = house.kept(receipt.id).await;
        let states: Vec<RecipientState> = listed.recipients.iter().map(|recipient| recipient.state).collect();
        assert_eq!(states, [RecipientState::Queued, RecipientState::Rejected]);
        assert_eq!(house.offer(&["gone@c.test"], PLAIN).await, Err(Code::RecipientSuppressed));
        assert_eq!(house.count().await, 1);
    });
}

#[test]
fn a_clients_own_way_out_leaves_broadcast_unless_the_key_keeps_it() {
    const POST: &str = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n";
    on_every_engine(|book| async move {
        let whole = format!("list-UNSUBSCRIBE: <https://b.test/u>,\n <mailto:u@b.test>\n{POST}");
        let whole = whole.as_str();
        for (fields, stream, own, has_links, stays) in [
            (whole, Stream::Broadcast, false, true, false),
            (whole, Stream::Broadcast, true, true, true),
            (POST, Stream::Broadcast, true, true, false),
            (&format!("List-Unsubscribe: \n{POST}"), Stream::Broadcast, true, true, false),
            (whole, Stream::Broadcast, false, false, true),
            (whole, Stream::Transactional, false, true, true),
        ] {
            let rights = |config: &mut Config, rights: &mut KeyRights| {
                if has_links {
                    config.public_url = "https://mail.example".to_owned();
                }
                rights.streams = vec![StreamWord(stream)];
                rights.own_unsubscribe = own;
            };
            let house = House::new(&book, rights).await;
            let text = PLAIN.replace("Subject:", &format!("{fields}Subject:"));
            let id = house.offer(&["r@c.test"], &text).await.unwrap().id;
            let (_, body) = house.kept(id).await;
            let expected = if stays { text } else { PLAIN.to_owned() }.replace('\n', "\r\n");
            let kept = String::from_utf8_lossy(&body);
            assert!(kept.ends_with(&format!("\r\n{expected}")), "{fields} {stream} {own} {has_links}: {kept}");
        }
    });
}

#[test]
fn a_refusal_is_on_record_for_the_owner_of_the_key() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        assert_eq!(house.offer(&["r@c.test"], &format!("X-Krafter-Foo: 1\n{PLAIN}")).await, Err(Code::ForbiddenHeader));
        // Its write shares the next commit.
        house.offer(&["r@c.test"], PLAIN).await.unwrap();
        let deadline = tokio::time::Instant::now() + IN_TIME;
        let on_record = loop {
            let found = house.store.refusals(house.key.team, 10).await.unwrap();
            if !found.is_empty() || tokio::time::Instant::now() > deadline {
                break found;
            }
            tokio::task::yield_now().await;
        };
        let [refusal] = &on_record[..] else { panic!("{on_record:?}") };
        assert_eq!((refusal.code.as_str(), refusal.subject.as_str()), ("forbidden_header", "hello"));
        assert_eq!((refusal.reverse_path.as_str(), &refusal.recipients[..]), ("bounce@b.test", &["r@c.test".to_owned()][..]));
        assert!(refusal.text.contains("X-Krafter-Foo"), "{}", refusal.text);
    });
}

#[test]
fn from_must_be_in_a_domain_of_the_team() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |config, _| config.require_verified_domain = posthouse::config::AutoBool::Auto).await;
        assert_eq!(house.offer(&["r@c.test"], PLAIN).await, Err(Code::DomainNotVerified));
        house.store.add_domain(house.key.team, "b.test", &ReturnLabel::default()).await.unwrap();
        assert_eq!(house.offer(&["r@c.test"], PLAIN).await, Err(Code::DomainNotVerified));
        house.store.trust_domain(house.key.team, "b.test").await.unwrap();
        assert!(house.offer(&["r@c.test"], PLAIN).await.is_ok());
        assert!(house.offer(&["r@c.test"], &PLAIN.replace("a@b.test", "a@sub.B.test")).await.is_ok());
        assert_eq!(house.offer(&["r@c.test"], &PLAIN.replace("a@b.test", "a@notb.test")).await, Err(Code::DomainNotVerified));
        let sandbox = House::new(&book, |_, rights| rights.sandbox = Some(vec!["r@c.test".into()])).await;
        let receipt = sandbox.offer(&["r@c.test"], &PLAIN.replace("a@b.test", "a@any.test")).await.unwrap();
        assert!(sandbox.kept(receipt.id).await.0.message.sandbox);
    });
}

fn keyed(subject: &str, noise: &str) -> String {
    format!(
        "From: a@b.test\nSubject: {subject}\nDate: {noise}\nMessage-ID: <{noise}@b.test>\nX-Krafter-Idempotency-Key: k-1\n\nbody\n"
    )
}

#[test]
fn an_explicit_key_knows_a_mail_built_again() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |config, _| config.delivery.route = Route::Capture).await;
        let first = house.offer(&["r@c.test", "s@c.test"], &keyed("hello", "1")).await.unwrap();
        let again = house.offer(&["S@c.test", "r@c.test"], &keyed("=?utf-8?Q?hello?=", "2")).await.unwrap();
        assert_eq!(again.id, first.id);
        assert!(again.replay_of.is_some_and(|replay| !replay.automatic));
        assert_eq!(house.offer(&["r@c.test", "s@c.test"], &keyed("other", "3")).await, Err(Code::IdempotencyKeyReused));
        assert_eq!(house.offer(&["r@c.test"], &keyed("hello", "4")).await, Err(Code::IdempotencyKeyReused));
        let sandbox = House::new(&book, |_, rights| rights.sandbox = Some(Vec::new())).await;
        assert!(sandbox.offer(&["r@c.test"], &keyed("hello", "1")).await.unwrap().replay_of.is_none());
        assert_eq!(house.count().await, 2);
    });
}

#[test]
fn an_explicit_key_knows_what_else_was_asked_for() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, rights| rights.may_ignore_unsubscribe = true).await;
        let asking = |field: &str| format!("{field}\n{}", keyed("hello", "1"));
        let first = house.offer(&["r@c.test"], &asking("X-Krafter-Track-Opens: yes")).await.unwrap();
        let again = house.offer(&["r@c.test"], &asking("X-Krafter-Track-Opens: YES")).await.unwrap();
        assert_eq!(again.id, first.id);
        for other in ["X-Krafter-Track-Opens: no", "X-Krafter-Track-Clicks: yes", "X-Krafter-Track: yes", "X-Other: 1"] {
            assert_eq!(house.offer(&["r@c.test"], &asking(other)).await, Err(Code::IdempotencyKeyReused), "{other}");
        }
        let insistent = asking("X-Krafter-Track-Opens: yes\nX-Krafter-Ignore-Unsubscribe: yes");
        assert_eq!(house.offer(&["r@c.test"], &insistent).await, Err(Code::IdempotencyKeyReused));
    });
}

#[test]
fn the_same_bytes_are_the_same_message() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let first = house.offer(&["r@c.test"], PLAIN).await.unwrap();
        let again = house.offer(&["R@c.test"], PLAIN).await.unwrap();
        assert_eq!(again.id, first.id);
        assert!(again.replay_of.is_some_and(|replay| replay.automatic));
        let others = [
            house.offer(&["s@c.test"], PLAIN).await,
            house.offer(&["r@c.test"], &PLAIN.replace("body", "Body")).await,
            house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<2@")).await,
        ];
        assert!(others.iter().all(|other| other.as_ref().is_ok_and(|receipt| receipt.replay_of.is_none())), "{others:?}");
        let unnamed = PLAIN.replace("Message-ID: <1@b.test>\n", "");
        for _ in 0..2 {
            assert!(house.offer(&["r@c.test"], &unnamed).await.unwrap().replay_of.is_none());
        }
        for change in
            [(|c, _| c.delivery.route = Route::Capture) as fn(&mut Config, &mut KeyRights), |_, r| r.auto_idempotency = false]
        {
            let house = House::new(&book, change).await;
            for _ in 0..2 {
                assert!(house.offer(&["r@c.test"], PLAIN).await.unwrap().replay_of.is_none());
            }
        }
    });
}

#[test]
fn a_repeat_hears_the_first_id_whatever_came_in_between() {
    on_every_engine(|book| async move {
        let one_a_day = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 1 });
        let house = House::new(&book, one_a_day).await;
        let first = house.offer(&["r@c.test"], PLAIN).await.unwrap();
        assert_eq!(house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<2@")).await, Err(Code::QuotaExceeded));
        assert_eq!(house.offer(&["r@c.test"], PLAIN).await.unwrap().id, first.id, "by its bytes, over the quota");

        let house = House::new(&book, |_, _| ()).await;
        let first = house.offer(&["gone@c.test"], &keyed("hello", "1")).await.unwrap();
        house.suppress("gone@c.test", "complaint").await;
        let again = house.offer(&["gone@c.test"], &keyed("hello", "2")).await.unwrap();
        assert_eq!(again.id, first.id, "by its key, though suppressed since");
        assert!(again.replay_of.is_some_and(|replay| !replay.automatic));
        assert_eq!(house.offer(&["gone@c.test"], &keyed("other", "3")).await, Err(Code::RecipientSuppressed));
        assert_eq!(house.offer(&["gone@c.test"], PLAIN).await, Err(Code::RecipientSuppressed));

        let asked = |config: &mut Config, _: &mut KeyRights| {
            config.require_verified_domain = posthouse::config::AutoBool::Set(true);
        };
        let stranger = House::new(&book, asked).await;
        assert_eq!(stranger.offer(&["gone@c.test"], &keyed("hello", "4")).await.unwrap().id, first.id);
        assert_eq!(house.count().await, 2);
    });
}

#[test]
fn fifty_at_once_with_one_key_are_one_message() {
    on_every_engine(|book| async move {
        let house = Arc::new(House::new(&book, |_, _| ()).await);
        let mut tasks = tokio::task::JoinSet::new();
        for noise in 0..50 {
            let house = house.clone();
            tasks.spawn(async move { house.offer(&["r@c.test"], &keyed("hello", &noise.to_string())).await.unwrap() });
        }
        let receipts = tasks.join_all().await;
        assert_eq!(receipts.iter().filter(|receipt| receipt.replay_of.is_none()).count(), 1);
        assert!(receipts.iter().all(|receipt| receipt.id == receipts[0].id));
        assert_eq!(house.count().await, 1);
    });
}

#[test]
fn a_quota_is_counted_from_what_the_book_holds() {
    on_every_engine(|book| async move {
        let quota = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 3 });
        let house = House::new(&book, quota).await;
        house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<a@")).await.unwrap();
        house.offer(&["r@c.test"], &PLAIN.replace("<1@", "<b@")).await.unwrap();
        let key = &house.key;
        let fresh = {
            let mut config = Config::defaults();
            config.data_dir = std::env::temp_dir();
            Intake::new(book.again().await, &config, book.clock.clone(), Ids::random(Clock::System))
        };
        assert_eq!(fresh.may_begin(key, None, false).await, Ok(()));
        let mail = |id: &str| house.submission(&["r@c.test"], PLAIN.replace("<1@", id).replace('\n', "\r\n"));
        assert!(fresh.accept(mail("<c@")).await.is_ok());
        let refused = fresh.accept(mail("<d@")).await.unwrap_err();
        assert_eq!(refused.code, Code::QuotaExceeded);
        assert!(refused.retry_after.is_some());
        assert_eq!(fresh.may_begin(key, None, false).await.map_err(|refusal| refusal.code), Err(Code::QuotaExceeded));
    });
}

#[test]
fn a_rate_is_exact_however_many_come_at_once() {
    on_every_engine(|book| async move {
        // No minute turns while they come.
        let book = Book { clock: Clock::manual(book.clock.now()), ..book };
        let house = Arc::new(House::new(&book, |config, _| config.limits.messages_per_minute = 5).await);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..30 {
            let house = house.clone();
            tasks.spawn(async move { house.offer(&["r@c.test"], &PLAIN.replace("<1@", &format!("<{n}@"))).await });
        }
        let verdicts = tasks.join_all().await;
        assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 5);
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Ok(_) | Err(Code::RateLimited))));
    });
}

#[test]
fn what_can_be_said_early_is_said_early() {
    on_every_engine(|book| async move {
        let strict = |_: &mut Config, rights: &mut KeyRights| {
            rights.strict = true;
            rights.null_sender = false;
            rights.sandbox = Some(vec!["r@c.test".into(), "gone@c.test".into()]);
        };
        let house = House::new(&book, strict).await;
        for (size, null_sender, code) in [
            (Some(100), false, None),
            (Some(u64::MAX), false, Some(Code::MessageTooLarge)),
            (None, true, Some(Code::InsufficientScope)),
        ] {
            let verdict = house.intake.may_begin(&house.key, size, null_sender).await;
            assert_eq!(verdict.err().map(|refusal| refusal.code), code);
        }
        house.suppress("gone@c.test", "complaint").await;
        for (to, code) in [
            ("r@c.test", None),
            ("bounced+1@sandbox.test", None),
            ("s@c.test", Some(Code::RecipientNotAllowed)),
            ("gone@c.test", Some(Code::RecipientSuppressed)),
        ] {
            let verdict = house.intake.may_address(&house.key, &address(to)).await;
            assert_eq!(verdict.err().map(|refusal| refusal.code), code, "{to}");
        }
        let lenient = House::new(&book, |_, _| ()).await;
        assert_eq!(lenient.intake.may_address(&lenient.key, &address("gone@c.test")).await, Ok(()));
    });
}

#[test]
fn a_full_disk_refuses_for_now() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |config, _| config.limits.min_free = posthouse::config::units::ByteSize(u64::MAX)).await;
        assert_eq!(house.offer(&["r@c.test"], PLAIN).await, Err(Code::DiskFull));
        let early = house.intake.may_begin(&house.key, Some(10), false).await;
        assert_eq!(early.map_err(|refusal| refusal.code), Err(Code::DiskFull));
        assert_eq!(house.count().await, 0);
    });
}
