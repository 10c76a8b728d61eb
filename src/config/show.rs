//! The configuration in force, as a file that could be read back, with what is secret masked.

use super::Config;

const MASK: &str = "********";

/// TOML of what is in force; passwords and keys are masked, empty ones stay empty.
pub fn shown(config: &Config) -> Result<String, toml::ser::Error> {
    let mut config = config.clone();
    config.database.0 = masked_url(&config.database.0);
    let delivery = &mut config.delivery;
    let passwords = delivery.relays.values_mut().chain([&mut delivery.relay]).map(|relay| &mut relay.password);
    for secret in passwords.chain([&mut config.bootstrap_key, &mut config.sendmail.key]) {
        if !secret.0.is_empty() {
            secret.0 = MASK.to_owned();
        }
    }
    toml::to_string_pretty(&config)
}

/// The URL without the password that may stand between `user:` and `@`, or in its query.
pub fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = match rest.rsplit_once('@').map(|(login, host)| (login.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:{MASK}@{host}"),
        _ => rest.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(masked_parameter).collect::<Vec<_>>().join("&"));
    query.map_or_else(|| format!("{scheme}://{rest}"), |query| format!("{scheme}://{rest}?{query}"))
}

fn masked_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        for (url, shown) in [
            ("postgres://u:p@ss@h/db", "postgres://u:********@h/db"),
            ("postgres://u@h/db?sslmode=require&password=x", "postgres://u@h/db?sslmode=require&password=********"),
            ("sqlite:x.db", "sqlite:x.db"),
            ("", ""),
        ] {
            assert_eq!(masked_url(url), shown);
        }
    }
}
