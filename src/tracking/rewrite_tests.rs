use super::*;
use crate::mime::adapt::{Hop, adapt};
use crate::mime::view::View;
use crate::tracking::token::Seal;

const MESSAGE: Id = Id([7; 16]);

fn links() -> Links {
    Links::new("https://mail.example", &Seal::new(b"secret"))
}

fn both(links: &Links) -> Tracked<'_> {
    Tracked { links, message: MESSAGE, recipient: 3, opens: true, clicks: true, own_link: false }
}

fn link(purpose: Purpose) -> String {
    links().link(&Token::new(purpose, MESSAGE, 3))
}

fn click(target: &str) -> String {
    link(Purpose::Click(target.to_owned()))
}

fn picture() -> String {
    both(&links()).picture()
}

/// A message of one page, as this copy; `None`: as it was.
fn marked(html: &[u8], fields: &str, copy: Tracked<'_>) -> Option<Vec<u8>> {
    let message = [format!("From: a@b.test\r\n{fields}\r\n\r\n").as_bytes(), html].concat();
    let pages = Pages::of(&message, Reach::STANDARD);
    let out = pages.marked(copy);
    assert_eq!(pages.differ(copy), out.is_some());
    let out = out?;
    let head = message.len() - html.len();
    assert_eq!(out[..head], message[..head]);
    Some(out[head..].to_vec())
}

/// The page with both tracked.
fn page(html: &str) -> String {
    let whole = format!("{html}\r\n");
    let out = marked(whole.as_bytes(), "Content-Type: text/html; charset=utf-8", both(&links()));
    let out = String::from_utf8(out.unwrap_or(whole.into_bytes())).expect("UTF-8");
    out.strip_suffix("\r\n").expect("a line end").to_owned()
}

#[test]
fn links_lead_by_us_and_every_other_byte_stays() {
    let html = "<!DOCTYPE html>\r\n<HTML><BODY  bgcolor=white >\r\n<A  class='x'HREF = 'https://a.test/?b=1&amp;c=2'  >one</a >\r\n\
                <a href=http://a.test/x title=\"&amp;\">two</A><map><area shape=rect href=\"\r\n https://a.test/3 \"></map>\r\n\
                \u{fc}\u{df} <b><i></b></i> < & &nbsp;\r\n</BODY\r\n></HTML>\r\n";
    let expected = html
        .replace("https://a.test/?b=1&amp;c=2", &click("https://a.test/?b=1&c=2"))
        .replace("http://a.test/x", &click("http://a.test/x"))
        .replace("\r\n https://a.test/3 ", &click("https://a.test/3"))
        .replace("</BODY", &format!("{}</BODY", picture()));
    assert_eq!(page(html), expected);
}

#[test]
fn what_is_no_link_to_track_stays() {
    for stays in [
        "<a href=\"mailto:a@b.test\">x</a>",
        "<a href=tel:+43>x</a>",
        "<a href=\"#top\">x</a>",
        "<a href=''>x</a><a href>x</a><a href=>x</a>",
        "<a href=\"{{unsubscribe_url}}\">x</a>",
        "<a href=\"https://a.test/\" data-no-track>x</a>",
        "<td DATA-No-Track=1><p><a href=\"https://a.test/\">x</a></p></td>",
        "<a name=x data-href=\"https://a.test/\">x</a>",
        "<link href=\"https://a.test/\"><img src=\"https://a.test/\"><form action=\"https://a.test/\"></form>",
        "<!-- <a href=\"https://a.test/\">x</a> -->",
        "<!--[if mso]><v:rect href=\"https://a.test/\"><a href=\"https://a.test/\">x</a><![endif]-->",
        "<style>a[href=\"https://a.test/\"]{}</style><title><a href=\"https://a.test/\"></title>",
        "https://a.test/ &lt;a href=\"https://a.test/\"&gt;",
        "<a href=\"https://u:p@a.test/\">x</a>",
    ] {
        assert_eq!(page(stays), format!("{stays}{}", picture()), "{stays}");
    }
    let ours = format!("<a href=\"{}\">x</a>", link(Purpose::Unsubscribe));
    assert_eq!(page(&ours), format!("{ours}{}", picture()));
}

