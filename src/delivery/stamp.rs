//! What is put on a message before it leaves, once the next hop told what it can do: what the hop lacks is made up for, and last of
//! all it is signed.

use std::borrow::Cow;

use bytes::Bytes;

use crate::delivery::client::extensions::Extensions;
use crate::delivery::signing::Signing;
use crate::mime::adapt::{Hop, adapt};
use crate::mime::parts::Reach;
use crate::model::address::Address;
use crate::model::message::Body;
use crate::model::outcome::Reply;

/// A message as one next hop can take it.
#[derive(Clone, Debug)]
pub struct Stamped {
    /// Fields that stand before the content.
    pub head: Bytes,
    pub content: Body,
    pub eight_bit: bool,
    /// The header fields or the reverse-path need SMTPUTF8, whoever the recipients are.
    pub utf8: bool,
}

/// Makes the message fit for a next hop, puts the fields in `top` above it, and signs it; the error says why it can never go there.
pub fn stamp(
    body: &Body,
    top: &[u8],
    reverse_path: Option<&Address>,
    offered: &Extensions,
    reach: Reach,
    signing: Option<&Signing>,
) -> Result<Stamped, Reply> {
    if reverse_path.is_some_and(Address::needs_smtputf8) && !offered.smtputf8 {
        return Err(unfit("5.6.7", "the reverse-path needs SMTPUTF8, which the next hop does not offer"));
    }
    let hop = Hop { eight_bit_mime: offered.eight_bit_mime, smtputf8: offered.smtputf8 };
    let adapted = adapt(body, hop, reach).map_err(|obstacle| unfit(obstacle.enhanced(), &obstacle.to_string()))?;
    let utf8 = adapted.smtputf8 || reverse_path.is_some_and(Address::needs_smtputf8);
    let content = match adapted.bytes {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(bytes) => body.replaced(bytes),
    };
    let signatures = signing.map(|signing| signing.fields(top, &content)).unwrap_or_default();
    let head = if top.is_empty() { signatures } else { [&signatures, top].concat().into() };
    if offered.size_limit().is_some_and(|limit| (head.len() + content.len()) as u64 > limit) {
        return Err(unfit("5.3.4", "the message is larger than the next hop takes"));
    }
    let eight_bit = !content.is_ascii();
    Ok(Stamped { head, content, eight_bit, utf8 })
}

/// Why a recipient can never be reached by way of this next hop, though the message could.
pub fn unreachable(recipient: &Address, offered: &Extensions) -> Option<Reply> {
    (recipient.needs_smtputf8() && !offered.smtputf8)
        .then(|| unfit("5.6.7", "the address needs SMTPUTF8, which the next hop does not offer"))
}

fn unfit(enhanced: &str, text: &str) -> Reply {
    Reply::new(0, Some(enhanced.to_owned()), text)
}
