//! `/api/v1/domains`: what a team sends from, proven by what a name server says.

use axum::http::Method;
use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::id::Ids;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api, scoped};
use crate::support::dns::{Dns, Records};
use crate::support::stores::{Book, on_every_engine};

/// An API with names for mail and the web, which asks `dns`.
async fn api(book: &Book, dns: &Dns) -> Api {
    let named = |config: &mut Config| {
        config.delivery.dns = dns.config().clone();
        config.delivery.hostname = "mx.gate.test".to_owned();
        config.public_url = "https://gate.test".to_owned();
    };
    Api::with(book, named).await
}

async fn ask(api: &Api, key: &str, method: Method, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    api.ask(method, path, &headers, body.to_string()).await
}

/// Adds a domain; tells it as it was shown.
async fn added(api: &Api, key: &str, fields: &Value) -> Value {
    let answer = api.post(key, "/api/v1/domains", fields).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let domain = answer.json()["data"].clone();
    assert_eq!(answer.header("location"), format!("/api/v1/domains/{}", domain["id"].as_str().unwrap()));
    domain
}

/// A zone that has every record of these domains, but for those whose names hold `left_out`. Answers are not to be remembered.
fn published(domains: &[&Value], left_out: &str) -> Records {
    let records = domains.iter().flat_map(|domain| domain["dns_records"].as_array().unwrap());
    let records = records.filter(|record| left_out.is_empty() || !record["name"].as_str().unwrap().contains(left_out));
    records.fold(Records::default().living(300), |zone, record| {
        let (name, value) = (record["name"].as_str().unwrap(), record["value"].as_str().unwrap());
        match record["type"].as_str().unwrap() {
            "MX" => zone.mx(name, 10, value),
            "CNAME" => zone.cname(name, value),
            _ => {
                let strings: Vec<&str> = value.as_bytes().chunks(255).map(|part| std::str::from_utf8(part).unwrap()).collect();
                zone.txt(name, &strings)
            }
        }
    })
}

/// What each record's `state` is.
fn states(domain: &Value) -> Vec<&str> {
    domain["dns_records"].as_array().unwrap().iter().map(|record| record["state"].as_str().unwrap_or("null")).collect()
}

#[test]
fn a_new_domain_tells_what_it_is_to_publish() {
    on_every_engine(async |book| {
        let api = api(&book, &Dns::start(Records::default()).await).await;
        let domain = added(&api, &api.key, &json!({"domain": "B\u{fc}cher.Example."})).await;
        let name = "xn--bcher-kva.example";
        assert_eq!(
            (&domain["domain"], &domain["status"], &domain["return_path"]),
            (&json!(name), &json!("pending"), &json!("send"))
        );
        assert!(domain["verified_at"].is_null() && domain["created_at"].is_string() && domain["trusted"] == false, "{domain}");
        let rows: Vec<(String, String, String, bool)> = domain["dns_records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| {
                assert_eq!((&record["ttl"], &record["state"], &record["found"]), (&json!("Auto"), &json!(null), &json!([])));
                assert_eq!(record["priority"].is_number(), record["type"] == "MX");
                let text = |field: &str| record[field].as_str().unwrap().to_owned();
                (text("type"), text("name"), text("category"), record["required"].as_bool().unwrap())
            })
            .collect();
        let named = |kind: &str, label: &str, category: &str, required| {
            (kind.to_owned(), format!("{label}.{name}"), category.to_owned(), required)
        };
        assert_eq!(rows[0], named("TXT", "_posthouse", "verification", true));
        assert!(rows[1].1.ends_with(&format!("._domainkey.{name}")) && rows[1].3 && rows[1].2 == "delivery", "{rows:?}");
        assert!(rows[2].1.ends_with(&format!("._domainkey.{name}")) && !rows[2].3, "{rows:?}");
        let rest = [
            named("MX", "send", "delivery", false),
            named("TXT", "send", "delivery", false),
            named("TXT", "_dmarc", "policy", false),
            named("CNAME", "track", "tracking", false),
        ];
        assert_eq!(rows[3..], rest);
    });
}

