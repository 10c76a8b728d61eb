//! What is an address of the envelope and what is none: the grammar of RFC 5321 section 4.1.2 as it is widened here on purpose
//! (dots anywhere in a local part, underscores in host names, long local parts), and the tricks that must not pass.

use super::*;

fn x(text: &str, times: usize) -> String {
    text.repeat(times)
}

#[test]
fn these_are_addresses() {
    let taken = [
        // Atoms, and each character of atext.
        "a@b",
        "test@io",
        "test@iana.test",
        "test@nominet.org.uk",
        "test@about.museum",
        "a@iana.test",
        "test@e.com",
        "123@iana.test",
        "test@123.com",
        "test@iana.123",
        "test@255.255.255.255",
        "!#$%&'*+-/=?^_`{|}~@iana.test",
        "user+tag@x.test",
        "a/b@x.test",
        "$dollar@x.test",
        "*star@x.test",
        "{brace}@x.test",
        "o'brien@x.test",
        "user%host@relay.test",
        "host!user@relay.test",
        "-dash@x.test",
        "dash-@x.test",
        "a--b@x.test",
        "_@x.test",
        "MiXeD@CaSe.TeSt",
        // Dots: in their place, and where appliances and carriers put them.
        "te.st@iana.test",
        "a.b.c.d@x.test",
        ".test@iana.test",
        "test.@iana.test",
        "te..st@iana.test",
        "..@x.test",
        // Domains.
        "test@mason-dixon.com",
        "test@c--n.com",
        "test@iana.co-uk",
        "test@xn--hxajbheg2az3al.xn--jxalpdlp",
        "a@under_score.test",
        "a@_dmarc.x.test",
        "a@x.test.",
        "a@1.2.3",
        "a@3com.com",
        "root@localhost",
        "root@cronhost",
        "x@0",
        "a@a.b.c.d.e.f.g.h.i.j",
        // Quoted strings.
        "\"test\"@iana.test",
        "\"\"@iana.test",
        "\"a b\"@x.test",
        "\"a@b\"@x.test",
        "\"a>b\"@x.test",
        "\"a\\\"b\"@x.test",
        "\"\\\\\"@x.test",
        "\"\\a\"@iana.test",
        "\"a,b;c:d\"@x.test",
        "\"test test\"@iana.test",
        "\"()<>[]:,;@\\\\\\\"!#$%&'-/=?^_`{}| ~.a\"@x.test",
        "\".\"@x.test",
        "\" \"@x.test",
        "\"very.unusual.@.unusual.com\"@x.test",
        // Address literals (RFC 5321 section 4.1.3).
        "test@[255.255.255.255]",
        "test@[127.0.0.1]",
        "test@[0.0.0.0]",
        "test@[IPv6:1111:2222:3333:4444:5555:6666:7777:8888]",
        "test@[IPv6:1111:2222:3333:4444:5555:6666::8888]",
        "test@[IPv6:::1]",
        "test@[ipv6:::]",
        "test@[IPv6:::3333:4444:5555:6666:7777:8888]",
        "test@[IPv6:1111:2222:3333:4444:5555:6666:255.255.255.255]",
        "test@[IPv6:::ffff:192.0.2.1]",
        "test@[IPv6:2001:DB8::1]",
        // Beyond ASCII (RFC 6531).
        "ü@x.test",
        "用户@例え.test",
        "u@münchen.test",
        "θσερ@εχαμπλε.ψομ",
        "δοκιμή@παράδειγμα.δοκιμή",
        "\"ü ü\"@x.test",
        "a@straße.test",
        "☕@x.test",
        "इ-मेल@x.test",
    ];
    for text in taken {
        let address = Address::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(format!("{}@{}", address.local_part(), address.domain()), text);
    }
}

