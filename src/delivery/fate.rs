//! What one attempt came to for one recipient, before anyone asks how often it may be tried again.

use crate::clock::Timestamp;
use crate::delivery::attempts::InFlight;
use crate::delivery::client::error::{ClientError, Step};
use crate::delivery::client::reply::ServerReply;
use crate::delivery::client::transaction::Answer;
use crate::model::outcome::Reply;

/// A recipient's fate at the end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A relay has it, and says no more.
    Sent(Reply),
    /// It is where it should be.
    Delivered(Reply),
    /// Not now.
    Later(Reply),
    /// Never: the next hop refuses it.
    Refused(Reply, Concerns),
    /// Never, and nobody refused it.
    Failed(Reply),
    /// Not before an operator says so.
    Held(Reply),
    /// Not attempted, nor to be before then; why, in words.
    PutOff { until: Timestamp, why: String },
    /// Not attempted, since something of ours was not to be had; what, in words.
    Hindered(String),
    /// Not attempted: no attempt may start any more.
    Released,
    /// Not attempted: the next hop takes it in another transaction, as this one had enough recipients.
    LeftOver,
}

/// What a refusal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// This recipient: there is something to learn of the address.
    Recipient,
    /// The message, its sender, or several recipients at once.
    Message,
}

/// What an attempt came to.
#[derive(Debug)]
pub struct Fates {
    /// In the order of the claim's recipients.
    pub each: Vec<Fate>,
    /// Whoever took it was told what the sender asks to be told of: success is for them to tell (RFC 3461 section 5.2.2).
    pub passed_on: bool,
    /// Why the conversation broke off, if it did in the middle of a transaction.
    pub broke_off: Option<Reply>,
    /// What it asked for less mail by when it ended a connection that another has replaced.
    pub slow_down: Option<Reply>,
    /// The attempt is in flight until these are durable.
    pub in_flight: Option<InFlight>,
}

impl From<Vec<Fate>> for Fates {
    /// Of what nobody was told.
    fn from(each: Vec<Fate>) -> Self {
        Self { each, passed_on: false, broke_off: None, slow_down: None, in_flight: None }
    }
}

impl Fate {
    /// Whether anything was tried, so that there is something to learn of it.
    pub fn is_attempted(&self) -> bool {
        !matches!(self, Self::PutOff { .. } | Self::Hindered(_) | Self::Released | Self::LeftOver)
    }

    /// Whether the next hop took it.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Sent(_) | Self::Delivered(_))
    }

    /// The next hop was the last: what it took is where it should be.
    pub fn arrive(&mut self) {
        if let Self::Sent(reply) = self {
            *self = Self::Delivered(std::mem::take(reply));
        }
    }
}

/// Reads an answer of a relay. Only what is said of the mail itself can end it: a 5xx for the connection, EHLO, STARTTLS or AUTH
/// is a fault of ours. `lone`: no other recipient was accepted along with this one.
pub fn classify(answer: &Answer, lone: bool) -> Fate {
    match answer {
        Ok((Step::Dot, reply)) if reply.is_positive() => Fate::Sent(reply.to_model()),
        Ok((step, reply)) if reply.is_permanent() && speaks_of_mail(*step, reply) => {
            Fate::Refused(reply.to_model(), concerns(*step, lone))
        }
        Ok((_, reply)) => Fate::Later(reply.to_model()),
        Err(failure) => Fate::Later(explain(failure)),
    }
}

/// A failure as a reply: the peer's own when it said one.
pub fn explain(failure: &ClientError) -> Reply {
    failure.reply().map_or_else(|| Reply::fault(failure.to_string()), ServerReply::to_model)
}

/// Whether a 5xx at this step is about the mail.
fn speaks_of_mail(step: Step, reply: &ServerReply) -> bool {
    match step {
        // RFC 5321 section 4.5.3.1.10: 552 to RCPT is an old way to say 452, too many recipients.
        Step::Rcpt if is_552_for_too_many(reply) => false,
        // RFC 4954 section 6: the login is missing or no longer good. RFC 5321 section 4.2.2: out of sequence.
        Step::Mail | Step::Rcpt | Step::Data | Step::Dot => !matches!(reply.code, 503 | 530 | 534 | 535 | 538),
        _ => false,
    }
}

/// MAIL names the sender alone; what is said of the content is said of all whom it was for.
fn concerns(step: Step, lone: bool) -> Concerns {
    match step {
        Step::Rcpt => Concerns::Recipient,
        Step::Data | Step::Dot if lone => Concerns::Recipient,
        _ => Concerns::Message,
    }
}

fn is_552_for_too_many(reply: &ServerReply) -> bool {
    reply.code == 552 && !reply.text.starts_with("5.2.2") && !reply.text.starts_with("5.3.4")
}

/// Whether the peer takes this recipient in another transaction, since this one has enough.
pub fn is_one_too_many(answer: &Answer) -> bool {
    matches!(answer, Ok((Step::Rcpt, reply)) if reply.code == 452 || is_552_for_too_many(reply))
}

/// Whether the peer may have the content.
pub fn may_have_it(answer: &Answer) -> bool {
    !matches!(answer, Ok((Step::Mail | Step::Rcpt | Step::Data, _)))
}

/// Whether the recipient was accepted, whatever became of the message afterwards.
pub fn was_accepted(answer: &Answer) -> bool {
    matches!(answer, Ok((Step::Data | Step::Dot, _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_decides_what_a_code_means() {
        use Concerns::{Message, Recipient};
        // Of one among several, and of the only one.
        let refused = [
            (Step::Mail, 550, [Message, Message]),
            (Step::Rcpt, 550, [Recipient, Recipient]),
            (Step::Rcpt, 553, [Recipient, Recipient]),
            (Step::Data, 554, [Message, Recipient]),
            (Step::Dot, 552, [Message, Recipient]),
        ];
        let later = [
            (Step::Mail, 451),
            (Step::Mail, 530),
            (Step::Mail, 503),
            (Step::Rcpt, 450),
            (Step::Rcpt, 552),
            (Step::Data, 451),
            (Step::Dot, 421),
            (Step::Greeting, 554),
            (Step::Auth, 535),
        ];
        let fate = |step, code, lone| classify(&Ok((step, ServerReply { code, text: "x".to_owned() })), lone);
        for (step, code, expected) in refused {
            for (lone, expected) in [false, true].into_iter().zip(expected) {
                let refused = matches!(fate(step, code, lone), Fate::Refused(_, concerns) if concerns == expected);
                assert!(refused, "{step:?} {code} {lone}");
            }
        }
        for (step, code) in later {
            assert!(matches!(fate(step, code, true), Fate::Later(_)), "{step:?} {code}");
        }
        assert!(matches!(fate(Step::Dot, 250, true), Fate::Sent(_)));
    }

    #[test]
    fn failures_of_the_connection_are_deferrals_whatever_the_peer_said() {
        let reply = ServerReply { code: 554, text: "5.7.1 your address is blocked".to_owned() };
        let Fate::Later(told) = classify(&Err(ClientError::Refused(Step::Greeting, reply)), true) else { panic!("not deferred") };
        assert_eq!(told.line(), "554 5.7.1 your address is blocked");
        assert!(matches!(classify(&Err(ClientError::Closed(Step::Dot)), true), Fate::Later(_)));
    }
}
