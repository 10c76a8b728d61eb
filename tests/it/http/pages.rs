//! What the pages show, and what hostile mail can't make of them.

use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::{Config, Route};
use posthouse::id::Ids;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::{Outcome, Reply};
use posthouse::model::webhook::{WebhookKind, WebhookSettings};
use posthouse::retention::Retention;
use posthouse::store::claim::Lane;
use posthouse::store::operate::QueueAction;
use posthouse::store::settle::{Settled, Settlement};
use posthouse::store::webhooks::outbox::WebhookEvent;

use super::{HERE, House, MAIL, recipient};
use crate::support::nouns::{acceptance, last_attempt};

/// Ways to turn text into script, a load or a form.
const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><img src=x onerror=alert(1)>",
    "</title><svg/onload=alert(1)>",
    "</bdi></pre><svg><a><set attributeName=href to=javascript:alert(1)>",
    "<math><annotation-xml encoding=text/html><b>x",
    "<base href=//canary.example>",
    "<meta http-equiv=refresh content=0;url=//canary.example>",
    "<form action=//canary.example><button>x",
    "<style>@import url(//canary.example)</style>",
];

/// The elements our own templates use.
const OURS: &str = "!doctype html head meta title link body header strong a main nav section h1 h2 p pre code table thead tbody tr th \
                    td bdi time span dl dt dd iframe details summary";

/// Every element of the page is one of ours; no attribute runs anything.
fn assert_tame(page: &str, what: &str) {
    for tag in page.split('<').skip(1) {
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric() && c != '!').next().unwrap_or_default();
        assert!(OURS.split_whitespace().any(|ours| ours == name), "{what}: <{tag}");
        let inside = tag.split('>').next().unwrap_or_default();
        assert!(!inside.contains("onerror=") && !inside.contains("canary"), "{what}: <{inside}");
    }
}

/// A mail whose every shown part is hostile.
fn hostile_mail(payload: &str) -> String {
    format!(
        "From: x@example.com\r\nTo: y@example.org\r\nSubject: {payload}\r\nX-<img/src=x/onerror=alert(1)>: {payload}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
         --c\r\nContent-Type: text/plain\r\n\r\n{payload}\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>{payload}</p>\r\n--c--\r\n\
         --b\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename*=UTF-8''{name}\r\n\r\ncontent\r\n--b--\r\n",
        name = payload.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>(),
    )
}

#[tokio::test]
async fn an_empty_house_shows_how_to_send_a_first_mail() {
    let house = House::open(Route::Capture).await;
    let page = house.get(HERE, "/", &[]).await.text();
    assert!(page.contains("swaks --server 127.0.0.1:2525 --auth PLAIN --auth-user apikey"), "{page}");
    assert_tame(&page, "empty");
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let house = House::open(Route::Capture).await;
    for payload in HOSTILE {
        let id = house
            .accept(&hostile_mail(payload), |message, recipients| {
                message.subject = payload.to_owned();
                message.from_header = payload.to_owned();
                message.to_header = payload.to_owned();
                message.message_id = payload.to_owned();
                message.tags = vec![(payload.to_owned(), payload.to_owned())];
                *recipients = vec![recipient(&format!("\"{}\"@example.org", payload.replace('"', "\\\"")))];
            })
            .await;
        for path in ["/".to_owned(), format!("/messages/{id}")] {
            let answer = house.get(HERE, &path, &[]).await;
            assert_eq!(answer.status, 200);
            assert_tame(&answer.text(), payload);
            assert!(!answer.text().contains(payload), "{payload}");
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; style-src 'self'; ") && policy.contains("frame-ancestors 'none'"));
            for (name, value) in
                [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]
            {
                assert_eq!(answer.header(name), value);
            }
        }
    }
}

