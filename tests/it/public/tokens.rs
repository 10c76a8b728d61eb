//! Only what we made leads anywhere.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use posthouse::door::http::run;
use posthouse::id::Id;
use posthouse::shutdown::Shutdown;
use posthouse::store::secrets::LINKS;
use posthouse::tracking::links::CLICK;
use posthouse::tracking::token::{Purpose, Seal, Token};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{FIREFOX, House, TARGET, page};
use crate::support::IN_TIME;
use crate::support::nouns::acceptance;
use crate::support::stores::{on_every_engine, on_sqlite};

#[test]
fn a_link_of_the_house_leads_on_by_any_name_but_those_of_domains() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        for host in ["127.0.0.1:8025", "tracks.shop.example", "mail.example", "track"] {
            let answer = house.get(&house.click(), &[("host", host)]).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (302, TARGET), "{answer:?}");
            assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), ("no-store", "no-referrer"));
            let answer = house.get(&house.open(), &[("host", host)]).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/gif"), "{answer:?}");
            assert!(answer.body.starts_with(b"GIF89a") && answer.header("cache-control") == "no-store");
            assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        }
        let before = house.events().await.len();
        for path in [house.click(), house.open(), house.copy(Purpose::Unsubscribe)] {
            for host in ["track.shop.example", "Track.Shop.Example.:443"] {
                let answer = house.get(&path, &[("host", host)]).await;
                assert_eq!((answer.status.as_u16(), answer.header("location")), (404, ""), "{host}: {path}");
            }
        }
        assert_eq!(house.events().await.len(), before);
    });
}

#[test]
fn a_link_of_a_domain_leads_on_by_its_own_name_alone() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let seal = Seal::new(&house.store.secret(LINKS).await.unwrap()).at("track.shop.example");
        let click = Token::new(Purpose::Click(TARGET.to_owned()), house.message, 0);
        let path = format!("{CLICK}/{}", seal.text(&click));
        for (host, status) in [
            ("track.shop.example", 302),
            ("Track.Shop.Example.:443", 302),
            ("track.victim.example", 404),
            ("shop.example", 404),
            ("127.0.0.1:8025", 404),
        ] {
            assert_eq!(house.get(&path, &[("host", host)]).await.status.as_u16(), status, "{host}");
        }
        assert_eq!(house.get(&path, &[]).await.status.as_u16(), 404);
        // The target names the host; the field is not looked at then (RFC 9112 section 3.2.2).
        let absolute = |host: &str| format!("http://{host}{path}");
        let own = [("host", "track.shop.example")];
        assert_eq!(house.get(&absolute("track.victim.example"), &own).await.status.as_u16(), 404);
        assert_eq!(house.get(&absolute("track.shop.example:8025"), &[]).await.status.as_u16(), 302);
    });
}

#[test]
fn a_link_leads_nobody_on_in_the_name_of_who_has_the_domain_now() {
    on_every_engine(async |book| {
        let (house, store) = (House::over(&book).await, &book.store);
        let own = ("host", "track.shop.example");
        let seal = Seal::new(&store.secret(LINKS).await.unwrap()).at(own.1);
        let path = |purpose: Purpose, message: Id| {
            let page = page(&purpose);
            format!("{page}/{}", seal.text(&Token::new(purpose, message, 0)))
        };
        let click = |message: Id| path(Purpose::Click(TARGET.to_owned()), message);
        let asked = async |path: String| house.get(&path, &[own, FIREFOX]).await.status.as_u16();
        let theirs = acceptance(store.create_team("theirs").await.unwrap().id, &["b@example.test"]);
        let (them, new) = (theirs.message.team, theirs.message.id);
        store.accept(theirs).await.unwrap();

        store.trust_domain(house.team, "shop.example").await.unwrap();
        assert_eq!((asked(click(house.message)).await, asked(click(new)).await), (302, 404));
        store.remove_domain(house.team, "shop.example").await.unwrap();
        assert_eq!(asked(click(house.message)).await, 302, "the domain is nobody's, and the mail is out");
        store.trust_domain(them, "shop.example").await.unwrap();
        let before = house.events().await.len();
        assert_eq!((asked(click(house.message)).await, asked(click(new)).await), (404, 302));
        assert_eq!(house.events().await.len(), before, "nothing is written");
        assert_eq!(asked(click(Id([0; 16]))).await, 302, "of no message");
        assert_eq!(asked(path(Purpose::Unsubscribe, house.message)).await, 200, "whoever leaves is led nowhere");
        assert_eq!(house.get(&house.click(), &[FIREFOX]).await.status, 302, "those of the house are everybody's");
    });
}

