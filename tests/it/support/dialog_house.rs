//! The house behind a dialogue: a real store with a team of the dialogue's own, its keys, the real keyring and the real intake.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::{Clock, Timestamp};
use posthouse::config::load::{Sources, load};
use posthouse::config::{CleartextAuth, Config, Listener, ListenerTls};
use posthouse::door::keyring::{Denied, Keyring};
use posthouse::door::smtp::door::Door;
use posthouse::door::smtp::session::{NotBegun, Peer, Tls};
use posthouse::door::smtp::settings::Settings;
use posthouse::door::smtp::tls::Certificates;
use posthouse::id::{Id, Ids};
use posthouse::intake::Intake;
use posthouse::model::key::{ApiKey, KeyRights, Scope, Secret};
use posthouse::model::message::Message;
use posthouse::model::refusal::{Code, Refusal};
use posthouse::model::submission::{Receipt, Submission};
use posthouse::model::suppression::Suppression;
use posthouse::model::template::TemplateText;
use posthouse::store::Store;
use posthouse::store::keys::NewKey;
use posthouse::store::read::{Filter, Listed};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::dialog::Scene;
use super::nouns;
use super::tls::{Pair, trusting};

/// Octets that all sessions of a dialogue may hold.
pub const BUDGET: usize = 64 << 20;

/// What a session asks, and what a dialogue's checks look into.
pub struct House {
    config: Config,
    pub settings: Arc<Settings>,
    store: Store,
    keyring: Keyring,
    intake: Intake,
    pub budget: Arc<Semaphore>,
    scene: Scene,
    team: Id,
    keys: Vec<(String, Secret, ApiKey)>,
    templates: Vec<(String, Id)>,
    /// Where the certificate lies, and who trusts it.
    tls: Option<(TempDir, TlsConnector)>,
}

impl House {
    /// A new team in `store`, with the keys of the scene.
    pub async fn furnish(store: &Store, scene: &Scene) -> Self {
        let clock = Clock::System;
        let tls = (scene.tls != "absent").then(|| certificate(scene.tls == "broken"));
        let mut flags = vec![("data_dir".to_owned(), std::env::temp_dir().display().to_string())];
        if let Some((folder, _)) = &tls {
            let path = |name| folder.path().join(name).display().to_string();
            flags.extend([("tls.cert".to_owned(), path("cert.pem")), ("tls.key".to_owned(), path("key.pem"))]);
        }
        flags.extend(scene.config.clone());
        let config = load(&Sources { flags, ..Sources::default() }).expect("the scene's configuration");
        let ids = Ids::random(clock.clone());
        let team = store.create_team(&format!("t{}", ids.next())).await.expect("a team").id;
        let mut keys = Vec::new();
        for (name, flags) in &scene.keys {
            let (rights, expires_at, revoked) = rights(flags);
            let secret = Secret::generate();
            let key = NewKey { team, name: name.clone(), secret: secret.clone(), rights, expires_at };
            let key = store.create_key(key).await.expect("a key");
            if revoked {
                store.revoke_key(team, key.id).await.expect("revoked");
            }
            keys.push((name.clone(), secret, key));
        }
        let mut templates = Vec::new();
        for template in &scene.templates {
            let team = match template.foreign {
                true => store.create_team(&format!("t{}", ids.next())).await.expect("another team").id,
                false => team,
            };
            let text = TemplateText {
                name: template.name.clone(),
                subject: template.subject.clone(),
                html: template.html.clone(),
                text: template.text.clone(),
                variables: Vec::new(),
            };
            let id = store.create_template(team, text).await.expect("a template").id;
            templates.push((template.name.clone(), id));
        }
        Self {
            intake: Intake::new(store.clone(), &config, clock.clone(), ids),
            settings: Arc::new(Settings::from_config(&config)),
            keyring: Keyring::new(store.clone(), clock),
            budget: Arc::new(Semaphore::new(BUDGET)),
            store: store.clone(),
            scene: scene.clone(),
            config,
            team,
            keys,
            templates,
            tls,
        }
    }

