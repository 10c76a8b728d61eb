//! Values for this module's own tests.

use crate::clock::{Clock, Timestamp};
use crate::id::Ids;
use crate::model::message::{Message, Source, Tracking};
use crate::model::stream::Stream;

/// A small message made at `created_at`.
pub fn message(created_at: Timestamp) -> Message {
    let ids = Ids::random(Clock::System);
    Message {
        id: ids.next(),
        team: ids.next(),
        key: None,
        stream: Stream::Transactional,
        source: Source::Smtp,
        sandbox: false,
        reverse_path: Some("from@example.com".to_owned()),
        smtputf8: false,
        eight_bit: false,
        ret: None,
        envid: None,
        from: "from@example.com".to_owned(),
        from_header: "from@example.com".to_owned(),
        to_header: String::new(),
        cc_header: String::new(),
        reply_to: String::new(),
        subject: "a test".to_owned(),
        message_id: "<a@example.com>".to_owned(),
        tags: Vec::new(),
        tracking: Tracking::default(),
        ignore_unsubscribe: false,
        send_at: None,
        size: 0,
        created_at,
    }
}
