//! Domains whose name servers are silent, and mail for others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use posthouse::config::units::Span;
use posthouse::model::outcome::RecipientState;
use posthouse::model::stream::Stream;

use crate::support::IN_TIME;
use crate::support::dns::{Dns, Fault, Records};
use crate::support::sink::Sink;
use crate::support::stores::on_every_engine;

use super::direct::{config, here};
use super::{Running, numbered, team, until, until_all};

#[test]
fn broadcast_to_silent_zones_does_not_delay_a_password_reset() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let mut records = Records::default().mx("good.example", 10, "mx.good.example").address("mx.good.example", here(1));
        let silent: Vec<String> = (0..500).map(|n| format!("n{n}.silent.example")).collect();
        for name in &silent {
            records = records.fault(name, Fault::Silence);
        }
        let dns = Dns::start(records).await;
        let mut config = config(&dns, &sink);
        config.delivery.dns.timeout = Span(4 * IN_TIME);
        let (team, engine) = (team(&book.store).await, Running::start(&book.store, &config, &book.clock));
        let newsletters = silent.iter().enumerate().map(|(number, domain)| {
            let mut newsletter = numbered(team, number, &[&format!("you@{domain}")]);
            Arc::get_mut(&mut newsletter.message).expect("ours alone").stream = Stream::Broadcast;
            newsletter
        });
        assert!(book.store.accept_all(newsletters.collect()).await.iter().all(Result::is_ok));
        let asked = || dns.names().into_iter().collect::<BTreeSet<_>>().len();
        until("many are asked for", || async { asked() >= 288 }).await;
        let reset = super::accept(&book.store, numbered(team, 1000, &["you@good.example"])).await;
        until_all(&book.store, &[reset], RecipientState::Delivered).await;
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
    });
}
