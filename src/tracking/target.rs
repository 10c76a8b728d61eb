//! Which links are tracked, and the target that one of them leads to.

use url::Url;

use super::entity::unescaped;

/// Octets of a target: a link that holds a longer one might be cut on its way.
const TARGET_MAX: usize = 1_500;

/// The target of a link whose attribute has this value: a text that a Location field can hold. `None`: it is left as it is, since it
/// leads nowhere by HTTP, or can't be said again exactly. Beyond ASCII that depends on the page's charset, so that only UTF-8 will do,
/// and nothing that came from octets which are none.
pub fn target(value: &str, utf8: bool) -> Option<String> {
    let unescaped = unescaped(value)?;
    // WHATWG URL section 4.4: what is around it goes, and so do tabs and line ends within.
    let around = unescaped.trim_matches(|c| c <= ' ');
    let text: String = around.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    if text.len() > TARGET_MAX || is_leftover(&text) || (!utf8 && !text.is_ascii()) || text.contains('\u{fffd}') {
        return None;
    }
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let authority = authority(&text);
    if authority.is_some_and(|authority| authority.contains('@')) || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let exact = authority.is_some() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    Some(if exact { text } else { url.into() }).filter(|target| target.len() <= TARGET_MAX)
}

/// What a template was to fill and did not.
fn is_leftover(text: &str) -> bool {
    ["{{", "}}", "{%", "%}"].iter().any(|mark| text.contains(mark))
}

/// What stands between `http://` and the path; `None` where it is not written so.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let rest = Some(rest).filter(|_| is_http)?;
    rest.split(['/', '\\', '?', '#']).next().filter(|authority| !authority.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_what_was_written() {
        let long = format!("https://shop.example/{}", "x".repeat(TARGET_MAX - 21));
        for (value, expected) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTP://Shop.Example:80/A%2fb?c=d&amp;e=f#g", "HTTP://Shop.Example:80/A%2fb?c=d&e=f#g"),
            (" \r\n https://shop.example/a\r\n\tb \n", "https://shop.example/ab"),
            ("https://shop.example/?a={b}|c^`d", "https://shop.example/?a={b}|c^`d"),
            ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
            ("http://192.0.2.1/", "http://192.0.2.1/"),
            ("https://shop.example/?mail=a@b.example", "https://shop.example/?mail=a@b.example"),
            // What can't stand in a field is written as a browser asks for it.
            ("https://b\u{fc}cher.example/gr\u{f6}\u{df}e?a=\u{e4}", "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe?a=%C3%A4"),
            ("https://shop.example/a b", "https://shop.example/a%20b"),
            ("https:shop.example/a", "https://shop.example/a"),
            ("http:\\\\shop.example\\a", "http://shop.example/a"),
            (&long, &long),
        ] {
            assert_eq!(target(value, true).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_leads_nowhere_by_http_stays() {
        let long = format!("https://shop.example/{}", "x".repeat(TARGET_MAX - 20));
        for value in [
            "",
            "#",
            "#top",
            "/path",
            "//shop.example/",
            "www.shop.example",
            "mailto:a@b.example",
            "tel:+431234",
            "sms:1",
            "cid:a",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://shop.example/",
            "file:///etc",
            "about:blank",
            "http://",
            "https:///",
            "http://user@shop.example/",
            "http://user:pass@shop.example/",
            "http://@shop.example/",
            "{{unsubscribe_url}}",
            "https://shop.example/?u={{id}}",
            "https://{{host}}/",
            "https://shop.example/{%x%}",
            "https://shop.example/?a&copy",
            "https://shop.example/&nbsp;",
            "http://a b/",
            "http://%00/",
            "http://shop.example:99999/",
            "blob:https://shop.example/1",
            "view-source:http://shop.example/",
            "https://shop.example/?q=M\u{fffd}ller",
            &long,
        ] {
            assert_eq!(target(value, true), None, "{value}");
        }
        assert_eq!(target("https://shop.example/\u{e4}", false), None, "the charset says how it is asked for");
        // A browser's host ends at the backslash, and so does the one that is written.
        assert_eq!(target("http://a.example\\@b.example/", true).as_deref(), Some("http://a.example/@b.example/"));
    }
}