#[test]
fn these_are_none() {
    let refused = [
        // Parts that are missing.
        "",
        "@",
        "a",
        "a@",
        "@b.test",
        "test",
        "postmaster",
        "test@@iana.test",
        "a@b@c.test",
        "@@",
        "\"\"",
        "\"a\"",
        "\"a\"@",
        // Blanks, brackets, comments and lists belong to headers.
        " a@b.test",
        "a@b.test ",
        "a @b.test",
        "a@ b.test",
        "a b@c.test",
        "<a@b.test>",
        "A <a@b.test>",
        "a@b.test,c@d.test",
        "a@b.test;c@d.test",
        "a@b.test c@d.test",
        "(comment)a@b.test",
        "a(comment)@b.test",
        "a@(comment)b.test",
        "a@b.test(comment)",
        "a@b(x).test",
        "te\tst@iana.test",
        "test:a@b.test;",
        "mailto:a@b.test",
        "a,b@c.test",
        "a;b@c.test",
        "a:b@c.test",
        "a<b@c.test",
        "a>b@c.test",
        "a[b@c.test",
        "a]b@c.test",
        "a\\b@c.test",
        "a\"b@c.test",
        "@one.test:a@b.test",
        // Controls: nothing that could end a line or hide.
        "a\r\n@b.test",
        "a@b.test\r\n",
        "a@b.test\r\nRCPT TO:<v@x.test>",
        "a\n@b.test",
        "a\r@b.test",
        "a\0@b.test",
        "a@b\0.test",
        "\"a\r\nb\"@c.test",
        "\"a\0b\"@c.test",
        "\"a\\\0b\"@c.test",
        "\"a\tb\"@c.test",
        "\u{7f}@b.test",
        "a\u{1b}[31m@b.test",
        "a\u{85}b@c.test",
        "a\u{2028}b@c.test",
        "a\u{a0}b@c.test",
        "a\u{3000}@b.test",
        "a@b\u{2029}.test",
        "a@b\u{a0}.test",
        // Quoted strings that are not whole.
        "\"a@b.test",
        "a\"@b.test",
        "\"a\"b@c.test",
        "a\"b\"@c.test",
        "\"a\"\"b\"@c.test",
        "\"a\".b@c.test",
        "a.\"b\"@c.test",
        "\"\"\"@c.test",
        "\"\\\"@c.test",
        "\"a\\\"@c.test",
        "\"a\" @b.test",
        // Domains that are none.
        "a@.test",
        "a@b..test",
        "a@..",
        "a@.",
        "a@-b.test",
        "a@b-.test",
        "a@b.-test",
        "a@b.test-",
        "a@b.test..",
        "a@b!.test",
        "a@b#c.test",
        "a@b/c.test",
        "a@b,c.test",
        "a@b:25",
        "a@b.test:25",
        "a@b%c.test",
        "a@b+c.test",
        "a@\"b\".test",
        "a@b\\.test",
        "a@b'c.test",
        "a@b=c.test",
        "a@b&c.test",
        "a@b*c.test",
        "a@b~.test",
        "a@b?.test",
        // Literals that are none.
        "a@[",
        "a@]",
        "a@[]",
        "a@[255.255.255.256]",
        "a@[255.255.255]",
        "a@[1.2.3.4.5]",
        "a@[01.2.3.4]",
        "a@[0x7f.0.0.1]",
        "a@[1.2.3.4",
        "a@1.2.3.4]",
        "a@[1.2.3.4]x",
        "a@x[1.2.3.4]",
        "a@[ 1.2.3.4]",
        "a@[1.2.3.4\r\n]",
        "a@[IPv6:]",
        "a@[IPv6:1::2::3]",
        "a@[IPv6:12345::]",
        "a@[IPv6:1111:2222:3333:4444:5555:6666:7777]",
        "a@[IPv6:1111:2222:3333:4444:5555:6666:7777:8888:9999]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[::1]",
        "a@[IPv6:1.2.3.4]",
        "a@[RFC-5322-domain-literal]",
        "a@[tag:content]",
        "a@[IPv6::1]]",
        "a@[[1.2.3.4]]",
        // Beyond ASCII, but no name.
        "a@\u{200d}.test",
        "a@xn--.test\u{ad}\u{2028}",
        "a@\u{202e}.test",
    ];
    for text in refused {
        assert!(Address::parse(text).is_err(), "{text:?} was taken");
    }
}

#[test]
fn lengths_have_bounds() {
    assert!(Address::parse(&format!("{}@b.test", x("a", 255))).is_ok());
    assert_eq!(Address::parse(&format!("{}@b.test", x("a", 256))), Err(AddressError::TooLong));
    assert!(Address::parse(&format!("a@{}.test", x("b", 63))).is_ok());
    assert_eq!(Address::parse(&format!("a@{}.test", x("b", 64))), Err(AddressError::Domain));
    assert!(Address::parse(&format!("a@{}test", x("bb.", 83))).is_ok());
    assert!(Address::parse(&format!("a@{}test", x("bb.", 84))).is_err());
}

#[test]
fn what_is_wrong_is_named() {
    use AddressError as E;
    for (text, error) in [
        ("", E::Empty),
        ("postmaster", E::NoDomain),
        ("a@", E::NoDomain),
        ("a b@c.test", E::LocalPart),
        ("@b.test", E::LocalPart),
        ("\"a@b.test", E::LocalPart),
        ("a@b@c.test", E::Domain),
        ("a@[300.1.1.1]", E::Domain),
    ] {
        assert_eq!(Address::parse(text), Err(error), "{text}");
    }
}

#[test]
fn spellings_of_one_mailbox_have_one_key() {
    for (text, key) in [
        ("User@X.Test", "user@x.test"),
        ("\"user\"@x.test", "user@x.test"),
        ("\"us\\er\"@x.test.", "user@x.test"),
        ("\"a b\"@x.test", "\"a b\"@x.test"),
        ("u@MÜNCHEN.test", "u@xn--mnchen-3ya.test"),
        ("u@xn--mnchen-3ya.test", "u@xn--mnchen-3ya.test"),
        ("x@[IPv6:2001:DB8::1]", "x@[ipv6:2001:db8::1]"),
    ] {
        assert_eq!(Address::parse(text).unwrap().key(), key, "{text}");
    }
}

#[test]
fn only_a_local_part_beyond_ascii_needs_smtputf8() {
    let needs = |text: &str| Address::parse(text).unwrap().needs_smtputf8();
    assert!(needs("ü@x.test"));
    assert!(!needs("u@münchen.test"));
    assert!(!needs("u@x.test"));
}
