//! Who a message says it is from: exactly one From field with exactly one mailbox.

use crate::mime::fields::Fields;
use crate::mime::mailbox::Mailbox;
use crate::model::address::Address;
use crate::model::key::ApiKey;
use crate::model::refusal::Refusal;
use crate::policy::invalid_header;

/// The From mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its address, or the key's `default_from` in its place. DKIM signs for this domain.
    pub address: Address,
    /// The place of the From field and what it becomes, when `default_from` stands in.
    pub rewrite: Option<(usize, Vec<u8>)>,
}

/// Reads From by the strict parse of [`Mailbox`]. Exact repetitions of the field count as one.
pub fn read(fields: &Fields<'_>, key: &ApiKey) -> Result<Sender, Refusal> {
    let Some(place) = fields.list.iter().position(|field| field.is("From")) else {
        return Err(invalid_header("From", "is missing; a message needs exactly one, with one mailbox"));
    };
    let value = fields.list[place].value;
    let mailbox = Mailbox::parse(value).map_err(|fault| invalid_header("From", &fault.to_string()))?;
    let text = std::str::from_utf8(&value[mailbox.address.clone()]).unwrap_or_default();
    let address = Address::parse(text);
    if let Ok(address) = &address
        && has_full_domain(address)
    {
        return Ok(Sender { address: address.clone(), rewrite: None });
    }
    if let Some(default) = key.rights.default_from.as_deref().and_then(|text| Address::parse(text).ok()) {
        let rewrite = (place, from_field(value, &mailbox, &default));
        return Ok(Sender { address: default, rewrite: Some(rewrite) });
    }
    match address {
        Ok(address) => Ok(Sender { address, rewrite: None }),
        Err(_) if !text.contains('@') => {
            Err(invalid_header("From", "has no domain; give a full address, or the key a default_from"))
        }
        Err(fault) => Err(invalid_header("From", &format!("holds no usable address: {fault}"))),
    }
}

fn has_full_domain(address: &Address) -> bool {
    let domain = address.domain();
    domain.starts_with('[') || domain.trim_end_matches('.').contains('.')
}

/// The field with its name kept and its address replaced.
fn from_field(value: &[u8], mailbox: &Mailbox, address: &Address) -> Vec<u8> {
    let mut field = b"From:".to_vec();
    match &mailbox.phrase {
        Some(phrase) => {
            field.extend_from_slice(&value[phrase.clone()]);
            field.extend_from_slice(format!("<{address}>\r\n").as_bytes());
        }
        None => field.extend_from_slice(format!(" {address}\r\n").as_bytes()),
    }
    field
}
