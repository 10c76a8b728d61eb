//! Trying an endpoint out, for whoever asks for it now.

use super::Webhooks;
use super::announcement::{Announcement, News};
use crate::model::webhook::{Webhook, WebhookKind};
use crate::store::StoreError;
use crate::store::webhooks::attempts::Attempt;

impl Webhooks {
    /// Sends an endpoint a request that says that it is a test, and tells what came of it. It is written down among the others, and counts
    /// neither for nor against the endpoint. `None`: too many are being tried out, of all or of its team, or too many names looked up.
    pub async fn probe(&self, webhook: &Webhook, kind: WebhookKind) -> Result<Option<Attempt>, StoreError> {
        let Some(_place) = self.probes().enter(webhook.team) else { return Ok(None) };
        let (id, at) = (self.next_id(), self.clock().now());
        let body = self.wording()(&Announcement { id, kind, at, news: News::Test(webhook) });
        let Some(attempt) = self.call(webhook, (id, kind), 0, &body, None).await else { return Ok(None) };
        self.store().record_webhook_test(&attempt).await?;
        Ok(Some(attempt))
    }
}
