//! Where a body has links to track, room for the picture, and places for the reader's own link. It is only read here: what is changed is
//! put between its bytes, so that every other byte stays as it came.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use encoding_rs::{Encoding, UTF_8};
use lol_html::errors::RewritingError;
use lol_html::html_content::Element;
use lol_html::{AsciiCompatibleEncoding, HandlerResult, HtmlRewriter, MemorySettings, Settings, element};

use super::own_link;
use super::target::target;

/// What reading one page may hold besides the page.
const MEMORY: usize = 8 << 20;
/// Links of one page that are tracked; further ones stay.
const LINKS_MAX: usize = 5_000;
/// Elements that hold text alone: what is put into one that nobody closed would be read by people.
const TEXT_ALONE: &str = "iframe, noembed, noframes, plaintext, script, style, textarea, title, xmp";

/// What a body has for us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// In the order of the page.
    pub links: Vec<Link>,
    /// Where the picture goes; `None`: it would be shown as text, or not at all.
    pub picture: Option<usize>,
    /// In whose stead the reader's own link stands, in the order of the body. None of them lies in a link that can be tracked.
    pub own_links: Vec<Range<usize>>,
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
    let encoding = encoding(html, charset).filter(|_| !is_signed(html))?;
    // A page that makes the reader panic leaves as it is: nobody's mail waits for its links to be counted.
    catch_unwind(AssertUnwindSafe(|| read(html, encoding))).ok()?.ok()
}

/// What plain text has for us: it may have places for the reader's own link. `None` as of a page.
pub fn outline_of_text(text: &[u8], charset: Option<&str>) -> Option<Outline> {
    let own_links = own_link::places(text);
    (!own_links.is_empty() && encoding(text, charset).is_some() && !is_signed(text))
        .then(|| Outline { own_links, ..Outline::default() })
}

/// Whether some of it is signed, or encrypted, in a way that is its own (RFC 9580 section 6.2).
fn is_signed(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"-----BEGIN PGP ").is_some()
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
    let finds = Finds::default();
    let settings = Settings::new()
        .append_element_content_handler(element!("a[href], area[href]", |element| finds.link(element, is_utf8)))
        .append_element_content_handler(element!("[data-no-track][href], [data-no-track] [href]", |element| finds.shun(element)))
        .append_element_content_handler(element!("body", |element| finds.body(element)))
        .append_element_content_handler(element!(TEXT_ALONE, |element| finds.text_alone(element)))
        .with_encoding(encoding)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY))
        .with_strict(false);
    let mut reader = HtmlRewriter::new(settings, |_: &[u8]| {});
    reader.write(html)?;
    reader.end()?;
    Ok(finds.outline(html))
}

/// What is found on the way through a page. Who waits for an element's end shares what it tells.
#[derive(Default)]
struct Finds {
    /// Each with the place of its element.
    links: RefCell<Vec<(usize, Link)>>,
    /// The places of elements that are not to be tracked, in the order of the page.
    shunned: RefCell<Vec<usize>>,
    /// Of the last one.
    body_end: Rc<Cell<Option<usize>>>,
    /// Whether an element of text alone is open.
    in_text: Rc<Cell<bool>>,
}

impl Finds {
    fn link(&self, element: &Element<'_, '_>, is_utf8: bool) -> HandlerResult {
        let mut links = self.links.borrow_mut();
        if links.len() < LINKS_MAX {
            links.extend(link(element, is_utf8).map(|link| (place(element), link)));
        }
        Ok(())
    }

    fn shun(&self, element: &Element<'_, '_>) -> HandlerResult {
        self.shunned.borrow_mut().push(place(element));
        Ok(())
    }

    fn body(&self, element: &mut Element<'_, '_>) -> HandlerResult {
        let body_end = self.body_end.clone();
        let Some(handlers) = element.end_tag_handlers() else { return Ok(()) };
        handlers.push(Box::new(move |end| {
            body_end.set(Some(end.source_location().bytes().start));
            Ok(())
        }));
        Ok(())
    }

    fn text_alone(&self, element: &mut Element<'_, '_>) -> HandlerResult {
        // As `<title/>` in a drawing has no content.
        let Some(handlers) = element.end_tag_handlers() else { return Ok(()) };
        self.in_text.set(true);
        let in_text = self.in_text.clone();
        handlers.push(Box::new(move |_| {
            in_text.set(false);
            Ok(())
        }));
        Ok(())
    }

    fn outline(self, html: &[u8]) -> Outline {
        let shunned = self.shunned.into_inner();
        let links = self.links.into_inner().into_iter().filter(|(place, _)| shunned.binary_search(place).is_err());
        let has_end = !self.in_text.get() && !ends_in_a_tag(html);
        let picture = self.body_end.get().or(has_end.then(|| html.trim_ascii_end().len()));
        Outline { links: links.map(|(_, link)| link).collect(), picture, own_links: own_link::places(html) }
    }
}

/// Whether what comes behind it would be taken for a part of its last tag.
fn ends_in_a_tag(html: &[u8]) -> bool {
    let Some(last) = memchr::memrchr2(b'<', b'>', html) else { return false };
    html[last..].starts_with(b"<") && html.get(last + 1).is_some_and(|byte| byte.is_ascii_alphabetic() || b"/!?".contains(byte))
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
