//! What the parts that tell of events share, and how one request comes about.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::announcement::Wording;
use super::client::{Called, Client};
use super::deliver::{Deliverer, Places};
use super::line::Line;
use super::pool::Pool;
use super::sign::{self, Request};
use super::{ahead, fanout, results};
use crate::clock::Clock;
use crate::id::{Id, Ids};
use crate::model::webhook::{Webhook, WebhookKind};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::store::webhooks::attempts::Attempt;

/// Endpoints that are tried out at once: half of them of one team.
const PROBES_MAX: usize = 32;

/// Who tells of events. Clones share it.
#[derive(Clone, Debug)]
pub struct Webhooks {
    inner: Arc<Inner>,
    /// This process, among those that share a store.
    holder: Id,
    places: Places,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    client: Client,
    wording: Wording,
    clock: Clock,
    ids: Ids,
    probes: Pool,
    /// Rung when there are new deliveries.
    made: watch::Sender<()>,
}

impl Webhooks {
    /// Tells of the events of `store`, in these words.
    pub fn new(store: Store, client: Client, wording: Wording, clock: Clock) -> Self {
        let ids = Ids::random(clock.clone());
        let (probes, made) = (Pool::new(PROBES_MAX), watch::Sender::new(()));
        let holder = ids.next();
        Self { inner: Arc::new(Inner { store, client, wording, clock, ids, probes, made }), holder, places: Places::default() }
    }

    /// With so many places instead.
    pub fn with_places(self, places: Places) -> Self {
        Self { places, ..self }
    }

    /// With a name that only one process at a time can have (`lock::seat`): the endpoints that its earlier life worked at are taken over
    /// at once.
    pub fn seated(self, seat: Option<String>) -> Self {
        let holder = seat.map_or(self.holder, |seat| named(&seat));
        Self { holder, ..self }
    }

    /// Tells of what is noted, until closing begins; then what is under way is finished.
    pub fn run(self, shutdown: &Shutdown) {
        let (results, writing) = results::open(self.store().clone());
        shutdown.spawn(writing);
        let [sending, mending, fanning] = [self.clone(), self.clone(), self];
        shutdown.keep("sending to endpoints", move |shutdown| {
            Deliverer::new(sending.clone(), results.clone(), &sending.places).run(shutdown)
        });
        shutdown.keep("minding the clock of endpoints", move |shutdown| ahead::mend(mending.clone(), shutdown));
        shutdown.keep("making deliveries", move |shutdown| fanout::run(fanning.clone(), shutdown));
    }

    /// Whether an address may be called, as far as it can be told now; else what is wrong with it.
    pub async fn check(&self, url: &str) -> Result<(), String> {
        self.inner.client.check(url).await
    }

    /// Sends `body` to an endpoint, whatever is due, over a connection of `line` where there is one. `number`: of the attempt, from 1; 0 for
    /// a test, which says that it is one. `None`: it was not sent, for no fault of the endpoint's.
    pub(super) async fn call(
        &self,
        webhook: &Webhook,
        (event, kind): (Id, WebhookKind),
        number: i64,
        body: &str,
        line: Option<&Line>,
    ) -> Option<Attempt> {
        let (id, request) = (self.next_id(), request_id());
        let at = id.made_at();
        let signed = Request { event, kind, request: &request, at, body };
        let mut headers = sign::headers(&signed, &webhook.secrets);
        if number == 0 {
            headers.push(("x-krafter-test", "true".to_owned()));
        }
        let called = self.inner.client.post(&webhook.settings.url, headers, body, line).await;
        let Called { status, latency, answer, error } = called?;
        Some(Attempt { id, webhook: webhook.id, event, kind, request, number, at, status, latency, answer, error })
    }

    pub(super) fn holder(&self) -> Id {
        self.holder
    }

    pub(super) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(super) fn next_id(&self) -> Id {
        self.inner.ids.next()
    }

    pub(super) fn wording(&self) -> Wording {
        self.inner.wording
    }

    pub(super) fn probes(&self) -> &Pool {
        &self.inner.probes
    }

    /// There are new deliveries.
    pub(super) fn ring(&self) {
        self.inner.made.send_replace(());
    }

    /// Hears when there are new deliveries, from now on.
    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.inner.made.subscribe()
    }
}

/// An id for a name.
fn named(seat: &str) -> Id {
    let digest = Sha256::digest(seat);
    Id(std::array::from_fn(|place| digest[place]))
}

/// A UUID of random bits (version 4), as is documented.
fn request_id() -> String {
    let mut octets = [0u8; 16];
    rand::fill(&mut octets);
    uuid::Builder::from_random_bytes(octets).into_uuid().to_string()
}
