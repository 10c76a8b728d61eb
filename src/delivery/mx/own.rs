//! What we are called and where we listen: mail that would come back to us is a loop.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::config::Config;
use crate::model::address::ascii_domain;

/// Our own names and sockets.
#[derive(Clone, Debug, Default)]
pub struct Own {
    names: Vec<String>,
    sockets: Vec<SocketAddr>,
}

impl Own {
    /// From the configuration; a name without a dot (`localhost`) is nobody's alone.
    pub fn new(config: &Config) -> Self {
        let names = [&config.smtp.hostname, &config.delivery.hostname];
        let names = names.into_iter().filter(|name| name.contains('.')).filter_map(|name| ascii_domain(name)).collect();
        let doors = config.smtp.listener.iter().map(|listener| listener.address);
        Self { names, sockets: doors.chain(config.inbound.address.parse()).collect() }
    }

    /// Whether the host is called what we are called.
    pub fn is_called(&self, host: &str) -> bool {
        self.names.iter().any(|name| name == host)
    }

    /// Whether we would answer there.
    pub fn answers_at(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let at = |socket: &SocketAddr| {
            let here = socket.ip().to_canonical();
            socket.port() == address.port() && (here == ip || (here.is_unspecified() && is_of_this_machine(ip)))
        };
        self.sockets.iter().any(at)
    }
}

/// Only what is our own can be bound to.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_know_ourselves() {
        let mut config = Config::defaults();
        config.smtp.hostname = "Gate.Example.org".to_owned();
        config.smtp.listener[0].address = "0.0.0.0:2525".parse().unwrap();
        config.inbound.address = "192.0.2.7:25".to_owned();
        let own = Own::new(&config);
        assert!(own.is_called("gate.example.org") && !own.is_called("localhost"));
        for (address, ours) in [
            ("127.0.0.1:2525", true),
            ("[::ffff:127.0.0.1]:2525", true),
            ("127.0.0.1:25", false),
            ("192.0.2.9:2525", false),
            ("192.0.2.7:25", true),
        ] {
            assert_eq!(own.answers_at(address.parse().unwrap()), ours, "{address}");
        }
        assert!(!Own::new(&Config::defaults()).is_called("localhost"));
    }
}
