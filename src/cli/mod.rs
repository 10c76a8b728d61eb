//! The command line: one file a verb. Standard output holds the answer alone; everything else goes to standard error.

pub mod completions;
pub mod config;
pub mod context;
pub mod domains;
pub mod keys;
pub mod migrate;
pub mod output;
pub mod progress;
pub mod queue;
pub mod ready;
pub mod send;
pub mod sendmail;
pub mod serve;
pub mod submit;
pub mod suppressions;
pub mod teams;
pub mod tls_report;
pub mod unsubscribes;
pub mod when;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Global;

/// A mail gateway: SMTP and HTTP in, one durable queue, mail out.
#[derive(Debug, Parser)]
#[command(name = "posthouse", version, max_term_width = 110)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server (what no command means).
    Serve,
    /// API keys: make, list, revoke.
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Teams: make, list.
    #[command(subcommand)]
    Teams(teams::Verb),
    /// Sender domains: add, verify, trust, rotate, disable, enable, list, show, remove.
    #[command(subcommand)]
    Domains(domains::Verb),
    /// Addresses that mail is kept from: add, remove, list.
    #[command(subcommand)]
    Suppressions(suppressions::Verb),
    /// Readers who wish no more broadcast mail: add, remove, list.
    #[command(subcommand)]
    Unsubscribes(unsubscribes::Verb),
    /// The queue: look at it, and lay hands on it.
    #[command(subcommand)]
    Queue(queue::Verb),
    /// How mail was protected on its way to each domain in a day (RFC 8460).
    TlsReport(tls_report::TlsReport),
    /// The configuration: check it, show it.
    #[command(subcommand)]
    Config(config::Verb),
    /// Bring the store up to this version. `serve` does it by itself.
    Migrate,
    /// Ask whether the server is ready, by exit status.
    Ready(ready::Ready),
    /// Send a test message through the SMTP door.
    Send(Box<send::Send>),
    /// Submit a message as the classic sendmail does (-t -i -f; see `posthouse sendmail --help`).
    #[command(disable_help_flag = true)]
    Sendmail {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Print completions for a shell.
    Completions(completions::Completions),
}

/// Used wrongly: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Runs the program with these arguments. The status: 0 done, 1 failed, 2 wrong usage.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    if let [program, rest @ ..] = args.as_slice()
        && Path::new(program).file_name() == Some(OsStr::new("sendmail"))
    {
        return sendmail::run(&Global::default(), rest);
    }
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match arguments.execute() {
        Ok(status) => status,
        // Whoever read the answer has read enough (`posthouse queue list | head`).
        Err(e) if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(e) => {
            output::complain(&format!("{e:#}"));
            if e.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

impl Arguments {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let global = self.global;
        let done = match self.verb.unwrap_or(Verb::Serve) {
            Verb::Sendmail { args } => return Ok(sendmail::run(&global, &args)),
            Verb::Serve => serve::run(&global),
            Verb::Keys(verb) => verb.run(&global),
            Verb::Teams(verb) => verb.run(&global),
            Verb::Domains(verb) => verb.run(&global),
            Verb::Suppressions(verb) => verb.run(&global),
            Verb::Unsubscribes(verb) => verb.run(&global),
            Verb::Queue(verb) => verb.run(&global),
            Verb::TlsReport(report) => report.run(&global),
            Verb::Config(verb) => verb.run(&global),
            Verb::Migrate => migrate::run(&global),
            Verb::Ready(ready) => ready.run(&global),
            Verb::Send(send) => send.run(&global),
            Verb::Completions(completions) => completions.run(),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}
