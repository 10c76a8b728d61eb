//! This gateway as the DNS knows it.

use crate::config::Config;

/// The names by which the gateway is found from outside, where the configuration knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Where bounces come back to.
    pub mail: Option<String>,
    /// Where the links of tracked mail lead.
    pub web: Option<String>,
}

impl Gateway {
    /// As the configuration has it.
    pub fn of(config: &Config) -> Self {
        let names = [&config.delivery.hostname, &config.smtp.hostname];
        Self { mail: names.into_iter().find_map(|name| host_name(name)), web: web_host(&config.public_url).and_then(host_name) }
    }
}

/// Lower case. None: it is not a name that others could look up.
fn host_name(text: &str) -> Option<String> {
    let spoken = text.contains('.') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let is_address = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (spoken && !is_address).then(|| text.to_ascii_lowercase())
}

/// The host of a URL, without its port.
fn web_host(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split(['/', ':']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_lead_here_from_outside_count() {
        let mut config = Config::defaults();
        config.smtp.hostname = "localhost".to_owned();
        assert_eq!(Gateway::of(&config), Gateway::default());
        config.smtp.hostname = "MX.Gate.test".to_owned();
        for (url, web) in [
            ("https://Mail.gate.test:8443/x", Some("mail.gate.test")),
            ("https://192.0.2.1/", None),
            ("http://[::1]:8025", None),
            ("http://localhost:8025", None),
        ] {
            config.public_url = url.to_owned();
            let found = Gateway::of(&config);
            assert_eq!((found.mail.as_deref(), found.web.as_deref()), (Some("mx.gate.test"), web), "{url}");
        }
    }
}
