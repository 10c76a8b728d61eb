//! The built program, run in a directory of its own and with nothing of this process's environment.

use std::process::{Command, Output};

use tempfile::TempDir;

/// A directory in which the program is run.
pub struct Program {
    pub dir: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// A fresh directory.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A fresh directory with this `posthouse.toml`.
    pub fn with_file(text: &str) -> Self {
        let program = Self::new();
        std::fs::write(program.dir.path().join("posthouse.toml"), text).expect("posthouse.toml");
        program
    }

    /// A command that is not run yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthouse"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// Runs it to its end with these variables.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        Ran::of(command.output().expect("the program runs"))
    }
}

impl Ran {
    /// How a process ended.
    pub fn of(output: Output) -> Self {
        Self {
            status: output.status.code().expect("an exit status"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The answer of a run that must have gone well.
    #[track_caller]
    pub fn answer(&self) -> &str {
        assert_eq!(self.status, 0, "{self:?}");
        &self.stdout
    }
}
