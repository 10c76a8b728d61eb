//! Where an HTML page has links to track and room for the picture. The page is only read here: what is changed is put between its
//! bytes, so that every other byte stays as it came.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use encoding_rs::{Encoding, UTF_8};
use lol_html::errors::RewritingError;
use lol_html::html_content::Element;
use lol_html::{AsciiCompatibleEncoding, EndTagHandler, HtmlRewriter, MemorySettings, Settings, element, end_tag};

use super::target::target;

/// What reading one page may hold besides the page.
const MEMORY: usize = 8 << 20;
/// Links of one page that are tracked; further ones stay.
const LINKS_MAX: usize = 5_000;
/// Elements that hold text alone: what is put into one that nobody closed would be read by people.
const TEXT_ALONE: &str = "iframe, noembed, noframes, plaintext, script, style, textarea, title, xmp";

/// What a page has for us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// In the order of the page.
    pub links: Vec<Link>,
    /// Where the picture goes; `None`: it would be shown as text, or not at all.
    pub picture: Option<usize>,
}

/// A link that can be tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its attribute's value, without quotes.
    pub range: Range<usize>,
    pub target: String,
}

/// What `html` has for us. `None`: its charset is none that contains ASCII, it is signed, or too much of a tangle to be read.
pub fn outline(html: &[u8], charset: Option<&str>) -> Option<Outline> {
    let encoding = encoding(html, charset)?;
    if memchr::memmem::find(html, b"-----BEGIN PGP ").is_some() {
        return None;
    }
    // A page that makes the reader panic leaves as it is: nobody's mail waits for its links to be counted.
    catch_unwind(AssertUnwindSafe(|| read(html, encoding))).ok()?.ok()
}

/// Without a charset mail is ASCII, and what goes beyond it is most often UTF-8.
fn encoding(html: &[u8], charset: Option<&str>) -> Option<AsciiCompatibleEncoding> {
    let encoding = match charset {
        None => UTF_8,
        Some(label) if label.eq_ignore_ascii_case("us-ascii") && std::str::from_utf8(html).is_ok() => UTF_8,
        // UTF-7 and the like have no name there.
        Some(label) => Encoding::for_label_no_replacement(label.as_bytes())?,
    };
    AsciiCompatibleEncoding::new(encoding)
}

fn read(html: &[u8], encoding: AsciiCompatibleEncoding) -> Result<Outline, RewritingError> {
    let is_utf8 = <&Encoding>::from(encoding) == UTF_8;
    let (links, shunned) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let (body_end, open_text) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(false)));
    let settings = Settings::new()
        .append_element_content_handler(element!("a[href], area[href]", |element| {
            let mut links = links.borrow_mut();
            if links.len() < LINKS_MAX {
                links.extend(link(element, is_utf8).map(|link| (place(element), link)));
            }
            Ok(())
        }))
        .append_element_content_handler(element!("[data-no-track][href], [data-no-track] [href]", |element| {
            shunned.borrow_mut().push(place(element));
            Ok(())
        }))
        .append_element_content_handler(element!("body", |element| {
            let body_end = body_end.clone();
            at_end(
                element,
                end_tag!(move |end| {
                    body_end.set(Some(end.source_location().bytes().start));
                    Ok(())
                }),
            );
            Ok(())
        }))
        .append_element_content_handler(element!(TEXT_ALONE, |element| {
            let ended = open_text.clone();
            open_text.set(at_end(
                element,
                end_tag!(move |_| {
                    ended.set(false);
                    Ok(())
                }),
            ));
            Ok(())
        }))
        .with_encoding(encoding)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY))
        .with_strict(false);
    let mut reader = HtmlRewriter::new(settings, |_: &[u8]| {});
    reader.write(html)?;
    reader.end()?;
    let shunned = shunned.into_inner();
    let links = links.into_inner().into_iter().filter(|(place, _)| shunned.binary_search(place).is_err());
    let has_end = !open_text.get() && !ends_in_a_tag(html);
    let picture = body_end.get().or(has_end.then(|| html.trim_ascii_end().len()));
    Ok(Outline { links: links.map(|(_, link)| link).collect(), picture })
}

/// Whether what comes behind it would be taken for a part of its last tag.
fn ends_in_a_tag(html: &[u8]) -> bool {
    let Some(last) = memchr::memrchr2(b'<', b'>', html) else { return false };
    html[last..].starts_with(b"<") && html.get(last + 1).is_some_and(|byte| byte.is_ascii_alphabetic() || b"/!?".contains(byte))
}

/// Has `handler` told of an element's end. False: it has no content, as `<title/>` in a drawing.
fn at_end(element: &mut Element<'_, '_>, handler: EndTagHandler<'static>) -> bool {
    element.end_tag_handlers().map(|handlers| handlers.push(handler)).is_some()
}

/// Where it stands.
fn place(element: &Element<'_, '_>) -> usize {
    element.source_location().bytes().start
}

fn link(element: &Element<'_, '_>, is_utf8: bool) -> Option<Link> {
    // Of two a reader takes the first (WHATWG HTML section 13.2.5.33).
    let href = element.attributes().iter().find(|attribute| attribute.name() == "href")?;
    let range = href.value_source_location()?.bytes();
    Some(Link { range, target: target(&href.value(), is_utf8)? })
}
