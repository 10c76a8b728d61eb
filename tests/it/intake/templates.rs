//! Templates, and submissions whose controls were given apart from the message.

use posthouse::mime::compose::Draft;
use posthouse::mime::parts::Reach;
use posthouse::mime::view::View;
use posthouse::model::controls::Controls;
use posthouse::model::template::{StoredTemplate, TemplateText};
use serde_json::json;

use super::*;

impl House {
    async fn template(&self) -> StoredTemplate {
        let text = TemplateText {
            name: "welcome".into(),
            subject: "Gr\u{fc}\u{df} dich, {{name}}".into(),
            html: Some("<p>{{name}}</p>".into()),
            text: Some("{{name}} {{missing}}".into()),
            variables: vec!["name".into(), "missing".into()],
        };
        self.store.create_template(self.key.team, text).await.unwrap()
    }

    /// As a door hands in what did not come as a message.
    fn composed(&self, to: &[&str], controls: Controls) -> Submission {
        let draft = Draft {
            from: address("bounce@b.test").into(),
            to: to.iter().map(|to| address(to).into()).collect(),
            cc: Vec::new(),
            reply_to: Vec::new(),
            subject: "what was here".into(),
            text: Some("what was here".into()),
            html: None,
            attachments: Vec::new(),
            headers: Vec::new(),
        };
        Submission {
            source: Source::Rest,
            controls: Some(controls),
            transport: Transport { protocol: "HTTP", tls: None },
            ..self.submission(to, draft.compose().unwrap())
        }
    }
}

fn filled(template: &str, name: &str) -> Controls {
    let mut controls = Controls { template: Some(template.into()), ..Controls::default() };
    controls.variables = json!({ "name": name }).as_object().cloned();
    controls
}

#[test]
fn a_template_replaces_what_was_said() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let template = house.template().await;
        let submission = house.composed(&["r@c.test"], filled(&template.id.uuid(), "<Ada>"));
        let receipt = house.intake.accept(submission).await.unwrap();
        let (listed, body) = house.kept(receipt.id).await;
        let message = &listed.message;
        assert_eq!(receipt.record.as_deref(), Some(message));
        assert_eq!((message.template, message.source), (Some(template.id), Source::Rest));
        assert_eq!((message.variables.as_deref(), message.size), (Some("{\"name\":\"<Ada>\"}"), body.len() as u64));
        let view = View::of(&body, Reach { depth: 100, parts: 10_000 });
        assert_eq!(
            (message.subject.as_str(), view.header("subject")),
            ("Gr\u{fc}\u{df} dich, <Ada>", "Gr\u{fc}\u{df} dich, <Ada>")
        );
        assert_eq!(view.html.as_deref(), Some("<p>&lt;Ada&gt;</p>"));
        assert_eq!(view.text.as_deref().map(str::trim_end), Some("<Ada>"));
        assert!(body.starts_with(b"Received: by localhost with HTTP id "), "{}", body.escape_ascii());
        assert!(!view.header("message-id").is_empty() && !view.header("date").is_empty());
        let unread = Controls { template: None, ..filled("", "Ada") };
        let receipt = house.intake.accept(house.composed(&["r@c.test"], unread)).await.unwrap();
        assert_eq!(house.kept(receipt.id).await.0.message.variables, None, "nothing reads them");
    });
}