#[test]
fn links_beside_what_is_not_tracked_are() {
    let html = "<p data-no-track><a href=\"https://a.test/1\">1</a></p><a href=\"https://a.test/2\">2</a>\
                <!--[if !mso]><!--><a href=\"https://a.test/3\">3</a><!--<![endif]--><svg><a href=\"https://a.test/4\">4</a></svg>\
                <a href=\"https://a.test/5\" href=\"https://a.test/6\">5</a>";
    let tracked = ["https://a.test/2", "https://a.test/3", "https://a.test/4", "https://a.test/5"];
    let expected = tracked.iter().fold(html.to_owned(), |html, target| html.replace(target, &click(target)));
    assert_eq!(page(html), expected + &picture());
}

#[test]
fn the_picture_goes_where_it_is_not_read() {
    for (html, before) in [
        ("<body><body>x</body></body>", "</body>"),
        ("<p>x</p>\r\n\r\n", "\r\n\r\n"),
        ("x</body></html>", ""),
        ("<body>x</body><!-- </body> -->", "</body><!-- </body> -->"),
        ("<body><!-- </body> -->x</body>", "</body>"),
        ("<textarea>x</textarea>", ""),
        ("<svg><title/><style/></svg>", ""),
        ("", ""),
    ] {
        let expected = format!("{}{}{before}", html.strip_suffix(before).unwrap(), picture());
        assert_eq!(page(html).trim_end(), expected.trim_end(), "{html}");
    }
    for unclosed in
        ["<textarea>x", "x<plaintext>y</plaintext>", "<title>x", "<body><xmp></body>", "x <a href=\"https://a.test/", "x</p"]
    {
        assert_eq!(page(unclosed), unclosed);
    }
}

#[test]
fn only_what_is_asked_for_is_tracked() {
    let (links, html) = (links(), "<body><a href=\"https://a.test/\">x</a></body>");
    let html_of = |opens, clicks| {
        let out = marked(html.as_bytes(), "Content-Type: text/html", Tracked { opens, clicks, ..both(&links) });
        out.map(|out| String::from_utf8(out).expect("ASCII"))
    };
    let clicks = html.replace("https://a.test/", &click("https://a.test/"));
    assert_eq!(html_of(false, true), Some(format!("{clicks}\r\n")));
    assert_eq!(html_of(true, false), Some(html.replace("</body>", &format!("{}</body>\r\n", picture()))));
    assert_eq!(html_of(false, false), None);
    let plain = marked(b"see https://a.test/\r\n", "Content-Type: text/plain", both(&links));
    assert_eq!(plain, None);
}

#[test]
fn charsets_that_contain_ascii_keep_their_octets() {
    let links = links();
    for (charset, word) in [
        ("iso-8859-1", &b"gr\xfc\xdfe"[..]),
        ("windows-1252", b"\x80 5"),
        ("shift_jis", b"\x83\x5c\x95\x5c"),
        ("gb18030", b"\xc4\xe3\x81\x30\x81\x30"),
        ("big5", b"\xb3\x5c\xa5\x5c"),
        ("euc-kr", b"\xb0\xa1"),
        ("koi8-r", b"\xcd\xc9\xd2"),
        ("us-ascii", "gr\u{fc}\u{df}e".as_bytes()),
        ("us-ascii", b"gr\xfc\xdfe"),
    ] {
        let html =
            [b"<p title=\"", word, b"\">", word, b"</p><a href=\"https://a.test/\" title=\"", word, b"\">", word, b"</a>\r\n"];
        let fields = format!("Content-Type: text/html; charset=\"{charset}\"");
        let out = marked(&html.concat(), &fields, both(&links)).unwrap_or_else(|| panic!("{charset}"));
        let (link, picture) = (click("https://a.test/"), picture());
        let expected = [
            b"<p title=\"",
            word,
            b"\">",
            word,
            b"</p><a href=\"",
            link.as_bytes(),
            b"\" title=\"",
            word,
            b"\">",
            word,
            b"</a>",
            picture.as_bytes(),
            b"\r\n",
        ];
        assert_eq!(out, expected.concat(), "{charset}");
    }
}

