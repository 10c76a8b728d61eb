//! `posthouse completions`: a script for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Arguments, output};

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub struct Completions {
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn run(&self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "posthouse", &mut script);
        output::text(&String::from_utf8_lossy(&script))
    }
}
