//! `posthouse ready`: whether the server answers that it is ready, by exit status.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::cli::context::{self, Global};
use crate::config::units::Span;

/// Ask whether the server is ready, by exit status.
#[derive(Debug, clap::Args)]
pub struct Ready {
    /// Ask again until it is, or the time is over.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    timeout: Span,
}

/// How long one question may take, and the pause before the next.
const ONE_QUESTION: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

impl Ready {
    /// Asks once, or until the answer is yes.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        let address = reachable(global.load()?.http.address);
        context::runtime()?.block_on(async {
            let deadline = Instant::now() + self.timeout.0;
            loop {
                let Err(why) = timeout(ONE_QUESTION, ask(address)).await.context("no answer in time").flatten() else {
                    return Ok(());
                };
                if !self.wait || timeout_at(deadline, sleep(PAUSE)).await.is_err() {
                    return Err(why.context(format!("not ready at {address}")));
                }
            }
        })
    }
}

/// Where a server that listens on `address` is reached from this machine.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

async fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or("nothing");
    anyhow::ensure!(status.split(' ').nth(1) == Some("200"), "/readyz says {status:?}");
    Ok(())
}
