//! Everything the door says, by name. Refusals stand on one line, since many clients show only one.

use crate::door::keyring::Denied;
use crate::door::smtp::session::Busy;
use crate::door::smtp::settings::Settings;
use crate::model::address::AddressError;
use crate::model::refusal::{Code, Refusal};
use crate::model::submission::{LeftOut, Receipt};
use crate::wire::command::CommandError;
use crate::wire::parameter::ParameterError;
use crate::wire::reply::Reply;

fn reply(code: u16, enhanced: &'static str, text: impl Into<std::borrow::Cow<'static, str>>) -> Reply {
    Reply::new(code, Some(enhanced), text)
}

// The session as a whole.

pub fn greeting(settings: &Settings) -> Reply {
    Reply::new(220, None, format!("{} ESMTP Posthouse", settings.hostname))
}

/// Instead of a greeting, and with a name as that has (RFC 5321 section 4.3.2).
pub fn busy(settings: &Settings, why: Busy) -> Reply {
    let host = &settings.hostname;
    match why {
        Busy::Draining => reply(421, "4.3.2", format!("{host} is closing down; connect again")),
        Busy::TooManyConnections => reply(421, "4.7.0", format!("{host}: too many connections; close some, or try again later")),
    }
}

pub fn closing_down() -> Reply {
    reply(421, "4.3.2", "the server is closing down; connect again")
}

pub fn idle() -> Reply {
    reply(421, "4.4.2", "nothing was heard for too long; closing")
}

pub fn too_slow() -> Reply {
    reply(421, "4.4.2", "the message comes too slowly; closing")
}

pub fn too_many_errors() -> Reply {
    reply(421, "4.7.0", "too many errors; closing")
}

pub fn too_many_failed_logins() -> Reply {
    reply(421, "4.7.0", "too many failed logins; closing")
}

pub fn too_much_idling() -> Reply {
    reply(421, "4.7.0", "too many commands that send no mail; closing")
}

pub fn bye() -> Reply {
    reply(221, "2.0.0", "Bye")
}

// Commands that are none.

pub fn command_error(error: &CommandError) -> Reply {
    match error {
        CommandError::UnknownVerb => reply(500, "5.5.1", "command not known"),
        CommandError::OtherProtocol => reply(554, "5.5.1", "this port speaks SMTP, and the client does not; closing"),
        CommandError::Syntax(what) => reply(501, "5.5.2", *what),
        CommandError::Argument(what) => reply(501, "5.5.4", *what),
        CommandError::ReversePath(why) => reply(501, "5.1.7", format!("bad sender address: {why}")),
        CommandError::ForwardPath(AddressError::NoDomain) => {
            reply(501, "5.1.3", "bad recipient address: there is no @ with a domain after it, and no mailbox is local here")
        }
        CommandError::ForwardPath(why) => reply(501, "5.1.3", format!("bad recipient address: {why}")),
        CommandError::Parameter(why @ ParameterError::Unknown(_)) => reply(555, "5.5.4", why.to_string()),
        CommandError::Parameter(why) => reply(501, "5.5.4", why.to_string()),
        CommandError::ChunkSize => reply(501, "5.5.4", "write BDAT octets [LAST]; what follows can't be counted, closing"),
    }
}

pub fn line_too_long() -> Reply {
    reply(500, "5.5.2", "the line is too long, or not ended by CRLF")
}

pub fn out_of_order(what: &'static str) -> Reply {
    reply(503, "5.5.1", what)
}

// EHLO, NOOP and the like.

/// The answer to EHLO: the name, then a line for each of `extensions`.
pub fn extensions(settings: &Settings, mut extensions: Vec<String>) -> Reply {
    let last = extensions.pop();
    let mut answer = Reply::new(250, None, last.unwrap_or_default()).remark(settings.hostname.clone());
    answer.remarks.append(&mut extensions);
    answer
}

pub fn hello(settings: &Settings) -> Reply {
    Reply::new(250, None, settings.hostname.clone())
}

pub fn ok() -> Reply {
    reply(250, "2.0.0", "Ok")
}