#[test]
fn a_domain_is_verified_by_what_it_publishes() {
    on_every_engine(async |book| {
        let dns = Dns::start(Records::default().living(300)).await;
        let api = api(&book, &dns).await;
        let domain = added(&api, &api.key, &json!({"domain": "ours.test"})).await;
        let path = format!("/api/v1/mail/domains/{}/verify", domain["id"].as_str().unwrap());
        let verify = async || api.post(&api.key, &path, &json!({})).await.json()["data"].clone();
        let nothing = verify().await;
        assert_eq!((&nothing["status"], states(&nothing)), (&json!("pending"), vec!["missing"; 7]));
        // What was not there a moment ago is asked for again, whatever its name server said it may be kept for.
        dns.replace(published(&[&domain], "").txt("_dmarc.ours.test", &["v=DMARC1; p=reject"]));
        let seen = verify().await;
        assert_eq!((&seen["status"], states(&seen)[..5].to_vec()), (&json!("verified"), vec!["found"; 5]));
        assert!(seen["verified_at"].is_string(), "{seen}");
        assert_eq!((states(&seen)[5], states(&seen)[6]), ("differs", "unanswered"));
        assert_eq!(seen["dns_records"][5]["found"], json!(["v=DMARC1; p=none", "v=DMARC1; p=reject"]));
        let why = "the CNAME is there, but https://track.ours.test does not lead here: its address is not found: no such domain";
        assert_eq!(seen["dns_records"][6]["found"], json!([why]));
        assert_eq!(book.store.tracking_host(api.ours, "ours.test").await, Ok(None), "readers would find nobody there");
        assert_eq!(book.store.return_path(api.ours, "ours.test").await.unwrap().as_deref(), Some("send.ours.test"));
        let shown =
            api.get(&api.key, &format!("/api/v1/domains/{}", domain["id"].as_str().unwrap())).await.json()["data"].clone();
        assert_eq!((&shown["status"], states(&shown)), (&json!("verified"), vec!["null"; 7]));
    });
}

#[test]
fn one_team_alone_has_a_domain_verified() {
    on_every_engine(async |book| {
        let dns = Dns::start(Records::default()).await;
        let api = api(&book, &dns).await;
        let ours = added(&api, &api.key, &json!({"domain": "both.test"})).await;
        let theirs = added(&api, &api.foreign_key, &json!({"domain": "both.test"})).await;
        let verify = async |key: &str, domain: &Value| {
            dns.replace(published(&[domain], ""));
            api.post(key, &format!("/api/v1/domains/{}/verify", domain["id"].as_str().unwrap()), &json!({})).await
        };
        assert_eq!(verify(&api.key, &ours).await.json()["data"]["status"], "verified");
        let refused = verify(&api.foreign_key, &theirs).await;
        let body = json!({"error": "Another team has this domain verified", "code": "domain_taken"});
        assert_eq!((refused.status.as_u16(), refused.json()), (422, body));
    });
}

#[test]
fn the_return_path_is_where_its_label_says() {
    on_every_engine(async |book| {
        let dns = Dns::start(Records::default()).await;
        let api = api(&book, &dns).await;
        let domain = added(&api, &api.key, &json!({"domain": "ours.test", "return_path": "Bounce-1"})).await;
        let path = format!("/api/v1/domains/{}", domain["id"].as_str().unwrap());
        assert_eq!(
            (&domain["return_path"], &domain["dns_records"][3]["name"]),
            (&json!("bounce-1"), &json!("bounce-1.ours.test"))
        );
        dns.replace(published(&[&domain], ""));
        api.post(&api.key, &format!("{path}/verify"), &json!({})).await;
        let kept = async || book.store.return_path(api.ours, "ours.test").await.unwrap();
        assert_eq!(kept().await.as_deref(), Some("bounce-1.ours.test"));
        // What is no change leaves it as it was seen.
        for body in [json!({}), json!({"return_path": null}), json!({"return_path": "bounce-1"})] {
            assert_eq!(ask(&api, &api.key, Method::PATCH, &path, &body).await.status, 200, "{body}");
            assert_eq!(kept().await.as_deref(), Some("bounce-1.ours.test"), "{body}");
        }
        let moved = ask(&api, &api.key, Method::PATCH, &path, &json!({"return_path": "mail"})).await.json()["data"].clone();
        assert_eq!((&moved["status"], &moved["dns_records"][4]["name"]), (&json!("verified"), &json!("mail.ours.test")));
        assert_eq!(kept().await, None, "its records are not seen yet");
        dns.replace(published(&[&moved], ""));
        api.post(&api.key, &format!("{path}/verify"), &json!({})).await;
        assert_eq!(kept().await.as_deref(), Some("mail.ours.test"));
        // Nothing can stand beside a CNAME.
        let moved = ask(&api, &api.key, Method::PATCH, &path, &json!({"return_path": "track"})).await.json()["data"].clone();
        assert!(moved["dns_records"].as_array().unwrap().iter().all(|record| record["type"] != "CNAME"), "{moved}");
    });
}