#[tokio::test]
async fn mails_own_html_comes_in_a_sandbox() {
    let house = House::open(Route::Capture).await;
    let id = house.accept(&hostile_mail(HOSTILE[0]), |_, _| {}).await;
    let page = house.get(HERE, &format!("/messages/{id}"), &[]).await.text();
    assert!(page.contains(&format!("<iframe sandbox src=\"/messages/{id}/html\"")), "{page}");
    let html = house.get(HERE, &format!("/messages/{id}/html"), &[]).await;
    assert!(html.text().contains(HOSTILE[0]));
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    let policy = html.header("content-security-policy");
    for rule in ["default-src 'none'", "img-src data:", "form-action 'none'", "frame-ancestors 'self'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(policy.ends_with("; sandbox"), "nothing is allowed back in: {policy}");
}

#[tokio::test]
async fn source_and_attachments_are_bytes() {
    let house = House::open(Route::Capture).await;
    let mail = hostile_mail(HOSTILE[1]);
    let id = house.accept(&mail, |_, _| {}).await;
    let shown = house.get(HERE, &format!("/messages/{id}/raw"), &[]).await;
    assert_eq!((shown.text(), shown.header("content-type")), (mail.clone(), "text/plain; charset=utf-8"));
    let saved = house.get(HERE, &format!("/messages/{id}/raw?download"), &[]).await;
    assert_eq!((saved.text(), saved.header("content-type")), (mail, "message/rfc822"));
    assert!(saved.header("content-disposition").starts_with(&format!("attachment; filename=\"{id}.eml\"")));
    let attachment = house.get(HERE, &format!("/messages/{id}/attachments/0"), &[]).await;
    assert_eq!((attachment.text().trim_end(), attachment.header("content-type")), ("content", "application/octet-stream"));
    assert!(attachment.header("content-disposition").starts_with("attachment; filename=\""));
    assert_eq!(attachment.header("x-content-type-options"), "nosniff");
    for nothing in ["1", "99999999999999999999", "-1", "..", "x"] {
        assert_eq!(house.get(HERE, &format!("/messages/{id}/attachments/{nothing}"), &[]).await.status, 404, "{nothing}");
    }
}

#[tokio::test]
async fn a_next_hops_words_are_shown_as_evidence_and_as_text() {
    let house = House::open(Route::Capture).await;
    let id = house.accept(MAIL, |_, _| {}).await;
    let epoch = house.store.open_epoch("test").await.unwrap();
    let claims = house.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
    let claim = claims.first().unwrap();
    let reply = Reply::new(550, Some("5.1.1".to_owned()), HOSTILE[0]);
    let outcome = Settled { index: 0, attempt: claim.recipients[0].attempts, outcome: Outcome::Bounced(reply.into()) };
    let settlement =
        Settlement { epoch, team: house.ours, message: id, lone: None, hop: None, outcomes: vec![outcome], notices: vec![] };
    assert_eq!(house.store.settle(settlement).await.unwrap(), 0);
    let page = house.get(HERE, &format!("/messages/{id}"), &[]).await.text();
    assert_tame(&page, "reply");
    assert!(page.contains("550 5.1.1 &#60;script&#62;"), "{page}");
    assert!(page.contains(&format!("<span class=\"state bounced\">{}</span>", EventKind::Bounced.as_str())), "{page}");
    let later = Clock::manual(Clock::System.now().plus(Duration::from_secs(100 * 86_400)));
    Retention::new(house.store.clone(), &Config::defaults().retention, later).without_rest().pass().await.unwrap();
    let page = house.get(HERE, &format!("/messages/{id}"), &[]).await.text();
    assert!(page.contains("What happened is no longer kept") && page.contains("<dt>Bounced</dt>"), "{page}");
}

#[tokio::test]
async fn what_is_no_longer_kept_is_said_plainly() {
    let house = House::open(Route::Capture).await;
    let id = house.accept(MAIL, |_, _| {}).await;
    let page = house.get(HERE, &format!("/messages/{id}"), &[]).await.text();
    assert!(page.contains("It works.") && page.contains("nothing more has happened yet"), "{page}");
    house.store.queue_action(id, QueueAction::Cancel).await.unwrap();
    let later = Clock::manual(Clock::System.now().plus(Duration::from_secs(100 * 86_400)));
    Retention::new(house.store.clone(), &Config::defaults().retention, later).without_rest().pass().await.unwrap();
    let page = house.get(HERE, &format!("/messages/{id}"), &[]).await.text();
    assert!(page.contains("content is no longer kept") && page.contains("What happened is no longer kept"), "{page}");
    let raw = house.get(HERE, &format!("/messages/{id}/raw"), &[]).await;
    assert!(raw.status == 404 && raw.text().contains("no longer kept"), "{raw:?}");
}

#[tokio::test]
async fn of_much_that_happened_a_page_shows_the_first() {
    let house = House::open(Route::Capture).await;
    for (number, more) in [(500, false), (501, true)] {
        let addresses: Vec<String> = (0..number).map(|place| format!("r{place}@b.test")).collect();
        let mut offered = acceptance(house.ours, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
        offered.recipients.iter_mut().for_each(|one| one.rejected = Some("it bounced before".to_owned()));
        let id = offered.message.id;
        house.store.accept(offered).await.unwrap();
        let page = house.get(HERE, &format!("/messages/{id}"), &[]).await.text();
        assert_eq!((page.matches("<span class=\"quiet\">reason</span>").count(), page.contains("And more")), (500, more));
    }
}

#[tokio::test]
async fn an_endpoint_that_was_given_up_is_told_of_until_it_is_switched_on() {
    let house = House::open(Route::Capture).await;
    let settings = WebhookSettings {
        url: "https://hook.example/secret-path?x=1".into(),
        kinds: [WebhookKind::Sent].into_iter().collect(),
        enabled: true,
        description: String::new(),
    };
    let webhook = house.store.create_webhook(house.ours, settings.clone(), 10).await.unwrap().unwrap();
    let notice = async || {
        let page = house.get(HERE, "/", &[]).await.text();
        assert!(!page.contains("secret-path"), "{page}");
        page.contains("https://hook.example</bdi>") && page.contains("it has taken nothing")
    };
    assert!(!notice().await);
    let told = WebhookEvent { id: webhook.id, team: house.ours, kind: WebhookKind::Disabled, body: "{}".to_owned() };
    let ended = last_attempt(&webhook, "it has taken nothing", told, webhook.updated_at);
    house.store.record_attempts(&[ended]).await.unwrap();
    assert!(notice().await);
    let given_up = house.store.webhook(house.ours, webhook.id).await.unwrap().unwrap();
    house.store.update_webhook(&given_up, settings).await.unwrap().unwrap();
    assert!(!notice().await);
}

#[tokio::test]
async fn older_messages_are_a_link_away() {
    let house = House::open(Route::Capture).await;
    let mut sent = Vec::new();
    for number in 0..53 {
        sent.push(house.accept(MAIL, |message, _| message.subject = format!("number {number}.")).await);
    }
    let first = house.get(HERE, "/", &[]).await.text();
    let shown = |page: &str| page.matches("<a href=\"/messages/").count();
    assert_eq!(shown(&first), 50);
    let older = first.split("href=\"/?before=").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let second = house.get(HERE, &format!("/?before={older}"), &[]).await.text();
    assert_eq!(shown(&second), 3);
    assert!(!second.contains("?before="));
    assert!(sent.iter().all(|id| first.contains(&id.to_string()) != second.contains(&id.to_string())), "each once");
}

#[tokio::test]
async fn refreshing_by_itself_is_a_choice() {
    let house = House::open(Route::Capture).await;
    assert!(!house.get(HERE, "/", &[]).await.text().contains("http-equiv"));
    assert!(house.get(HERE, "/?live", &[]).await.text().contains("<meta http-equiv=\"refresh\" content=\"4\">"));
}

#[tokio::test]
async fn what_is_not_there_is_said_plainly() {
    let house = House::open(Route::Capture).await;
    let never = Ids::random(Clock::System).next();
    for path in [format!("/messages/{never}"), "/messages/x".to_owned(), "/?before=x".to_owned(), "/nowhere".to_owned()] {
        let answer = house.get(HERE, &path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_tame(&answer.text(), &path);
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    }
    assert_eq!(house.get(HERE, "/api/nowhere", &[]).await.text(), r#"{"error":"Not found"}"#);
    assert!(house.get(HERE, "/style.css", &[]).await.header("content-type").starts_with("text/css"));
}