    /// The door with its driver.
    pub fn door(&self) -> Door {
        let certificates = Certificates::open(&self.config).expect("TLS can be set up");
        let (intake, keyring) = (self.intake.clone(), self.keyring.clone());
        Door::new(&self.config, intake, keyring, Arc::default(), certificates, self.budget.clone())
    }

    /// The rules of a listener at which a client finds what the scene says, on any port.
    pub fn rules(&self) -> Listener {
        let (tls, cleartext) = match self.scene.tls.as_str() {
            "absent" => (ListenerTls::None, self.scene.cleartext_auth),
            "required" => (ListenerTls::Starttls, false),
            _ => (ListenerTls::Auto, self.scene.cleartext_auth),
        };
        let cleartext_auth = if cleartext { CleartextAuth::Loopback } else { CleartextAuth::Never };
        Listener { address: SocketAddr::from(([127, 0, 0, 1], 0)), tls, cleartext_auth, trusted: Vec::new() }
    }

    /// Shakes hands with this house, where it has a certificate.
    pub fn connector(&self) -> Option<TlsConnector> {
        self.tls.as_ref().map(|(_, connector)| connector.clone())
    }

    /// The text of the key with this name.
    pub fn secret(&self, name: &str) -> &Secret {
        &self.keys.iter().find(|(known, ..)| known == name).expect("a key of the scene").1
    }

    /// The id of the template with this name.
    pub fn template(&self, name: &str) -> Id {
        self.templates.iter().find(|(known, _)| known == name).expect("a template of the scene").1
    }

    /// Whom the session talks to.
    pub fn peer(&self) -> Peer {
        let tls = match self.scene.tls.as_str() {
            "absent" => Tls::Absent,
            "offered" => Tls::Offered { required: false },
            "required" => Tls::Offered { required: true },
            "broken" => Tls::Broken,
            "active" => Tls::Active("TLSv1.3 TLS13_AES_256_GCM_SHA384".into()),
            other => panic!("what is @ tls {other}?"),
        };
        let trusted = self.scene.trusted.then(|| Arc::new(self.keys[0].2.clone()));
        Peer { address: IpAddr::from([127, 0, 0, 1]), tls, cleartext_auth: self.scene.cleartext_auth, trusted }
    }

    /// The fault set for `place`, if there is one.
    fn fault(&self, place: &str) -> Option<&str> {
        self.scene.faults.iter().find(|(set, _)| set == place).map(|(_, word)| word.as_str())
    }

    /// Whether there is memory: `@ fault memory refused`, `@ fault more-memory refused`.
    pub fn has_room(&self, may_wait: bool) -> bool {
        self.fault(if may_wait { "more-memory" } else { "memory" }).is_none()
    }

    pub async fn authenticate(&self, secret: &Secret) -> Result<Arc<ApiKey>, Denied> {
        match self.fault("auth") {
            Some("store_away") => Err(Denied::Unavailable),
            Some(other) => panic!("what is @ fault auth {other}?"),
            None => self.keyring.authenticate(secret, self.peer().address).await,
        }
    }

    pub async fn begin(&self, key: &Arc<ApiKey>, size: Option<u64>, null_sender: bool) -> Result<Arc<ApiKey>, NotBegun> {
        match self.fault("mail") {
            None => {}
            Some("revoked") => return Err(NotBegun::Denied(Denied::Unknown)),
            Some("expired") => return Err(NotBegun::Denied(Denied::Expired)),
            Some("store_away") => return Err(NotBegun::Denied(Denied::Unavailable)),
            Some(word) => return Err(NotBegun::Refused(refusal(word))),
        }
        let key = self.keyring.recheck(key, self.peer().address).await.map_err(NotBegun::Denied)?;
        self.intake.may_begin(&key, size, null_sender).await.map_err(NotBegun::Refused)?;
        Ok(key)
    }

    pub async fn address(&self, key: &ApiKey, address: &posthouse::model::address::Address) -> Result<(), Refusal> {
        match self.fault("rcpt") {
            Some(word) => Err(refusal(word)),
            None => self.intake.may_address(key, address).await,
        }
    }