#[test]
fn a_key_knows_a_template_and_its_variables_at_every_door() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let template = house.template().await;
        let keyed = |id: String, name: &str, key: &str| {
            let mut controls = filled(&id, name);
            controls.idempotency_key(key).unwrap();
            house.composed(&["r@c.test"], controls)
        };
        let first = house.intake.accept(keyed(template.id.uuid(), "Ada", "k")).await.unwrap();
        let by_smtp = format!(
            "X-Krafter-Template: {}\nX-Krafter-Variables: {{ \"name\" : \"Ada\" }}\nX-Krafter-Idempotency-Key: k\n\
             From: bounce@b.test\nTo: r@c.test\nSubject: what was here\nMessage-ID: <1@b.test>\n\nwhat was here\n",
            template.id
        );
        assert_eq!(house.offer(&["r@c.test"], &by_smtp).await.map(|receipt| receipt.id), Ok(first.id));
        let other = house.intake.accept(keyed(template.id.uuid(), "Bob", "k")).await;
        assert_eq!(other.map_err(|refusal| refusal.code).err(), Some(Code::IdempotencyKeyReused));
        house.store.delete_template(house.key.team, template.id).await.unwrap();
        let again = house.intake.accept(keyed(template.id.uuid(), "Ada", "k")).await.unwrap();
        assert!(again.id == first.id && again.replay_of.is_some(), "the template is gone, the message is not");
        let anew = house.intake.accept(keyed(template.id.uuid(), "Ada", "l")).await;
        assert_eq!(anew.map_err(|refusal| refusal.code).err(), Some(Code::TemplateNotFound));
        assert_eq!(house.count().await, 1);
    });
}

#[test]
fn a_template_is_its_teams_alone() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let team = house.store.create_team("other").await.unwrap().id;
        let theirs =
            house.store.create_template(team, TemplateText { subject: "s".into(), ..TemplateText::default() }).await.unwrap();
        for id in [theirs.id.uuid(), "0192f0c1-0000-7000-8000-000000000000".to_owned(), "welcome".to_owned()] {
            let refused = house.intake.accept(house.composed(&["r@c.test"], filled(&id, "Ada"))).await.unwrap_err();
            assert_eq!(refused.code, Code::TemplateNotFound);
        }
        assert_eq!(house.count().await, 0);
    });
}

#[test]
fn what_a_template_makes_of_little_counts_against_the_memory_of_all() {
    on_every_engine(|book| async move {
        let house = House::new(&book, |_, _| ()).await;
        let text = TemplateText { subject: "s".into(), text: Some("{{name}}".repeat(100)), ..TemplateText::default() };
        let template = house.store.create_template(house.key.team, text).await.unwrap();
        let budget = Arc::new(tokio::sync::Semaphore::new(50_000));
        let hand_in = async |name: &str| {
            let mut submission = house.composed(&["r@c.test"], filled(&template.id.uuid(), name));
            let held = budget.clone().try_acquire_many_owned(5_000).unwrap();
            submission.mime = Body::held(submission.mime.bytes().clone(), Arc::new(held));
            house.intake.accept(submission).await.map(|_| ()).map_err(|refusal| refusal.code)
        };
        assert_eq!(hand_in(&"x".repeat(1000)).await, Err(Code::QueueFull));
        assert_eq!(hand_in(&"x".repeat(100)).await, Ok(()));
        let all = tokio::time::timeout(IN_TIME, budget.acquire_many(50_000)).await;
        assert!(all.is_ok_and(|all| all.is_ok()), "all of it is given back");
    });
}

#[test]
fn what_was_composed_is_judged_like_any_mail() {
    on_every_engine(|book| async move {
        let asked = |config: &mut Config, _: &mut KeyRights| {
            config.require_verified_domain = posthouse::config::AutoBool::Set(true);
        };
        let sandbox = |_: &mut Config, rights: &mut KeyRights| rights.sandbox = Some(vec!["r@c.test".into()]);
        let one_a_day = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 0 });
        let cases = [
            (House::new(&book, asked).await, &["r@c.test"][..], Code::DomainNotVerified),
            (House::new(&book, sandbox).await, &["r@c.test", "s@c.test"], Code::SandboxExtraRecipients),
            (House::new(&book, sandbox).await, &["s@c.test"], Code::RecipientNotAllowed),
            (House::new(&book, one_a_day).await, &["r@c.test"], Code::QuotaExceeded),
        ];
        for (house, to, code) in cases {
            let refused = house.intake.accept(house.composed(to, Controls::default())).await.unwrap_err();
            assert_eq!(refused.code, code);
        }
        let house = House::new(&book, sandbox).await;
        let receipt = house.intake.accept(house.composed(&["r@c.test"], Controls::default())).await.unwrap();
        assert!(receipt.record.is_some_and(|record| record.sandbox));
    });
}
