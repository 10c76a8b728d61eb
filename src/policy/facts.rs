//! What a policy must know besides the draft: gathered before, so that the rules stay pure.

use crate::clock::Timestamp;
use crate::config::Config;
use crate::mime::fields::Bounds;
use crate::mime::parts::Reach;
use crate::model::domain::DomainStanding;
use crate::model::template::StoredTemplate;

/// The bounds of the configuration that rules judge by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one message.
    pub message: u64,
    pub recipients: usize,
    pub header: Bounds,
    pub reach: Reach,
    /// 0: any number; so below.
    pub messages_per_minute: u64,
    pub messages_per_day: u64,
    /// Recipients waiting, of one team.
    pub queued: u64,
    /// Whether From must be in a verified domain.
    pub verified_domain: bool,
    /// A-labels, lower case.
    pub sandbox_domain: String,
}

impl Limits {
    /// As the operator set them.
    pub fn new(config: &Config) -> Self {
        let smtp = &config.smtp.limits;
        Self {
            message: config.smtp.max_message_size.0,
            recipients: smtp.recipients,
            header: Bounds { bytes: smtp.header_bytes.as_usize(), fields: smtp.header_fields },
            reach: Reach::new(smtp),
            messages_per_minute: config.limits.messages_per_minute,
            messages_per_day: config.limits.messages_per_day,
            queued: config.limits.queued,
            verified_domain: config.requires_verified_domain(),
            sandbox_domain: config.sandbox.domain.to_ascii_lowercase(),
        }
    }
}

/// How much of its allowance a key has used, the message in question included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub this_minute: u64,
    pub today: u64,
    /// Recipients of the team that wait, and one for the message in question.
    pub queued: u64,
}

/// What was gathered for one submission.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub now: Timestamp,
    pub limits: &'a Limits,
    /// How the team stands to the From domain; `None` when that is not asked.
    pub standing: Option<DomainStanding>,
    /// Suppressed recipients: the address's comparable form, and the reason.
    pub suppressed: Vec<(String, String)>,
    /// Recipients that wish no broadcast mail, in their comparable form.
    pub unsubscribed: Vec<String>,
    /// The team's template that the message is to be made from; `None` when it asks for none, or there is none.
    pub template: Option<StoredTemplate>,
    pub usage: Usage,
}
