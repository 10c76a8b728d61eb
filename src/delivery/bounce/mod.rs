//! Why mail was refused: replies sorted into classes by a table of rules, the operator's before our own.
//!
//! Enhanced codes alone won't do: providers say `5.1.1` of what is a policy and `5.4.1` of a mailbox that is not there. So a rule may
//! look at the code, the enhanced code and the text. [`RULES`] is the table, and documents itself.

mod rule;
mod text;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::Deserialize;

use crate::config::BounceRule;
use crate::model::bounce::BounceClass;
use crate::model::outcome::Reply;
use rule::Rule;
use text::Said;

/// The table that ships.
pub const RULES: &str = include_str!("rules.toml");

static SHIPPED: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let table: Table = toml::from_str(RULES).expect("the embedded table of rules is TOML");
    table.rule.iter().map(Rule::new).collect::<Result<_, _>>().expect("the embedded rules make sense")
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rule: Vec<BounceRule>,
}

/// The class of a reply by the rules that ship.
pub fn classify(reply: &Reply) -> BounceClass {
    Rules::default().classify(reply)
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    own: Vec<Rule>,
}

impl Rules {
    /// The operator's rules, and behind them those that ship; the error names the rule that makes no sense.
    pub fn new(own: &[BounceRule]) -> Result<Self, String> {
        let read = |(n, rule)| Rule::new(rule).map_err(|e| format!("delivery.bounce, rule {}: {e}", n + 1));
        Ok(Self { own: own.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// The class that the first rule to match gives. Only what is said for good can tell that an address is bad.
    pub fn classify(&self, reply: &Reply) -> BounceClass {
        let said = Said::new(reply);
        let mut rules = self.own.iter().chain(SHIPPED.iter());
        rules.find(|rule| rule.matches(&said)).map_or(BounceClass::Other, |rule| rule.class)
    }
}
