#![allow(dead_code, reason = "each test takes the part of the support it needs")]
//! Throwaway PostgreSQL clusters, made from the installed server binaries on a free port; never a shared server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A cluster that lives as long as this value, or one that the surrounding script keeps (`POSTHOUSE_TEST_POSTGRES`, a URL without
/// a database).
pub struct Cluster {
    own: Option<Own>,
    base_url: String,
}

struct Own {
    server: Child,
    folder: tempfile::TempDir,
    port: u16,
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Cluster {
    /// Starts a cluster, or takes the one the script keeps. `None` when no server binaries are installed and skipping is allowed.
    pub fn start() -> Option<Self> {
        if let Ok(base_url) = std::env::var("POSTHOUSE_TEST_POSTGRES") {
            return Some(Self { own: None, base_url });
        }
        Self::start_own()
    }

    /// Starts a cluster that the test may stop and start.
    pub fn start_own() -> Option<Self> {
        let Some(bin) = binaries() else {
            assert!(
                std::env::var_os("POSTHOUSE_TEST_NO_SKIPS").is_none(),
                "no PostgreSQL server binaries, and skipping is forbidden"
            );
            eprintln!("skipped: no PostgreSQL server binaries");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder for the cluster");
        run(Command::new("chmod").arg("0777").arg(folder.path()));
        let data = folder.path().join("data");
        run(as_postgres(&bin.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"])
            .arg("-D")
            .arg(&data));
        let port = free_port();
        let server = launch(&bin, &data, folder.path(), port);
        let cluster = Self { own: Some(Own { server, folder, port }), base_url: format!("postgres://postgres@127.0.0.1:{port}") };
        cluster.wait_ready();
        Some(cluster)
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let number = DATABASES.fetch_add(1, Ordering::SeqCst);
        let name = format!("test_{}_{number}", std::process::id());
        let psql = ["-X", "-q", "-d"];
        run(Command::new("psql")
            .args(psql)
            .arg(format!("{}/postgres", self.base_url))
            .args(["-c", &format!("CREATE DATABASE {name}")]));
        format!("{}/{name}", self.base_url)
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&mut self) {
        let own = self.own.as_mut().expect("a cluster of this test's own");
        let pid = own.server.id().to_string();
        // SIGQUIT: immediate shutdown, recovery at the next start.
        run(Command::new("kill").args(["-QUIT", &pid]));
        own.server.wait().expect("the server ends");
    }

    /// Every process of the server stands still, or goes on: it is there, and does not answer.
    pub fn signal_all(&self, signal: &str) {
        let pid = self.own.as_ref().expect("a cluster of this test's own").server.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its processes");
        run(Command::new("kill").arg(signal).arg(pid.to_string()).args(children.split_whitespace()));
    }

    /// Starts the server again.
    pub fn restart(&mut self) {
        let bin = binaries().expect("server binaries");
        let own = self.own.as_mut().expect("a cluster of this test's own");
        own.server = launch(&bin, &own.folder.path().join("data"), own.folder.path(), own.port);
        self.wait_ready();
    }

    fn wait_ready(&self) {
        let deadline = Instant::now() + Duration::from_mins(5);
        let port = self.own.as_ref().map_or(5432, |o| o.port).to_string();
        let ready = || {
            let probe = ["-h", "127.0.0.1", "-p", &port, "-t", "1", "-q"];
            Command::new("pg_isready").args(probe).status().is_ok_and(|s| s.success())
        };
        while !ready() {
            assert!(Instant::now() < deadline, "PostgreSQL did not start");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(own) = &mut self.own {
            let _ = Command::new("kill").args(["-QUIT", &own.server.id().to_string()]).status();
            let _ = own.server.wait();
        }
    }
}

/// Where `initdb` and `postgres` are: Debian keeps them out of the path.
fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|e| Some(e.ok()?.path().join("bin"))).collect();
    versions.sort();
    versions.into_iter().rev().find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

/// PostgreSQL refuses to run as root. The server ends with the thread that started it.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig", "QUIT"]).arg(program);
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0"))
}

fn launch(bin: &Path, data: &Path, sockets: &Path, port: u16) -> Child {
    as_postgres(&bin.join("postgres"))
        .arg("-D")
        .arg(data)
        .args(["-c", "listen_addresses=127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(sockets)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres starts")
}

/// Below those that the kernel gives to whoever asks for any: it stays free while the server is down.
fn free_port() -> u16 {
    let port = rand::random_range(12_000..32_000);
    if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() { port } else { free_port() }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