#[test]
fn domains_are_listed_by_name_and_can_be_removed() {
    on_every_engine(async |book| {
        let api = api(&book, &Dns::start(Records::default()).await).await;
        let second = added(&api, &api.key, &json!({"domain": "b.test"})).await;
        let first = added(&api, &api.key, &json!({"domain": "a.test"})).await;
        for path in ["/api/v1/domains", "/api/v1/mail/domains"] {
            assert_eq!(api.get(&api.key, path).await.json(), json!({"data": [first, second]}));
            assert_eq!(api.get(&api.foreign_key, path).await.json(), json!({"data": []}));
        }
        let path = format!("/api/v1/domains/{}", first["id"].as_str().unwrap());
        let gone = ask(&api, &api.key, Method::DELETE, &path, &json!({})).await;
        assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
        assert_eq!(ask(&api, &api.key, Method::DELETE, &path, &json!({})).await.status, 404);
        assert_eq!(api.get(&api.key, "/api/v1/domains").await.json(), json!({"data": [second]}));
        added(&api, &api.key, &json!({"domain": "a.test"})).await;
    });
}

#[test]
fn what_is_no_domain_is_told_by_its_field() {
    on_every_engine(async |book| {
        let api = api(&book, &Dns::start(Records::default()).await).await;
        added(&api, &api.key, &json!({"domain": "there.test"})).await;
        let long = "x".repeat(64);
        for (body, status, field) in [
            (json!({}), 422, "domain"),
            (json!({"domain": null}), 422, "domain"),
            (json!({"domain": " "}), 422, "domain"),
            (json!({"domain": 7}), 422, "domain"),
            (json!({"domain": "There.TEST"}), 422, "domain"),
            (json!({"domain": "a.test\r\nx"}), 422, "domain"),
            (json!({"domain": "a.test\u{0}"}), 422, "domain"),
            (json!({"domain": "<script>.test"}), 422, "domain"),
            (json!({"domain": "a.test'; DROP TABLE domains"}), 422, "domain"),
            (json!({"domain": "[192.0.2.1]"}), 422, "domain"),
            (json!({"domain": "127.0.0.1"}), 422, "domain"),
            (json!({"domain": "../etc"}), 422, "domain"),
            (json!({"domain": "a\u{202e}b.test"}), 422, "domain"),
            (json!({"domain": "xn--a.test"}), 422, "domain"),
            (json!({"domain": "me@a.test"}), 422, "domain"),
            (json!({"domain": "a.test", "return_path": ""}), 422, "return_path"),
            (json!({"domain": "a.test", "return_path": "1st"}), 422, "return_path"),
            (json!({"domain": "a.test", "return_path": "a.b"}), 422, "return_path"),
            (json!({"domain": "a.test", "return_path": "send-"}), 422, "return_path"),
            (json!({"domain": "a.test", "return_path": long}), 422, "return_path"),
            (json!({"domain": "a.test", "status": "verified"}), 422, "status"),
            (json!(["a.test"]), 400, ""),
        ] {
            let answer = api.post(&api.key, "/api/v1/domains", &body).await;
            let told: Vec<String> =
                answer.json()["details"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
            assert_eq!((answer.status.as_u16(), told.join(",").as_str()), (status, field), "{body}");
        }
        assert_eq!(api.get(&api.key, "/api/v1/domains").await.json()["data"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn another_teams_domain_is_one_that_never_was() {
    on_every_engine(async |book| {
        let api = api(&book, &Dns::start(Records::default()).await).await;
        let domain = added(&api, &api.key, &json!({"domain": "ours.test"})).await;
        let id = domain["id"].as_str().unwrap();
        let never = Ids::random(Clock::System).next();
        for (method, tail) in [(Method::GET, ""), (Method::PATCH, ""), (Method::DELETE, ""), (Method::POST, "/verify")] {
            let ask = async |id: &str| {
                let body = json!({"return_path": "other"});
                ask(&api, &api.foreign_key, method.clone(), &format!("/api/v1/domains/{id}{tail}"), &body).await
            };
            let theirs = ask(id).await;
            assert_eq!(theirs.status, 404, "{method} {tail}");
            for unknown in [never.uuid(), never.crockford(), "nonsense".to_owned()] {
                assert_eq!(theirs.bare(), ask(&unknown).await.bare(), "{method} {tail}");
            }
        }
        assert_eq!(api.get(&api.key, &format!("/api/v1/domains/{id}")).await.json()["data"], domain);
    });
}

#[test]
fn domains_ask_for_their_own_scope() {
    on_every_engine(async |book| {
        let api = api(&book, &Dns::start(Records::default()).await).await;
        for (scope, status) in [("mail:send", 403), ("mail:read", 403), ("domains:manage", 200), ("*", 200)] {
            let key = api.key(scoped(&[scope])).await;
            assert_eq!(api.get(&key, "/api/v1/domains").await.status, status, "{scope}");
        }
    });
}