    pub async fn accept(&self, submission: Submission) -> Result<Receipt, Refusal> {
        match self.fault("dot") {
            Some(word) => Err(refusal(word)),
            None => self.intake.accept(submission).await,
        }
    }

    /// Suppresses an address of this team.
    pub async fn suppress(&self, address: &str) {
        let suppression = Suppression {
            team: self.team,
            address: address.to_owned(),
            reason: "manual".to_owned(),
            message: None,
            evidence: None,
            created_at: Clock::System.now(),
        };
        self.store.suppress(&[suppression]).await.expect("suppressed");
    }

    /// A reader wishes no more broadcast mail of this team.
    pub async fn unsubscribe(&self, address: &str) {
        let wish = nouns::unsubscribe(self.team, address);
        self.store.unsubscribe(&wish).await.expect("noted");
    }

    /// Revokes a key.
    pub async fn revoke(&self, name: &str) {
        let key = &self.keys.iter().find(|(known, ..)| known == name).expect("a key of the scene").2;
        self.store.revoke_key(self.team, key.id).await.expect("revoked");
    }

    /// The team's messages, newest first.
    pub async fn messages(&self) -> Vec<Listed> {
        let filter = Filter { team: Some(self.team), limit: 1000, ..Filter::default() };
        self.store.messages(&filter).await.expect("the messages")
    }

    /// What was odd about the mail of the team's keys: `word=messages` each.
    pub async fn quirks(&self) -> String {
        let seen = self.store.quirks(self.team).await.expect("the quirks");
        seen.iter().map(|seen| format!("{}={}", seen.quirk.word(), seen.messages)).collect::<Vec<_>>().join(" ")
    }

    /// The octets of a message.
    pub async fn octets(&self, message: &Message) -> Vec<u8> {
        self.store.body(None, message.id).await.expect("the store answers").expect("the octets").to_vec()
    }
}

/// A folder with a certificate and its key, and a client that trusts it. A broken one can't be loaded.
fn certificate(broken: bool) -> (TempDir, TlsConnector) {
    let folder = tempfile::tempdir().expect("a folder");
    let (pair, certificate) = Pair::make(folder.path());
    if broken {
        std::fs::write(&pair.cert, "no certificate").expect("the file");
    }
    (folder, trusting(&[certificate]))
}

/// Rights, expiry and whether it is revoked, from the words after `@ key NAME`.
fn rights(flags: &[String]) -> (KeyRights, Option<Timestamp>, bool) {
    let (mut rights, mut expires_at, mut revoked) = (KeyRights::default(), None, false);
    for flag in flags {
        let (word, value) = flag.split_once('=').unwrap_or((flag, ""));
        match word {
            "transactional" | "broadcast" => rights.streams = vec![flag.clone().try_into().expect("a stream")],
            "both" => {}
            "scope" => rights.scopes = vec![value.parse::<Scope>().expect("a scope")],
            "strict" => rights.strict = true,
            "no-null-sender" => rights.null_sender = false,
            "no-auto-idempotency" => rights.auto_idempotency = false,
            "sandbox" => rights.sandbox = Some(value.split(',').filter(|a| !a.is_empty()).map(str::to_owned).collect()),
            "network" => rights.networks = vec![value.parse().expect("a network")],
            "default-from" => rights.default_from = Some(value.to_owned()),
            "expired" => expires_at = Some(Clock::System.now().minus(Duration::from_secs(60))),
            "revoked" => revoked = true,
            other => panic!("what is the key flag {other}?"),
        }
    }
    (rights, expires_at, revoked)
}

/// The refusal of this word, as intake words it.
fn refusal(word: &str) -> Refusal {
    let row = posthouse::model::refusal::TABLE.iter().find(|row| row.word == word);
    let code: Code = row.unwrap_or_else(|| panic!("{word} is not in the table of refusals")).code;
    Refusal::new(code, "said by the test")
}
