//! One mail transaction (RFC 5321 section 3.3), pipelined where the peer takes it (RFC 2920), its content as one chunk where it takes
//! that (RFC 3030).

use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::client::connection::Connection;
use crate::delivery::client::error::{ClientError, Step};
use crate::delivery::client::mail::{Mail, PIECE};
use crate::delivery::client::reply::ServerReply;
use crate::delivery::client::stream::Heard;
use crate::delivery::client::stuff::{Ending, Stuffer};

/// What decided a recipient: the reply at a step, or the failure that ended the conversation.
pub type Answer = Result<(Step, ServerReply), ClientError>;

/// After a write failed: how long the reply that explains it is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The envelope's replies.
struct Opening {
    mail: ServerReply,
    /// In the order of the recipients; a failure ends the list of replies for all that follow.
    recipients: Vec<Answer>,
    /// `None`: DATA was not said, since nobody would have received, or since content goes without it.
    data: Option<Result<ServerReply, ClientError>>,
}

impl Connection {
    /// Sends one message; the answers are in the order of its recipients. An error means that the peer was gone before it answered
    /// anything of this transaction: it can be begun anew elsewhere.
    pub async fn send(&mut self, mail: &Mail<'_>) -> Result<Vec<Answer>, ClientError> {
        let octets = mail.head.len() + mail.content.len();
        self.ends = Some(Instant::now() + self.deadlines.until_the_dot(octets));
        let answers = self.transact(mail).await;
        self.ends = None;
        answers
    }

    async fn transact(&mut self, mail: &Mail<'_>) -> Result<Vec<Answer>, ClientError> {
        self.reset().await?;
        self.begin_transaction();
        let opening = if self.extensions.pipelining { self.open_at_once(mail).await? } else { self.open_by_steps(mail).await? };
        Ok(self.conclude(mail, opening).await)
    }

    /// RSET, when the last transaction was left open.
    async fn reset(&mut self) -> Result<(), ClientError> {
        if !self.in_transaction {
            return Ok(());
        }
        let reply = self.command("RSET", Step::Reset).await?;
        if reply.is_positive() {
            self.in_transaction = false;
            return Ok(());
        }
        self.break_off();
        Err(ClientError::Refused(Step::Reset, reply))
    }

    /// MAIL and all RCPT in one write, with DATA behind them. A chunk waits for their replies: what nobody receives would have to be
    /// written all the same.
    async fn open_at_once(&mut self, mail: &Mail<'_>) -> Result<Opening, ClientError> {
        self.outbox.clear();
        mail.write_mail(&self.extensions, &mut self.outbox);
        for path in mail.recipients {
            mail.write_rcpt(path, &self.extensions, &mut self.outbox);
        }
        if !self.extensions.chunking {
            self.outbox.extend_from_slice(b"DATA\r\n");
        }
        self.flush(Step::Mail).await?;
        let answer = self.mail_reply().await?;
        let mut recipients = Vec::with_capacity(mail.recipients.len());
        for _ in mail.recipients {
            recipients.push(self.rcpt_reply(recipients.last()).await);
        }
        let data = match recipients.last() {
            Some(Err(_)) => None,
            _ if self.extensions.chunking => None,
            _ => Some(self.reply(Step::Data).await),
        };
        Ok(Opening { mail: answer, recipients, data })
    }

    /// One command at a time.
    async fn open_by_steps(&mut self, mail: &Mail<'_>) -> Result<Opening, ClientError> {
        self.outbox.clear();
        mail.write_mail(&self.extensions, &mut self.outbox);
        self.flush(Step::Mail).await?;
        let answer = self.mail_reply().await?;
        let mut opening = Opening { mail: answer, recipients: Vec::with_capacity(mail.recipients.len()), data: None };
        if !opening.mail.is_positive() {
            return Ok(opening);
        }
        for path in mail.recipients {
            if !matches!(opening.recipients.last(), Some(Err(_))) {
                mail.write_rcpt(path, &self.extensions, &mut self.outbox);
            }
            let answer = match self.flush(Step::Rcpt).await {
                Ok(()) => self.rcpt_reply(opening.recipients.last()).await,
                Err(failure) => Err(failure),
            };
            opening.recipients.push(answer);
        }
        let in_step = !matches!(opening.recipients.last(), Some(Err(_)));
        if in_step && !self.extensions.chunking && opening.recipients.iter().any(is_accepted) {
            opening.data = Some(self.command("DATA", Step::Data).await);
        }
        Ok(opening)
    }

    /// The first reply of a transaction; without one, nothing was begun.
    async fn mail_reply(&mut self) -> Result<ServerReply, ClientError> {
        let reply = self.reply(Step::Mail).await?;
        if reply.code == 421 { Err(ClientError::Refused(Step::Mail, reply)) } else { Ok(reply) }
    }

    /// One RCPT's reply; after a failure there are no more.
    async fn rcpt_reply(&mut self, before: Option<&Answer>) -> Answer {
        match before {
            Some(Err(failure)) => Err(failure.clone()),
            _ => match self.reply(Step::Rcpt).await? {
                reply if reply.code == 421 => Err(ClientError::Refused(Step::Rcpt, reply)),
                reply if reply.code / 100 == 3 => {
                    self.break_off();
                    Err(ClientError::OutOfStep(Step::Rcpt, reply))
                }
                reply => Ok((Step::Rcpt, reply)),
            },
        }
    }

