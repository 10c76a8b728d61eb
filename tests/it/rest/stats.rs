//! `/api/v1/stats`: how a team's mail stands, by status and by day.

use posthouse::clock::Clock;
use posthouse::model::key::KeyRights;
use posthouse::model::statistics::Day;
use serde_json::json;

use super::{plain, sent};
use crate::support::api::{Api, scoped, transactional};
use crate::support::stores::on_every_engine;

#[test]
fn mail_is_counted_by_status_and_by_day() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let today = Day::at(Clock::System.now());
        sent(&api, &json!({})).await;
        let later = sent(&api, &json!({"scheduled_at": "2099-01-01T00:00:00Z"})).await;
        api.post(&api.key, &format!("/api/v1/emails/{later}/cancel"), &json!({})).await;
        let sandbox = api.key(KeyRights { sandbox: Some(Vec::new()), ..transactional() }).await;
        assert_eq!(api.post(&sandbox, "/api/v1/emails", &plain()).await.status, 201);
        for path in ["/api/v1/stats", "/api/v1/mail/stats"] {
            let statistics = api.get(&api.key, path).await.json()["data"].clone();
            let since = Day(today.0 - 7).begins().rfc3339();
            let expected = json!({"period": "7d", "since": since, "total": 2, "by_status": {"queued": 1, "cancelled": 1},
                "engagement": {"opened": 0, "clicked": 0, "unsubscribed": 0}});
            assert_eq!(statistics, expected, "statuses of no message are left out, and sandbox mail");
        }
        let days = api.get(&api.key, "/api/v1/mail/stats/daily").await.json()["data"].as_array().unwrap().clone();
        let day = |date: String, queued: u64, cancelled: u64| {
            json!({"date": date, "queued": queued, "sent": 0, "delivered": 0, "bounced": 0, "complained": 0, "failed": 0,
                "cancelled": cancelled, "rejected": 0, "engagement": {"opened": 0, "clicked": 0, "unsubscribed": 0}})
        };
        assert_eq!((days.len(), &days[0]), (30, &day(Day(today.0 - 29).date(), 0, 0)));
        assert_eq!(days[29], day(today.date(), 1, 1));
        let theirs = api.get(&api.foreign_key, "/api/v1/stats").await.json()["data"].clone();
        assert_eq!((&theirs["total"], &theirs["by_status"]), (&json!(0), &json!({})));
    });
}

#[test]
fn a_period_that_is_none_counts_as_seven_days() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (query, period) in [
            ("", "7d"),
            ("?period=1d", "1d"),
            ("?period=7d", "7d"),
            ("?period=30d", "30d"),
            ("?period=90d", "90d"),
            ("?period=2d", "7d"),
            ("?period=", "7d"),
            ("?period=%00", "7d"),
        ] {
            let answer = api.get(&api.key, &format!("/api/v1/mail/stats{query}")).await;
            assert_eq!((answer.status.as_u16(), answer.json()["data"]["period"].as_str()), (200, Some(period)), "{query}");
        }
        for (query, days) in [("?days=1", 1), ("?days=0", 1), ("?days=365", 365), ("?days=9999", 365)] {
            let answer = api.get(&api.key, &format!("/api/v1/mail/stats/daily{query}")).await;
            assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(days), "{query}");
        }
        for (path, name) in [("/stats?days=3", "days"), ("/stats/daily?days=x", "days"), ("/stats/daily?from=2026-01-01", "from")]
        {
            let answer = api.get(&api.key, &format!("/api/v1{path}")).await;
            assert!(answer.status == 422 && answer.json()["details"][name].is_array(), "{path}: {}", answer.json());
        }
    });
}

#[test]
fn statistics_ask_for_the_right_to_read() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (scope, status) in [("mail:read", 200), ("mail:send", 403), ("domains:manage", 403)] {
            let key = api.key(scoped(&[scope])).await;
            for path in ["/api/v1/stats", "/api/v1/stats/daily"] {
                assert_eq!(api.get(&key, path).await.status, status, "{scope} {path}");
            }
        }
    });
}
