//! `posthouse send`: a small test sender, by SMTP like everybody else.

use anyhow::Context as _;

use crate::cli::context::{self, Global};
use crate::cli::output;
use crate::cli::submit::{self, Way};
use crate::mime::compose::Draft;
use crate::model::address::Address;
use crate::model::stream::Stream;

/// Send a test message through the SMTP door, and print what the server says to it.
#[derive(Debug, clap::Args)]
pub struct Send {
    /// To whom. Repeat for more.
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<Address>,
    /// From whom, in the envelope and in the message.
    #[arg(long, value_name = "ADDRESS")]
    from: Address,
    #[arg(long, default_value = "A test message")]
    subject: String,
    /// The text of the message.
    #[arg(long, default_value = "This message was sent by `posthouse send`.")]
    text: String,
    /// The same as HTML, beside the text.
    #[arg(long)]
    html: Option<String>,
    /// Another field, such as "X-Krafter-Tag: greeting". Repeat for more.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(String, String)>,
    /// The stream, named in the login; only a key for both needs it.
    #[arg(long)]
    stream: Option<Stream>,
    /// The server, instead of the first listener of the configuration.
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// The API key, instead of POSTHOUSE_KEY or the configuration's.
    #[arg(long)]
    key: Option<String>,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { Ok((name.to_owned(), value.trim().to_owned())) } else { Err(format!("{name:?} is not the name of a field")) }
}

impl Send {
    /// Sends the message.
    pub fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        context::log_faults(&config)?;
        let way = Way { server: self.server.as_deref(), key: self.key.as_deref(), stream: self.stream };
        let hop = way.hop(&config)?;
        let draft = Draft {
            from: self.from.clone().into(),
            to: self.to.iter().cloned().map(Into::into).collect(),
            cc: Vec::new(),
            reply_to: Vec::new(),
            subject: self.subject,
            text: Some(self.text),
            html: self.html,
            attachments: Vec::new(),
            headers: self.headers,
        };
        let content = draft.compose().context("the message can't be written")?;
        let reply = context::runtime()?.block_on(submit::submit(&hop, Some(&self.from), &self.to, &content))?;
        output::line(&output::clean(&format!("{} {}", reply.code, reply.text.replace('\n', " "))))
    }
}