    /// From the envelope's replies to each recipient's answer, by way of the content when anybody is to receive it.
    async fn conclude(&mut self, mail: &Mail<'_>, opening: Opening) -> Vec<Answer> {
        let Opening { mail: answer, mut recipients, data } = opening;
        let goes = answer.is_positive() && recipients.iter().any(is_accepted);
        if goes {
            let verdict = match (recipients.last(), data) {
                // Who was lost on the way to the last recipient is not told the content.
                (Some(Err(failure)), _) => Err(failure.clone()),
                (_, None) => self.content(mail, Ending::Length).await,
                (_, Some(Ok(reply))) if reply.code == 354 => self.content(mail, Ending::Dot).await,
                (_, Some(Ok(reply))) => self.data_refused(reply),
                (_, Some(Err(failure))) => Err(failure),
            };
            recipients.iter_mut().filter(|answer| is_accepted(answer)).for_each(|answer| *answer = verdict.clone());
            return recipients;
        }
        if matches!(&data, Some(Ok(reply)) if reply.code == 354) {
            self.lone_dot().await;
        }
        if answer.is_positive() {
            return recipients;
        }
        let verdict = if answer.code / 100 == 3 { Err(self.out_of_step(Step::Mail, answer)) } else { Ok((Step::Mail, answer)) };
        vec![verdict; mail.recipients.len()]
    }

    /// What is neither 354 nor a refusal leaves the two of us out of step.
    fn data_refused(&mut self, reply: ServerReply) -> Answer {
        if reply.is_transient() || reply.is_permanent() {
            Ok((Step::Data, reply))
        } else {
            Err(self.out_of_step(Step::Data, reply))
        }
    }

    fn out_of_step(&mut self, step: Step, reply: ServerReply) -> ClientError {
        self.break_off();
        ClientError::OutOfStep(step, reply)
    }

    /// RFC 2920 section 3.1: 354 though nobody receives is answered by the final dot alone.
    async fn lone_dot(&mut self) {
        self.outbox.clear();
        self.outbox.extend_from_slice(b".\r\n");
        if self.flush(Step::Dot).await.is_ok() && self.reply(Step::Dot).await.is_ok() {
            self.in_transaction = false;
        }
    }

    /// The content to its end, and the reply to that.
    async fn content(&mut self, mail: &Mail<'_>, ending: Ending) -> Answer {
        if let Err(failure) = self.write_content(mail, ending).await {
            return self.last_words(failure).await;
        }
        let reply = self.reply(Step::Dot).await?;
        // RFC 3030 section 2: a transaction whose chunk is refused has failed, and only RSET is sure to end it.
        self.in_transaction = ending == Ending::Length && !reply.is_positive();
        if reply.code / 100 == 3 { Err(self.out_of_step(Step::Dot, reply)) } else { Ok((Step::Dot, reply)) }
    }

    /// Writes the content while the peer keeps silent. BDAT goes with the first piece, and the final dot with the last.
    async fn write_content(&mut self, mail: &Mail<'_>, ending: Ending) -> Result<(), ClientError> {
        let mut stuffer = Stuffer::new(ending);
        let octets = (ending == Ending::Length).then(|| self.measure(mail));
        self.outbox.clear();
        if let Some(octets) = octets {
            self.outbox.extend_from_slice(format!("BDAT {octets} LAST\r\n").as_bytes());
        }
        for piece in mail.pieces() {
            if self.outbox.len() >= PIECE {
                self.flush(Step::Content).await?;
            }
            match self.listen().await {
                Heard::Nothing => {}
                Heard::Octets => return Err(ClientError::OutOfTurn(Step::Content)),
                Heard::End => return Err(ClientError::Closed(Step::Content)),
            }
            stuffer.push(piece, &mut self.outbox);
        }
        stuffer.finish(&mut self.outbox);
        self.flush(Step::Dot).await
    }

    /// The octets of the content as it will be written, found by writing it nowhere.
    fn measure(&mut self, mail: &Mail<'_>) -> usize {
        let (mut stuffer, mut octets) = (Stuffer::new(Ending::Length), 0);
        for piece in mail.pieces() {
            self.outbox.clear();
            stuffer.push(piece, &mut self.outbox);
            octets += self.outbox.len();
        }
        self.outbox.clear();
        stuffer.finish(&mut self.outbox);
        octets + self.outbox.len()
    }

    /// After a failed write, or words out of turn: a refusal among what the peer said explains it. A `250` does not: it can't have
    /// taken what it has not got. The connection ends without the final dot.
    async fn last_words(&mut self, failure: ClientError) -> Answer {
        self.break_off();
        match self.reply_within(Step::Dot, LAST_WORDS).await {
            Ok(reply) if reply.is_transient() || reply.is_permanent() => Ok((Step::Dot, reply)),
            _ => Err(failure),
        }
    }
}

fn is_accepted(answer: &Answer) -> bool {
    matches!(answer, Ok((Step::Rcpt, reply)) if reply.is_positive())
}