#[test]
fn a_token_opens_only_its_own_page() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        for purpose in [Purpose::Open, Purpose::Click(TARGET.to_owned()), Purpose::Unsubscribe] {
            let token = Token::new(purpose, house.message, 0);
            let text = house.seal.text(&token);
            for other in ["/t/o", "/t/c"].into_iter().filter(|other| *other != page(&token.purpose)) {
                let answer = house.get(&format!("{other}/{text}"), &[]).await;
                assert_eq!((answer.status.as_u16(), answer.header("location")), (404, ""), "{other}: {token:?}");
            }
        }
        assert!(house.events().await.is_empty());
    });
}

/// A connection to the door, which asks for one page after another.
struct Browser(BufReader<TcpStream>);

impl Browser {
    /// The status, and whether a Location came along.
    async fn get(&mut self, path: &str) -> (u16, bool) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: mail.example\r\nUser-Agent: Mozilla/5.0 Gecko Firefox/140.0\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(IN_TIME, self.0.read_line(&mut line)).await.expect("an answer in time");
            assert_ne!(read.unwrap(), 0, "closed after {path}: {head}");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        self.0.read_exact(&mut vec![0; length]).await.unwrap();
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase().contains("\r\nlocation:"))
    }
}

/// Each text that is one bit away from a token's: by its characters, and by the octets that they stand for.
fn changed(text: &str) -> Vec<String> {
    let turned = |octets: &[u8], bit: usize| {
        let mut octets = octets.to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        octets
    };
    let escaped = |octets: Vec<u8>| {
        octets.iter().fold(String::new(), |mut out, octet| {
            let _ = write!(out, "%{octet:02X}");
            out
        })
    };
    let octets = URL_SAFE_NO_PAD.decode(text).unwrap();
    let characters = (0..text.len() * 8).map(|bit| escaped(turned(text.as_bytes(), bit)));
    characters.chain((0..octets.len() * 8).map(|bit| URL_SAFE_NO_PAD.encode(turned(&octets, bit)))).collect()
}

#[test]
fn a_token_of_which_one_bit_was_turned_is_none() {
    on_sqlite(async |book| {
        let house = House::over(&book).await;
        let (listener, shutdown) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Shutdown::default());
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(run(listener, house.context.clone(), shutdown.clone()));
        let mut browser = Browser(BufReader::new(TcpStream::connect(address).await.unwrap()));
        for link in [house.open(), house.click()] {
            let (page, text) = link.rsplit_once('/').unwrap();
            let all = changed(text);
            assert!(all.len() > 600, "{}", all.len());
            for other in all {
                assert_eq!(browser.get(&format!("{page}/{other}")).await, (404, false), "{page}/{other}");
            }
        }
        assert!(house.events().await.is_empty(), "nothing was written");
        assert_eq!(browser.get(&house.open()).await, (200, false));
        assert_eq!(browser.get(&house.click()).await, (302, true));
        assert_eq!(house.events().await.len(), 2);
        shutdown.begin();
        running.await.unwrap();
    });
}

#[test]
fn what_can_be_no_token_is_not_found() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let long = "A".repeat(20_000);
        for text in ["x", "%00", "%FF", "%2F", "a/b", "=", "..", long.as_str()] {
            for page in ["/t/o", "/t/c"] {
                let answer = house.get(&format!("{page}/{text}"), &[]).await;
                assert_eq!((answer.status.as_u16(), answer.header("location")), (404, ""), "{page}/{text}");
            }
        }
    });
}
