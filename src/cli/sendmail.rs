//! `posthouse sendmail`: the classic interface to submit a message, as an SMTP client of the door. Also what the program is when
//! it is called by the name `sendmail`.

mod message;
mod options;
mod recipients;

use std::ffi::OsString;
use std::io::Read as _;
use std::process::ExitCode;

use crate::cli::context::{self, Global};
use crate::cli::output;
use crate::cli::submit::{self, Failure, Way};
use crate::config::Config;
use crate::model::address::Address;
use options::{Options, Parsed};

/// The exit statuses of sysexits.h that are used here.
pub mod status {
    pub const USAGE: u8 = 64;
    pub const DATA: u8 = 65;
    pub const NO_USER: u8 = 67;
    pub const UNAVAILABLE: u8 = 69;
    pub const IO: u8 = 74;
    /// Try again later.
    pub const TEMPORARY: u8 = 75;
    pub const NO_PERMISSION: u8 = 77;
    pub const CONFIGURATION: u8 = 78;
}

const HELP: &str = "\
usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [RECIPIENT...] < message

  -t           take recipients from To, Cc and Bcc too; Bcc is removed
  -i, -oi      a line with a single dot does not end the message
  -f, -r ADDR  the envelope's sender; '' or <> is the null sender
  -F NAME      the sender's name, when the message has no From
  --server HOST[:PORT]   the server, instead of the first listener of the configuration
  --key KEY    the API key, instead of POSTHOUSE_KEY or the configuration's
  --config FILE

Other options of the classic interface are taken and ignored.
Exit status: 0 accepted; 75 try again later; 64 to 78 as in sysexits.h.
";

/// Submits what standard input holds. Says nothing when it went well.
pub fn run(global: &Global, args: &[OsString]) -> ExitCode {
    let options = match options::parse(args) {
        Ok(Parsed::Submit(options)) => options,
        Ok(Parsed::Nothing) => return ExitCode::SUCCESS,
        Ok(Parsed::Help) => return output::text(HELP).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(why) => return failed(&Failure::new(status::USAGE, why)),
    };
    match submit(global, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    output::note(&format!("sendmail: {}", failure.text));
    ExitCode::from(failure.status)
}

fn submit(global: &Global, options: &Options) -> Result<(), Failure> {
    let config = configuration(global, options)?;
    let mut input = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut input);
    read.map_err(|e| Failure::new(status::IO, format!("standard input can't be read: {e}")))?;
    let host = submit::own_name(&config);
    let prepared = message::prepare(&input, options, &host)?;
    let way = Way { server: options.server.as_deref(), key: options.key.as_deref(), stream: None };
    let hop = way.hop(&config).map_err(|e| Failure::new(status::CONFIGURATION, format!("{e:#}")))?;
    let runtime = context::runtime().map_err(|e| Failure::new(status::TEMPORARY, format!("{e:#}")))?;
    runtime.block_on(submit::submit(&hop, prepared.sender.as_ref(), &prepared.recipients, &prepared.content)).map(drop)
}

fn configuration(global: &Global, options: &Options) -> Result<Config, Failure> {
    let loaded = global.with_file(options.config.as_deref()).load();
    loaded.map_err(|e| Failure::new(status::CONFIGURATION, format!("{e:#}")))
}

/// An address as a local program writes it: without a domain it is one of this machine.
fn qualified(address: &str, host: &str) -> Result<Address, Failure> {
    let whole = if address.contains('@') { address.to_owned() } else { format!("{address}@{host}") };
    Address::parse(&whole).map_err(|e| Failure::new(status::USAGE, format!("{address:?}: {e}")))
}
