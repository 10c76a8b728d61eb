//! Mail that a rule requires TLS for, and other mail to the same hosts: they are one destination.

use std::time::Duration;

use posthouse::config::Config;
use posthouse::model::outcome::RecipientState;

use crate::support::certificate::Identity;
use crate::support::dns::{Dns, Records};
use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::on_every_engine;

use super::direct::{config, here};
use super::{Running, accept, numbered, team, until_all};

/// A rule that requires TLS for one of two domains, and a destination that is sent little.
fn add_rules(config: &mut Config) {
    let text = "[[rule]]\nrecipient_domain = \"secret.example\"\ntls = \"required\"\nroutes = \"direct\"\n
                [[shape]]\nmatch = \"mx:*.shared.example\"\nconnections = 2\nmessages_per_connection = 5\n";
    let mut table = toml::from_str::<toml::Table>(text).expect("sound");
    config.delivery.rule = table.remove("rule").expect("rules").try_into().expect("sound");
    config.delivery.shape = table.remove("shape").expect("shapes").try_into().expect("sound");
}

#[test]
fn the_limits_of_a_destination_hold_for_both_together() {
    on_every_engine(|book| async move {
        let slow = |turn: &crate::support::sink::Turn| (turn.line == ".").then_some(Act::Delay(Duration::from_millis(20)));
        let sink = Sink::start(Script::on(slow).with_tls(Identity::of(&["whoever"]).server())).await;
        let records = Records::default()
            .mx("secret.example", 10, "mx.shared.example")
            .mx("open.example", 10, "mx.shared.example")
            .address("mx.shared.example", here(1));
        let dns = Dns::start(records).await;
        let mut config = config(&dns, &sink);
        add_rules(&mut config);
        let team = team(&book.store).await;
        let mut ids = Vec::new();
        for number in 0..40 {
            let to = if number % 2 == 0 { "you@secret.example" } else { "you@open.example" };
            ids.push(accept(&book.store, numbered(team, number, &[to])).await);
        }
        let engine = Running::start(&book.store, &config, &book.clock);
        until_all(&book.store, &ids, RecipientState::Delivered).await;
        engine.stop().await;
        assert!(sink.most_at_once() <= 2, "{} at once", sink.most_at_once());
        assert_eq!(sink.received().len(), 40);
    });
}