pub fn help() -> Reply {
    reply(214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; AUTH takes an API key as the password")
}

pub fn not_verified() -> Reply {
    reply(252, "2.5.0", "addresses are not looked up here; send, and see")
}

pub fn no_lists() -> Reply {
    reply(502, "5.5.1", "there are no lists here")
}

// STARTTLS.

pub fn go_ahead() -> Reply {
    reply(220, "2.0.0", "go ahead")
}

pub fn tls_not_offered() -> Reply {
    reply(502, "5.5.1", "STARTTLS is not offered here")
}

pub fn tls_broken() -> Reply {
    reply(454, "4.7.0", "TLS is not available: the server's certificate can't be loaded")
}

pub fn tls_first() -> Reply {
    reply(530, "5.7.0", "issue STARTTLS first")
}

// AUTH.

pub fn challenge(base64: &'static str) -> Reply {
    Reply::new(334, None, base64)
}

pub fn authenticated() -> Reply {
    reply(235, "2.7.0", "authenticated")
}

pub fn auth_needs_tls() -> Reply {
    reply(538, "5.7.11", "AUTH is taken only over TLS here, so that the key stays secret")
}

pub fn unknown_mechanism() -> Reply {
    reply(504, "5.5.4", "mechanism not known; PLAIN and LOGIN are")
}

pub fn bad_base64() -> Reply {
    reply(501, "5.5.2", "the response is not base64 of what the mechanism asks for")
}

pub fn auth_cancelled() -> Reply {
    reply(501, "5.7.0", "authentication cancelled")
}

/// Why a key does not open the door, for the person who holds it.
pub fn denied_because(denied: &Denied) -> &'static str {
    match denied {
        Denied::Unknown => "the password is not a valid API key",
        Denied::Expired => "the API key has expired",
        Denied::Network => "the API key is not for use from this network",
        Denied::Unavailable => "the store can't be asked now",
    }
}

pub fn denied(denied: &Denied) -> Reply {
    match denied {
        Denied::Unknown => {
            reply(535, "5.7.8", "authentication failed: the password is not a valid API key; any user name will do")
        }
        Denied::Expired | Denied::Network => reply(525, "5.7.13", format!("authentication failed: {}", denied_because(denied))),
        Denied::Unavailable => reply(454, "4.7.0", "authentication is not possible now: the store can't be asked; try again"),
    }
}

pub fn auth_required() -> Reply {
    reply(530, "5.7.0", "authentication required: AUTH PLAIN or LOGIN, any user name, an API key as the password")
}

pub fn auth_required_after(reason: &'static str) -> Reply {
    reply(530, "5.7.0", format!("authentication required; the last attempt failed: {reason}"))
}

pub fn no_way_in() -> Reply {
    reply(
        530,
        "5.7.0",
        "authentication required, but this listener offers this peer neither TLS nor AUTH; see [tls] and cleartext_auth",
    )
}

// MAIL, RCPT.

pub fn sender_ok() -> Reply {
    reply(250, "2.1.0", "Ok")
}

pub fn recipient_ok() -> Reply {
    reply(250, "2.1.5", "Ok")
}

pub fn needs_smtputf8() -> Reply {
    reply(553, "5.6.7", "an address that is not ASCII needs the SMTPUTF8 parameter at MAIL")
}

pub fn too_many_recipients(limit: usize) -> Reply {
    refused(&Refusal::new(Code::TooManyRecipients, format!("{limit} are taken in one message; send the rest in another")))
}

// The message.

pub fn send_it() -> Reply {
    Reply::new(354, None, "end with <CR><LF>.<CR><LF>")
}

pub fn no_valid_recipients() -> Reply {
    reply(554, "5.5.1", "no valid recipients")
}

pub fn chunk_ok(octets: u64) -> Reply {
    reply(250, "2.0.0", format!("{octets} octets received"))
}

pub fn too_large(limit: u64) -> Refusal {
    Refusal::new(Code::MessageTooLarge, format!("a message may have {limit} octets"))
}

pub fn holds_nul() -> Refusal {
    Refusal::new(Code::InvalidMessage, "the message holds a NUL octet; encode binary parts in base64")
}

pub fn bare_newline() -> Refusal {
    Refusal::new(Code::InvalidMessage, "the message holds a CR or LF of its own; end lines by CRLF")
}

pub fn no_room() -> Reply {
    reply(452, "4.3.1", "too much mail is being received at once; try again")
}

/// A refusal of intake: `550 5.7.1 forbidden_header: ...`.
pub fn refused(refusal: &Refusal) -> Reply {
    let row = refusal.code.row();
    reply(row.smtp, row.enhanced, refusal.to_string())
}

/// Accepted and durable. The last line has one form, by which clients and log tools find the id.
pub fn queued(receipt: &Receipt) -> Reply {
    let mut queued = reply(250, "2.0.0", format!("Ok: queued as {}", receipt.id));
    if let Some(replay) = &receipt.replay_of {
        let at = replay.accepted_at.rfc3339();
        // 2026-11-21T12:01:07.250Z: the time of day is enough, the window is a day.
        let time = at.get(11..19).unwrap_or(&at);
        queued = queued.remark(format!("already accepted at {time}Z, not sent again"));
    }
    let LeftOut { suppressed, unsubscribed } = &receipt.left_out;
    for (addresses, why) in [(suppressed, "suppressed"), (unsubscribed, "unsubscribed")] {
        if !addresses.is_empty() {
            let (some, all) = (addresses.len(), receipt.recipients);
            queued = queued.remark(format!("{some} of {all} recipients {why}: {}", addresses.join(", ")));
        }
    }
    queued
}
