//! A mailbox with the name that is shown for it.

use crate::mime::mailbox;
use crate::model::address::{Address, AddressError};

/// `Name <local@domain>`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// As people read it; never empty.
    pub name: Option<String>,
    pub address: Address,
}

/// Why a text is not exactly one mailbox, in words that follow its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    #[error(transparent)]
    Form(#[from] mailbox::Fault),
    #[error("holds no usable address: {0}")]
    Address(#[from] AddressError),
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}

impl std::str::FromStr for Mailbox {
    type Err = MailboxError;

    /// Reads `local@domain` or `Name <local@domain>`, as strictly as a From field is read, and on one line.
    fn from_str(text: &str) -> Result<Self, MailboxError> {
        if text.chars().any(super::fields::ends_a_line_or_hides) {
            return Err(mailbox::Fault::Bytes.into());
        }
        let places = mailbox::Mailbox::parse(text.as_bytes())?;
        let address = Address::parse(&text[places.address.clone()])?;
        Ok(Self { name: Some(places.name(text.as_bytes())).filter(|name| !name.is_empty()), address })
    }
}
