//! What somebody did with a copy of a message: opened it, or followed a link of it.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::id::Id;
use crate::model::event::EventKind;

/// What was done with whose copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engagement {
    pub message: Id,
    /// The recipient's place in the message.
    pub place: i64,
    pub deed: Deed,
    pub by: Visitor,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Opened,
    /// The target of the link.
    Clicked(String),
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub ip: IpAddr,
    /// What its program calls itself, clipped; empty: nothing.
    pub user_agent: String,
    /// No person, but a program by itself.
    pub automated: bool,
}

impl Engagement {
    /// The kind of event it is.
    pub fn kind(&self) -> EventKind {
        match self.deed {
            Deed::Opened => EventKind::Opened,
            Deed::Clicked(_) => EventKind::Clicked,
        }
    }

    /// The evidence: `ip`, `user_agent`, for a click `url`; `automated` where it was a program.
    pub fn detail(&self) -> Value {
        let Visitor { ip, user_agent, automated } = &self.by;
        let mut detail = json!({ "ip": ip.to_string(), "user_agent": user_agent });
        if let Deed::Clicked(url) = &self.deed {
            detail["url"] = url.as_str().into();
        }
        if *automated {
            detail["automated"] = true.into();
        }
        detail
    }
}
