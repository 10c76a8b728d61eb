//! What is put on a message before it leaves, once the next hop told what it can do: for now, that it may go there at all.

use crate::delivery::client::extensions::Extensions;
use crate::model::address::Address;
use crate::model::message::{Body, Message};
use crate::model::outcome::Reply;

/// A message as one next hop can take it.
#[derive(Clone, Debug)]
pub struct Stamped {
    pub content: Body,
    pub eight_bit: bool,
    /// The header fields or the reverse-path need SMTPUTF8, whoever the recipients are.
    pub utf8: bool,
}

/// Makes the message fit for a next hop; the error says why it can never go there.
pub fn stamp(message: &Message, body: &Body, reverse_path: Option<&Address>, offered: &Extensions) -> Result<Stamped, Reply> {
    let utf8 = reverse_path.is_some_and(Address::needs_smtputf8) || (message.eight_bit && !header(body).is_ascii());
    if utf8 && !offered.smtputf8 {
        return Err(unfit("5.6.7", "the message needs SMTPUTF8, which the next hop does not offer"));
    }
    if message.eight_bit && !offered.eight_bit_mime {
        return Err(unfit("5.6.3", "the message needs 8BITMIME, which the next hop does not offer"));
    }
    if offered.size_limit().is_some_and(|limit| body.len() as u64 > limit) {
        return Err(unfit("5.3.4", "the message is larger than the next hop takes"));
    }
    Ok(Stamped { content: body.clone(), eight_bit: message.eight_bit, utf8 })
}

/// Why a recipient can never be reached by way of this next hop, though the message could.
pub fn unreachable(recipient: &Address, offered: &Extensions) -> Option<Reply> {
    (recipient.needs_smtputf8() && !offered.smtputf8)
        .then(|| unfit("5.6.7", "the address needs SMTPUTF8, which the next hop does not offer"))
}

fn unfit(enhanced: &str, text: &str) -> Reply {
    Reply::new(0, Some(enhanced.to_owned()), text)
}

/// The header section, with the empty line that ends it.
fn header(body: &[u8]) -> &[u8] {
    memchr::memmem::find(body, b"\r\n\r\n").map_or(body, |end| &body[..end + 4])
}
