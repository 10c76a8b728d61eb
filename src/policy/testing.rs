//! What the rules' tests judge: a submission made of text.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::controls::Controls;
use crate::model::domain::DomainStanding;
use crate::model::envelope::Envelope;
use crate::model::key::{ApiKey, KeyRights, StreamWord};
use crate::model::message::{Body, Source};
use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;
use crate::model::submission::{Submission, Transport};
use crate::policy::{Draft, Facts, Limits, Ruling, Usage, judge};

pub const NOW: Timestamp = Timestamp(1_795_222_861_000);

/// A submission, and what is known of it.
pub struct Case {
    pub rights: KeyRights,
    pub recipients: Vec<&'static str>,
    pub reverse_path: Option<&'static str>,
    pub controls: Option<Controls>,
    pub login_stream: Option<Stream>,
    pub limits: Limits,
    pub standing: Option<DomainStanding>,
    pub suppressed: Vec<(String, String)>,
    pub unsubscribed: Vec<String>,
    pub usage: Usage,
}

impl Case {
    /// A key for transactional mail, a verified domain, one recipient.
    pub fn new() -> Self {
        Self {
            rights: KeyRights { streams: vec![StreamWord(Stream::Transactional)], ..KeyRights::default() },
            recipients: vec!["r@c.test"],
            reverse_path: Some("bounce@b.test"),
            controls: None,
            login_stream: None,
            limits: Limits { verified_domain: true, ..Limits::new(&Config::defaults()) },
            standing: Some(DomainStanding::Verified),
            suppressed: Vec::new(),
            unsubscribed: Vec::new(),
            usage: Usage::default(),
        }
    }

    pub fn submission(&self, message: &str) -> Submission {
        let address = |text: &&str| Address::parse(text).expect("a test's address");
        let key = ApiKey {
            id: Id([1; 16]),
            team: Id([2; 16]),
            name: "test".to_owned(),
            display: "kr_live_test".to_owned(),
            rights: self.rights.clone(),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            requests_per_minute: None,
        };
        Submission {
            key: Arc::new(key),
            source: Source::Smtp,
            envelope: Envelope {
                reverse_path: self.reverse_path.as_ref().map(address),
                recipients: self.recipients.iter().map(|text| address(text).into()).collect(),
                ..Envelope::default()
            },
            mime: Body::free(message.replace('\n', "\r\n").into_bytes()),
            controls: self.controls.clone(),
            login_stream: self.login_stream,
            transport: Transport::default(),
            quirks: Vec::new(),
        }
    }

    /// The ruling on `header`, a From being added where there is none.
    pub fn judge(&self, header: &str) -> Result<Ruling, Refusal> {
        self.with_draft(header, judge)
    }

    /// What `check` finds in the draft of `header`.
    pub fn with_draft<T>(
        &self,
        header: &str,
        check: impl FnOnce(&Draft<'_>, &Facts<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let from = if header.to_ascii_lowercase().contains("from") { "" } else { "From: a@b.test\n" };
        let submission = self.submission(&format!("{from}{header}\n\nbody\n"));
        let facts = Facts {
            now: NOW,
            limits: &self.limits,
            standing: self.standing,
            suppressed: self.suppressed.clone(),
            unsubscribed: self.unsubscribed.clone(),
            template: None,
            usage: self.usage,
        };
        check(&Draft::read(&submission, &self.limits)?, &facts)
    }

    /// The code `header` is refused with; its reply fits in 200 octets of printable ASCII.
    pub fn refused(&self, header: &str) -> Option<Code> {
        let refusal = self.judge(header).err()?;
        let row = refusal.code.row();
        let line = format!("{} {} {}: {}", row.smtp, row.enhanced, row.word, refusal.text);
        assert!(line.len() <= 200, "{} octets: {line}", line.len());
        assert!(line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line}");
        Some(refusal.code)
    }
}
