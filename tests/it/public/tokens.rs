//! Only what we made leads anywhere.

use posthouse::clock::Clock;
use posthouse::id::{Id, Ids};
use posthouse::tracking::token::{Purpose, Token};

use super::House;

#[tokio::test]
async fn a_link_leads_on_by_any_name() {
    let house = House::open().await;
    let message = Ids::random(Clock::System).next();
    let target = "https://shop.example/a?b=c&d=%20#e";
    let click = house.link(&Token::new(Purpose::Click(target.to_owned()), message, 0));
    let open = house.link(&Token::new(Purpose::Open, message, 0));
    for host in ["127.0.0.1:8025", "track.shop.example", "mail.example"] {
        let answer = house.get(&click, &[("host", host)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, target), "{answer:?}");
        let answer = house.get(&open, &[("host", host)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/gif"), "{answer:?}");
        assert!(answer.body.starts_with(b"GIF89a"));
        assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), ("no-store", "no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    }
}

#[tokio::test]
async fn a_token_opens_only_its_own_page() {
    let house = House::open().await;
    let message = Id([7; 16]);
    for purpose in [Purpose::Open, Purpose::Click("https://shop.example/".to_owned()), Purpose::Unsubscribe] {
        let token = Token::new(purpose, message, 0);
        let text = house.seal.text(&token);
        for page in ["/t/o", "/t/c"].into_iter().filter(|page| !house.link(&token).starts_with(page)) {
            let answer = house.get(&format!("{page}/{text}"), &[]).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (404, ""), "{page}: {token:?}");
        }
    }
}