#[test]
fn a_link_whose_octets_are_not_of_the_pages_charset_stays() {
    let (links, html) = (links(), b"<a href=\"https://a.test/?q=M\xfcller\">x</a>");
    for fields in ["Content-Type: text/html", "Content-Type: text/html; charset=utf-8"] {
        let out = marked(html, fields, both(&links)).expect("the picture is new");
        assert!(out.starts_with(html), "{fields}: {}", out.escape_ascii());
    }
}

#[test]
fn charsets_that_do_not_stay_as_they_are() {
    let links = links();
    let utf16: Vec<u8> = "<a href=\"https://a.test/\">x</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for charset in ["utf-16", "utf-16le", "utf-16be", "utf-7", "utf-32", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "nonsense"] {
        for html in [utf16.as_slice(), b"<a href=\"https://a.test/\">x</a>"] {
            assert_eq!(marked(html, &format!("Content-Type: text/html; charset={charset}"), both(&links)), None, "{charset}");
        }
    }
}

#[test]
fn a_part_keeps_its_encoding_and_its_text() {
    let links = links();
    let html = "<p>gr\u{fc}\u{df}e =3D .</p>\r\n<a href=\"https://a.test/?a=b\">x</a> \r\n.\r\n";
    for encoding in ["base64", "quoted-printable", "8bit"] {
        let mut body = Vec::new();
        let kind = match encoding {
            "base64" => parts::Encoding::Base64,
            "quoted-printable" => parts::Encoding::QuotedPrintable,
            _ => parts::Encoding::Identity,
        };
        leaf::write(html.as_bytes(), kind, &mut body);
        body.extend_from_slice(b"\r\n--z--\r\nend\r\n");
        let part = "--z\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: ";
        let head = format!("Content-Type: multipart/alternative; boundary=z\r\n\r\n--z\r\n\r\nplain\r\n{part}{encoding}\r\n\r\n");
        let message = [head.as_bytes(), &body].concat();
        let out = Pages::of(&message, Reach::STANDARD).marked(both(&links)).expect("a page");
        assert!(out.ends_with(b"\r\n--z--\r\nend\r\n"));
        let shown = View::of(&out, Reach::STANDARD).html.expect("a page").replace("\r\n", "\n");
        let expected = html.replace("https://a.test/?a=b", &click("https://a.test/?a=b")).replace("\r\n", "\n");
        assert_eq!(shown.trim_end(), format!("{}{}", expected.trim_end(), picture()), "{encoding}");
        let fits = Hop { eight_bit_mime: true, smtputf8: false };
        assert!(adapt(&out, fits, Reach::STANDARD).is_ok_and(|adapted| matches!(adapted.bytes, Cow::Borrowed(_))), "{encoding}");
    }
}

#[test]
fn what_is_encoded_in_a_way_that_is_not_known_stays() {
    let html = b"PGEgaHJlZj1odHRwczovL2EudGVzdC8+eDwvYT4=\r\n";
    let of = |encoding: &str| {
        marked(html, &format!("Content-Type: text/html\r\nContent-Transfer-Encoding: {encoding}"), both(&links()))
    };
    for encoding in ["x-uuencode", "base64;", "base 64", "quoted-printable;"] {
        assert_eq!(of(encoding), None, "{encoding}");
    }
    let out = of("base64 (by hand)").expect("a page");
    let octets = mail_parser::decoders::base64::base64_decode(&out).expect("base64");
    let expected = format!("<a href={}>x</a>{}", click("https://a.test/"), picture());
    assert_eq!(String::from_utf8(octets).expect("text").replace('"', ""), expected.replace('"', ""));
}

#[test]
fn what_is_vouched_for_or_attached_stays() {
    let page = "Content-Type: text/html\r\n\r\n<a href=\"https://a.test/\">x</a>\r\n";
    for kind in ["multipart/signed", "multipart/encrypted"] {
        let message = format!("Content-Type: {kind}; boundary=z\r\n\r\n--z\r\n{page}--z--\r\n");
        assert_eq!(Pages::of(message.as_bytes(), Reach::STANDARD).marked(both(&links())), None, "{kind}");
    }
    for head in [
        "Content-Type: message/rfc822\r\n\r\n",
        "Content-Disposition: attachment\r\n",
        "Content-Disposition: inline; filename=a.html\r\n",
    ] {
        let message = format!("Content-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n{head}{page}--z--\r\n");
        assert_eq!(Pages::of(message.as_bytes(), Reach::STANDARD).marked(both(&links())), None, "{head}");
    }
    let signed = "-----BEGIN PGP SIGNED MESSAGE-----<a href=\"https://a.test/\">x</a>";
    assert_eq!(marked(signed.as_bytes(), "Content-Type: text/html", both(&links())), None);
}

