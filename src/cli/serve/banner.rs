//! What `serve` prints: where it listens, the first key, how mail leaves, and how to try it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::app::House;
use crate::app::first_run::FirstKey;
use crate::cli::ready::reachable;
use crate::config::show::masked_url;
use crate::config::{CleartextAuth, Config, Listener, ListenerTls, Route};
use crate::model::key::Secret;

/// The whole text. The first `http://` address in it is the console's.
pub fn of(house: &House) -> String {
    let mut text = format!("Posthouse {}\n\n", env!("CARGO_PKG_VERSION"));
    let smtp = house.bound.smtp_addresses();
    for (address, listener) in &smtp {
        row(&mut text, "SMTP", &format!("{address}, {}", doorplate(listener, &house.config)));
    }
    if let Some(http) = house.bound.http_address() {
        row(&mut text, "Console", &format!("http://{}/{}", reachable(http), console_login(&house.config)));
    }
    row(&mut text, "Delivery", &leaving(&house.config));
    if house.config.requires_verified_domain() {
        row(&mut text, "Domains", "mail is taken from verified domains only: `posthouse domains trust DOMAIN` vouches for one");
    }
    row(&mut text, "Store", &whereabouts(&house.config));
    match &house.first_key {
        FirstKey::Made(secret) => {
            row(&mut text, "Key", &format!("{}  (transactional mail; shown this once)", secret.reveal()));
            if let Some((address, listener)) = smtp.first() {
                let _ = write!(text, "\nTry it:\n\n{}\n\n", swaks(*address, listener, secret));
            }
        }
        FirstKey::Known => row(&mut text, "Keys", "`posthouse keys create --name NAME` makes another"),
    }
    text
}

fn row(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<9} {value}");
}

/// What a client must know of a listener.
fn doorplate(listener: &Listener, config: &Config) -> String {
    let has_pair = !config.tls.cert.is_empty();
    let tls = match listener.tls {
        ListenerTls::Implicit => "TLS from the first byte",
        ListenerTls::Starttls => "STARTTLS",
        ListenerTls::Auto if has_pair => "STARTTLS",
        ListenerTls::Auto | ListenerTls::None => "no TLS",
    };
    let auth = match (listener.tls, listener.cleartext_auth) {
        (ListenerTls::Implicit, _) => "",
        (_, CleartextAuth::Always) => ", AUTH without TLS from anywhere",
        (_, CleartextAuth::Loopback) => ", AUTH without TLS from this machine only",
        (_, CleartextAuth::Never) => ", AUTH by TLS only",
    };
    format!("{tls}{auth}")
}

/// While mail leaves the house, the pages ask who reads them.
fn console_login(config: &Config) -> &'static str {
    if config.delivery.route == Route::Capture { "" } else { "  (log in with any user name, and a key as the password)" }
}

fn leaving(config: &Config) -> String {
    let relay = &config.delivery.relay;
    match config.delivery.route {
        Route::Capture => "capture: mail is kept and shown in the console, not sent".to_owned(),
        Route::Relay => format!("relay: mail leaves through {}:{}", relay.host, relay.port),
        Route::Direct => "direct: mail leaves to each recipient's MX".to_owned(),
    }
}

fn whereabouts(config: &Config) -> String {
    if config.database.0.is_empty() { config.data_dir.display().to_string() } else { masked_url(&config.database.0) }
}

/// A command that can be pasted as it is.
fn swaks(address: SocketAddr, listener: &Listener, secret: &Secret) -> String {
    let tls = match listener.tls {
        ListenerTls::Implicit => " --tls-on-connect",
        ListenerTls::Starttls => " --tls",
        ListenerTls::Auto | ListenerTls::None => "",
    };
    format!(
        "swaks --server {}{tls} --to you@example.com --from app@example.com --auth PLAIN --auth-user apikey --auth-password {}",
        reachable(address),
        secret.reveal()
    )
}
