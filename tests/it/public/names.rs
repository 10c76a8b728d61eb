//! A domain's own name for links: it is used once a link below it led here by HTTPS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::delivery::dns::Resolver;
use posthouse::domains::keys;
use posthouse::domains::look::Seen;
use posthouse::domains::watch::Watch;
use posthouse::id::Id;
use posthouse::shutdown::Shutdown;
use posthouse::store::Store;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::House;
use crate::support::certificate::Identity;
use crate::support::dns::{Dns, Records};
use crate::support::stores::{Book, on_every_engine};

const NAME: &str = "track.ours.test";

/// What serves HTTPS, as a proxy does.
#[derive(Clone, Copy, Debug)]
enum Behind {
    /// The pages of a house.
    House(SocketAddr),
    /// A site that has a page for everything.
    Site,
    /// One that leads everybody elsewhere.
    Moved,
}

/// It ends when this is dropped.
struct Front {
    port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    async fn start(tls: Arc<ServerConfig>, behind: Behind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, connections) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass_on(TlsAcceptor::from(tls.clone()), tcp, behind));
            }
        });
        Self { port, connections, task }
    }
}

async fn pass_on(acceptor: TlsAcceptor, tcp: TcpStream, behind: Behind) -> std::io::Result<()> {
    let mut client = acceptor.accept(tcp).await?;
    let canned = match behind {
        Behind::House(address) => {
            let mut house = TcpStream::connect(address).await?;
            tokio::io::copy_bidirectional(&mut client, &mut house).await?;
            return Ok(());
        }
        Behind::Site => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        Behind::Moved => "HTTP/1.1 302 Found\r\nLocation: https://gate.test/\r\nContent-Length: 0\r\n\r\n",
    };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && client.read_buf(&mut request).await? > 0 {}
    client.write_all(canned.as_bytes()).await?;
    client.shutdown().await
}

/// A domain with all its records and a name for its links, and the pages that these lead to.
struct Scene {
    store: Store,
    dns: Dns,
    folder: tempfile::TempDir,
    team: Id,
    pages: SocketAddr,
    shutdown: Shutdown,
}

/// How the house is reached by the name of its domain.
struct Way {
    shown: Identity,
    trusted: bool,
    behind: Behind,
    allow_private_addresses: bool,
}

impl Scene {
    async fn over(book: &Book) -> Self {
        let (store, shutdown) = (book.store.clone(), Shutdown::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pages = listener.local_addr().unwrap();
        let house = House::with(book, |config| config.public_url = "https://gate.test".to_owned()).await;
        tokio::spawn(posthouse::door::http::run(listener, house.context, shutdown.clone()));
        let team = store.create_team("us").await.unwrap().id;
        keys::trust(&store, team, "ours.test", Clock::System.now()).await.unwrap();
        let zone = Records::default().cname(NAME, "gate.test").address("gate.test", IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self { store, dns: Dns::start(zone).await, folder: tempfile::tempdir().unwrap(), team, pages, shutdown }
    }

    fn way(&self) -> Way {
        let behind = Behind::House(self.pages);
        Way { shown: Identity::of(&[NAME]), trusted: true, behind, allow_private_addresses: true }
    }

    /// Looks at the domain. What it says of its name for links, whether that is used from now on, and how often it was called.
    async fn look(&self, way: Way) -> (Seen, bool, usize) {
        let front = Front::start(way.shown.server(), way.behind).await;
        let ca = self.folder.path().join("ca.pem");
        std::fs::write(&ca, way.shown.anchor()).unwrap();
        let mut config = Config::defaults();
        config.public_url = format!("https://gate.test:{}", front.port);
        config.delivery.direct.allow_private_addresses = way.allow_private_addresses;
        config.tracking.ca = if way.trusted { ca.display().to_string() } else { String::new() };
        let resolver = Resolver::new(&self.dns.config()).unwrap();
        let watch = Watch::new(self.store.clone(), resolver, &config, Clock::System).unwrap();
        let domain = self.store.domain(self.team, "ours.test").await.unwrap().unwrap();
        let seen = watch.look(&domain).await.unwrap().pop().unwrap().seen;
        let used = self.store.tracking_host(self.team, "ours.test").await.unwrap();
        assert!(used.as_deref().is_none_or(|name| name == NAME));
        (seen, used.is_some(), front.connections.load(Ordering::SeqCst))
    }
}

#[test]
fn a_name_is_used_once_a_link_below_it_led_here() {
    on_every_engine(async |book| {
        let scene = Scene::over(&book).await;
        assert_eq!(scene.look(scene.way()).await, (Seen::Right, true, 1));
        let faults = [
            (Way { trusted: false, ..scene.way() }, "its certificate will not do: "),
            (Way { shown: Identity::of(&["gate.test"]), ..scene.way() }, "its certificate will not do: "),
            (Way { shown: Identity::expired(&[NAME]), ..scene.way() }, "its certificate will not do: "),
            (Way { behind: Behind::Site, ..scene.way() }, "the answer to a link is 200 OK, "),
            (Way { behind: Behind::Moved, ..scene.way() }, "the answer to a link is 302 Found, "),
        ];
        for (way, why) in faults {
            let (seen, used, calls) = scene.look(way).await;
            let told = matches!(&seen, Seen::Unanswered(text) if text.starts_with("the CNAME is there, but https://track.ours.test:")
                && text.contains(why));
            assert!(told && !used && calls == 1, "{seen:?}");
        }
        assert!(scene.look(scene.way()).await.1, "it is used again as soon as it is there again");
        let private = scene.look(Way { allow_private_addresses: false, ..scene.way() }).await;
        assert!(matches!(&private.0, Seen::Unanswered(why) if why.ends_with("it has no address on the Internet")), "{private:?}");
        assert_eq!((private.1, private.2), (false, 0), "nobody is called on a private network");
        scene.dns.replace(Records::default());
        assert_eq!(scene.look(scene.way()).await, (Seen::Missing, false, 0));
        scene.shutdown.begin();
    });
}

#[test]
fn in_the_clear_the_record_is_enough() {
    on_every_engine(async |book| {
        let scene = Scene::over(&book).await;
        let mut config = Config::defaults();
        config.public_url = "http://gate.test".to_owned();
        let resolver = Resolver::new(&scene.dns.config()).unwrap();
        let watch = Watch::new(book.store.clone(), resolver, &config, Clock::System).unwrap();
        let domain = book.store.domain(scene.team, "ours.test").await.unwrap().unwrap();
        assert_eq!(watch.look(&domain).await.unwrap().pop().unwrap().seen, Seen::Right);
        assert!(book.store.tracking_host(scene.team, "ours.test").await.unwrap().is_some());
        scene.shutdown.begin();
    });
}