#[test]
fn a_message_of_several_pages_has_one_picture() {
    let page = "--z\r\nContent-Type: text/html\r\n\r\n<a href=\"https://a.test/\">x</a>\r\n";
    let message = format!("Content-Type: multipart/mixed; boundary=z\r\n\r\n{page}{page}--z--\r\n");
    let out = Pages::of(message.as_bytes(), Reach::STANDARD).marked(both(&links())).expect("pages");
    let out = String::from_utf8(out).expect("ASCII");
    assert_eq!((out.matches("/t/c/").count(), out.matches("/t/o/").count()), (2, 1));
    let huge = format!("Content-Type: text/html\r\n\r\n{}\r\n", "<a href=https://a.test/>".repeat(READ_MAX / 24 + 1));
    assert_eq!(Pages::of(huge.as_bytes(), Reach::STANDARD).marked(both(&links())), None);
}

proptest::proptest! {
    /// Whatever is between, the links and the picture are all that changes.
    #[test]
    fn nothing_else_changes(pieces in proptest::collection::vec("[ -~\\n]{0,12}(<(a|p|td|!--|body|/body|style|svg|select|textarea|/textarea|table)[ >]?){0,2}", 0..12)) {
        let link = "<a href=\"https://a.test/\">";
        let html = pieces.join(link);
        let outline = outline(html.as_bytes(), None).expect("readable");
        for found in &outline.links {
            proptest::prop_assert!(html[found.range.clone()].contains("http"), "{html}");
        }
        let html = html.replace('\n', "\r\n");
        let out = page(&html);
        let back = out.replace(&picture(), "").replace(&click("https://a.test/"), "https://a.test/");
        proptest::prop_assert_eq!(back.trim_end(), html.trim_end());
    }
}

#[test]
fn the_readers_own_link_stands_where_the_sender_wants_it() {
    let links = links();
    let own = Tracked { opens: false, clicks: false, own_link: true, ..both(&links) };
    let link = link(Purpose::Unsubscribe);
    let text = "{{unsubscribe_url}}\r\n";
    for (fields, body, expected) in [
        ("X: y", "leave: {{ unsubscribe_url }}.\r\n", Some(format!("leave: {link}.\r\n"))),
        (
            "Content-Type: text/html; charset=iso-8859-1",
            "<a href=\"{{unsubscribeUrl}}\">out</a> <a href='https://a.test/'>in</a>\r\n",
            Some(format!("<a href=\"{link}\">out</a> <a href='https://a.test/'>in</a>\r\n")),
        ),
        ("Content-Type: text/plain; charset=utf-16", text, None),
        ("Content-Type: text/plain; name=a.txt", text, None),
        ("Content-Type: text/css", text, None),
        ("X: y", "-----BEGIN PGP MESSAGE-----\r\n{{unsubscribe_url}}\r\n", None),
        ("X: y", "{{name}}\r\n", None),
    ] {
        let out = marked(body.as_bytes(), fields, own).map(|out| String::from_utf8(out).expect("ASCII"));
        assert_eq!(out, expected, "{fields}: {body}");
    }
    assert_eq!(marked(text.as_bytes(), "X: y", both(&links)), None, "of mail that nobody unsubscribes from it stays");
    let all = Tracked { own_link: true, ..both(&links) };
    let html = "<a href=\"https://a.test/\">in</a> {{unsubscribe_url}} <a href={{unsubscribe_url}}>out</a>\r\n";
    let expected = html.replace("https://a.test/", &click("https://a.test/")).replace("{{unsubscribe_url}}", &link);
    let expected = expected.replace("</a>\r\n", &format!("</a>{}\r\n", picture()));
    let out = marked(html.as_bytes(), "Content-Type: text/html", all).expect("another");
    assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
}
