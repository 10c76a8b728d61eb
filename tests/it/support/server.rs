//! A server in a process of its own, on free ports.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::IN_TIME;
use super::program::Program;

/// A running server; killed when dropped.
pub struct Server {
    /// `None` once its end is waited for.
    child: Option<Child>,
    pid: Pid,
    log: PathBuf,
    /// What it printed on its way up.
    pub banner: String,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stderr: String,
}

impl Server {
    /// Starts `posthouse serve` and waits until it has said all that it says.
    pub fn start(program: &Program, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let ports = ["serve", "--set", r#"smtp.listener=[{"address":"127.0.0.1:0"}]"#, "--set", "http.address=127.0.0.1:0"];
        let mut command = program.command(&[&ports, args].concat());
        command.envs(variables.iter().copied());
        Self::spawn(program, command)
    }

    /// Spawns a command that ends up as the server, and waits as [`Server::start`] does.
    pub fn spawn(program: &Program, mut command: Command) -> Self {
        let log = program.dir.path().join("log");
        command.stdout(Stdio::piped()).stderr(File::create(&log).expect("a file for the log"));
        let mut child = command.spawn().expect("the program runs");
        let lines = lines_of(child.stdout.take().expect("standard output"));
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("a process id");
        let mut server = Self { child: Some(child), pid, log, banner: String::new() };
        let deadline = Instant::now() + IN_TIME;
        while !server.banner.lines().any(|line| line.starts_with("swaks ") || line.contains("keys create")) {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => server.banner.push_str(&line),
                Err(_) => panic!("the server did not come up: {:?} {:?}", server.banner, server.log()),
            }
        }
        server
    }

    /// The process's id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it said on standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("UTF-8 on standard error")
    }

    /// Whether it has ended, without anybody's asking.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("our own child").is_some())
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("a signal to our own child");
    }

    /// Where SMTP is spoken: `127.0.0.1:PORT`.
    pub fn smtp(&self) -> String {
        self.row("SMTP").split(',').next().expect("an address").to_owned()
    }

    /// Where HTTP is spoken: `127.0.0.1:PORT`.
    pub fn http(&self) -> String {
        let console = self.row("Console").split(' ').next().expect("an address");
        console.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// The key that was shown.
    pub fn key(&self) -> String {
        self.row("Key").split(' ').next().expect("a key").to_owned()
    }

    /// The line of the banner that begins with this word, without it.
    fn row(&self, name: &str) -> &str {
        let row = self.banner.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(' '));
        row.unwrap_or_else(|| panic!("no {name} in {:?}", self.banner)).trim()
    }

    /// Asks it to close, as the system does, and waits for its end.
    pub fn close(mut self) -> Ended {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it runs");
        let (tell, ended) = mpsc::channel();
        std::thread::spawn(move || tell.send(child.wait()));
        let status = ended.recv_timeout(IN_TIME).expect("the server ends in time").expect("our own child");
        Ended { status: status.code(), stderr: self.log() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Lines as they come, each with its end.
fn lines_of(stdout: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tell.send(format!("{line}\n")).is_err() {
                return;
            }
        }
    });
    lines
}
