//! `GET /api/v1/streams`.

use serde_json::json;

use crate::support::api::{Api, scoped};
use crate::support::stores::on_every_engine;

#[test]
fn both_streams_are_told_and_which_of_them_the_key_may_use() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let stream = |name: &str, is_broadcast: bool, allowed: bool| json!({"name": name, "tracking_enabled": is_broadcast, "list_unsubscribe": is_broadcast, "allowed": allowed});
        let answer = api.get(&api.key, "/api/v1/streams").await;
        let expected = json!({"data": [stream("transactional", false, true), stream("broadcast", true, false)]});
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
        let sender = api.key(scoped(&["mail:send"])).await;
        assert_eq!(api.get(&sender, "/api/v1/streams").await.status, 403);
    });
}
