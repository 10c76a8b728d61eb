//! `posthouse keys create`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::{scopes, streams};
use crate::cli::context::{Global, TeamChoice};
use crate::cli::{Usage, output, when};
use crate::clock::{Clock, Timestamp};
use crate::model::address::Address;
use crate::model::key::{ApiKey, DsnChoice, KeyRights, Quota, Scope, Secret, StreamWord};
use crate::model::stream::Stream;
use crate::store::Store;
use crate::store::keys::NewKey;

/// Make a key. Its text is shown now and never again.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What to call it.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    team: TeamChoice,
    /// A stream it may send on: transactional or broadcast. Repeat for both; both without it.
    #[arg(long = "stream", value_name = "STREAM")]
    streams: Vec<Stream>,
    /// What it may do, such as mail:send. Repeat for more; everything without it.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Its mail is captured, never sent.
    #[arg(long)]
    sandbox: bool,
    /// With --sandbox: take mail for this address alone. Repeat for more.
    #[arg(long = "allow-recipient", value_name = "ADDRESS", requires = "sandbox")]
    allow_recipients: Vec<Address>,
    /// When it ends: 2026-12-31T12:00:00Z, 2026-12-31, or a span such as 30d.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Refuse suppressed recipients at RCPT: for MTAs that handle a reply per recipient.
    #[arg(long)]
    strict: bool,
    /// A network it works from, such as 192.0.2.0/24. Repeat for more; any without it.
    #[arg(long = "network", value_name = "CIDR", value_parser = network)]
    networks: Vec<IpNet>,
    /// Refuse the null reverse-path (MAIL FROM:<>).
    #[arg(long)]
    no_null_sender: bool,
    /// Do not take a repeated Message-ID with the same bytes for a repeat.
    #[arg(long)]
    no_auto_idempotency: bool,
    /// Stands in for a From without a proper domain (root@cronhost).
    #[arg(long, value_name = "ADDRESS")]
    default_from: Option<Address>,
    /// Messages it may have accepted in a UTC day.
    #[arg(long, value_name = "N/day")]
    quota: Option<Quota>,
    /// It may send to unsubscribed recipients when a message asks for it.
    #[arg(long)]
    may_ignore_unsubscribe: bool,
    /// Its own List-Unsubscribe fields are kept.
    #[arg(long)]
    own_unsubscribe: bool,
    /// Whether its sender may be sent delivery status notifications: auto or never.
    #[arg(long, value_name = "CHOICE", default_value = "auto", value_parser = dsn)]
    dsn: DsnChoice,
    /// Print the record as JSON.
    #[arg(long)]
    json: bool,
}

/// A network, or one address as the network of itself.
fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| single()).map_err(|_| format!("{text:?} is not a network such as 192.0.2.0/24"))
}

fn dsn(text: &str) -> Result<DsnChoice, String> {
    match text {
        "auto" => Ok(DsnChoice::Auto),
        "never" => Ok(DsnChoice::Never),
        _ => Err("expected auto or never".to_owned()),
    }
}

#[derive(Serialize)]
struct Made<'a> {
    id: String,
    key: &'a str,
    name: &'a str,
    streams: Vec<String>,
    scopes: Vec<String>,
}

impl Create {
    /// Makes the key and shows it.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        let now = Clock::System.now();
        let expires_at = self.expires.as_deref().map(|text| when::ahead(text, now)).transpose().map_err(Usage)?;
        if self.name.trim().is_empty() || self.name.contains(char::is_control) {
            return Err(Usage(format!("{:?} can't be a name", self.name)).into());
        }
        global.on_store(async |store| self.make(store, expires_at).await)
    }

    async fn make(&self, store: &Store, expires_at: Option<Timestamp>) -> anyhow::Result<()> {
        let secret = Secret::generate();
        let team = self.team.find(store).await?.id;
        let new = NewKey { team, name: self.name.clone(), secret: secret.clone(), rights: self.rights(), expires_at };
        let key = store.create_key(new).await?;
        let show = if self.json { show_json } else { show_plain };
        show(&key, &secret)?;
        if self.streams.is_empty() {
            output::note(CHOOSING);
        }
        Ok(())
    }

    fn rights(&self) -> KeyRights {
        let defaults = KeyRights::default();
        KeyRights {
            scopes: self.scopes(defaults.scopes),
            streams: if self.streams.is_empty() { defaults.streams } else { distinct(&self.streams) },
            sandbox: self.sandbox.then(|| self.allow_recipients.iter().map(ToString::to_string).collect()),
            networks: self.networks.clone(),
            strict: self.strict,
            null_sender: !self.no_null_sender,
            auto_idempotency: !self.no_auto_idempotency,
            default_from: self.default_from.as_ref().map(ToString::to_string),
            quota: self.quota,
            may_ignore_unsubscribe: self.may_ignore_unsubscribe,
            own_unsubscribe: self.own_unsubscribe,
            dsn: self.dsn,
        }
    }

    /// What was asked for; else everything, or for a sandbox what a test needs.
    fn scopes(&self, everything: Vec<Scope>) -> Vec<Scope> {
        match (self.scopes.is_empty(), self.sandbox) {
            (false, _) => self.scopes.clone(),
            (true, true) => [Scope::MAIL_SEND, Scope::MAIL_READ].iter().filter_map(|word| word.parse().ok()).collect(),
            (true, false) => everything,
        }
    }
}

/// How an SMTP client names the stream when its key allows several.
const CHOOSING: &str = "This key may send on both streams, so each message must say which: log in with the user name \
apikey+transactional or apikey+broadcast, or put the header X-Krafter-Stream: transactional (or broadcast) into the message. \
A key made with --stream needs neither.";

fn distinct(streams: &[Stream]) -> Vec<StreamWord> {
    Stream::ALL.into_iter().filter(|stream| streams.contains(stream)).map(StreamWord).collect()
}

fn show_json(key: &ApiKey, secret: &Secret) -> anyhow::Result<()> {
    let id = key.id.to_string();
    output::json(&Made { id, key: secret.reveal(), name: &key.name, streams: streams(key), scopes: scopes(key) })
}

fn show_plain(key: &ApiKey, secret: &Secret) -> anyhow::Result<()> {
    output::line(&format!("id       {}", key.id))?;
    output::line(&format!("name     {}", key.name))?;
    output::line(&format!("streams  {}", streams(key).join(", ")))?;
    output::line(&format!("scopes   {}", scopes(key).join(", ")))?;
    output::line(&format!("key      {}   (shown this once)", secret.reveal()))
}
