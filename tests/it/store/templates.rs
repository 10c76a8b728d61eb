//! Templates, and how many requests a team may make.

use posthouse::id::Id;
use posthouse::model::key::{KeyRights, Secret};
use posthouse::model::template::TemplateText;
use posthouse::store::keys::NewKey;

use crate::support::stores::on_every_engine;

fn text(name: &str) -> TemplateText {
    TemplateText {
        name: name.into(),
        subject: "Hello {{name}}".into(),
        html: Some("<p>{{name}}</p>".into()),
        text: None,
        variables: vec!["name".into()],
    }
}

#[test]
fn a_team_keeps_its_templates() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let (us, them) = (store.create_team("us").await.unwrap().id, store.create_team("them").await.unwrap().id);
        let made = store.create_template(us, text("welcome")).await.unwrap();
        assert_eq!(store.template(us, made.id).await, Ok(Some(made.clone())));
        assert_eq!(store.template(them, made.id).await, Ok(None));
        let changed = TemplateText { html: None, text: Some("{{name}} {{town}}".into()), ..text("hello") };
        assert_eq!(store.update_template(them, made.id, changed.clone()).await, Ok(None));
        let updated = store.update_template(us, made.id, changed.clone()).await.unwrap().unwrap();
        assert_eq!((updated.text, updated.created_at), (changed, made.created_at));
        let second = store.create_template(us, text("second")).await.unwrap();
        let page =
            async |before| store.templates(us, before, 0, 1).await.unwrap().templates.iter().map(|t| t.id).collect::<Vec<_>>();
        let newest = made.id.max(second.id);
        assert_eq!(page(None).await, [newest]);
        assert_eq!(page(Some(newest)).await, [made.id.min(second.id)]);
        let beyond = store.templates(us, None, 1, 10).await.unwrap().templates;
        assert_eq!(beyond.iter().map(|t| t.id).collect::<Vec<_>>(), [made.id.min(second.id)]);
        assert_eq!((store.count_templates(us).await, store.count_templates(them).await), (Ok(2), Ok(0)));
        assert_eq!(store.delete_template(them, made.id).await, Ok(false));
        assert_eq!(store.delete_template(us, made.id).await, Ok(true));
        assert_eq!(store.template(us, made.id).await, Ok(None));
    });
}

#[test]
fn a_teams_own_rate_is_read_with_its_keys() {
    on_every_engine(|book| async move {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap();
        assert_eq!(team.requests_per_minute, None);
        let secret = Secret::generate();
        let new =
            NewKey { team: team.id, name: "k".into(), secret: secret.clone(), rights: KeyRights::default(), expires_at: None };
        assert_eq!(store.create_key(new).await.unwrap().requests_per_minute, None);
        for rate in [Some(0), Some(600), None] {
            assert_eq!(store.limit_requests(team.id, rate).await, Ok(true));
            let key = store.key_by_hash(secret.hash()).await.unwrap().unwrap();
            assert_eq!(key.requests_per_minute, rate);
            assert_eq!(store.team("t").await.unwrap().unwrap().requests_per_minute, rate);
        }
        assert_eq!(store.limit_requests(Id([9; 16]), None).await, Ok(false));
    });
}
