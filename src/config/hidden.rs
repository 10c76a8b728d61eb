//! Passwords and keys in the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that is read and written like any other, but is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn debug_shows_no_secret() {
        let mut config = Config::defaults();
        for secret in
            [&mut config.bootstrap_key, &mut config.database, &mut config.delivery.relay.password, &mut config.sendmail.key]
        {
            secret.0 = "hush-hush".to_owned();
        }
        let shown = format!("{config:?}");
        assert!(shown.contains("password: ..") && !shown.contains("hush"), "{shown}");
    }
}
