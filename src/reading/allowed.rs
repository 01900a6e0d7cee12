//! The elements and attributes that survive, and what becomes of each value.
//!
//! ammonia rebuilds the tree from this list; every attribute that it lets through is looked at again
//! here. An image is either one of the message's own, checked and embedded, or, where a person asked
//! for it, an `https` address of a public host. Everything else that could fetch is counted and gone.

use super::html::Remote;
use super::image;
use super::style;
use ammonia::{Builder, UrlRelative};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use url::{Host, Url};

/// A message's own images.
#[derive(Default)]
pub(super) struct Images {
    pictures: Vec<Vec<u8>>,
    /// By Content-ID, without angle brackets.
    by_id: BTreeMap<String, usize>,
    /// By Content-Location, absolute; the first one of each.
    by_place: BTreeMap<String, usize>,
    /// The same in lower case: saved pages come from systems that see no difference.
    by_any_case: BTreeMap<String, usize>,
}

impl Images {
    /// Keeps an image under its names; one without any is not referred to.
    pub(super) fn add(&mut self, picture: Vec<u8>, id: Option<&str>, place: Option<String>) {
        let number = self.pictures.len();
        if id.is_none() && place.is_none() {
            return;
        }
        self.pictures.push(picture);
        if let Some(id) = id {
            self.by_id.entry(id.to_owned()).or_insert(number);
        }
        if let Some(place) = place {
            self.by_any_case.entry(place.to_lowercase()).or_insert(number);
            self.by_place.entry(place).or_insert(number);
        }
    }

    fn with_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).or_else(|| self.by_id.get(&percent_decoded(id))).copied()
    }

    fn at(&self, place: &str) -> Option<usize> {
        self.by_place.get(place).or_else(|| self.by_any_case.get(&place.to_lowercase())).copied()
    }
}

/// Where a part of a message lies, or an address in it leads (RFC 2557 §5): absolute, without a fragment.
/// What has no other base is relative to the message, whose parts have a scheme of their own.
pub(super) fn located(address: &str, base: Option<&Url>) -> Option<Url> {
    // Long addresses are folded (RFC 2557 §4.4.2).
    let address: String = address.chars().filter(|letter| !letter.is_whitespace()).collect();
    if address.is_empty() || address.len() > MAX_ADDRESS {
        return None;
    }
    let message = Url::parse("thismessage:/").ok();
    let mut url = base.or(message.as_ref())?.join(&address).ok()?;
    url.set_fragment(None);
    Some(url)
}

/// What is done with images in a run of the cleaner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The source is read: each image is checked and gets a number. References are counted.
    #[default]
    Collecting,
    /// Cleaned HTML is cleaned again: numbers stand for images.
    Settling,
    /// The images take their numbers' places.
    Embedding,
}

/// Decides about every attribute, and remembers what it saw.
pub(super) struct Filter {
    remote: Remote,
    images: Arc<Images>,
    state: Mutex<State>,
}

/// What was taken out.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// References to something outside.
    pub blocked: usize,
    /// Those of them that are images and may be fetched if a person asks.
    pub loadable: usize,
}

#[derive(Default)]
struct State {
    stage: Stage,
    seen: Seen,
    /// The `data:` URI of each numbered image.
    numbered: Vec<Arc<str>>,
    /// The numbers of the message's images, so that each is encoded once.
    own: HashMap<usize, usize>,
    /// Where relative addresses begin.
    base: Option<Url>,
    /// Octets of `data:` URIs written so far; one image may be shown many times.
    embedded: usize,
}

impl Filter {
    pub(super) fn new(remote: Remote, images: Arc<Images>) -> Arc<Self> {
        Arc::new(Self { remote, images, state: Mutex::default() })
    }

    pub(super) fn seen(&self) -> Seen {
        self.state().seen
    }

    /// Whether any image has a number.
    pub(super) fn has_images(&self) -> bool {
        !self.state().numbered.is_empty()
    }

    /// Begins a new collection: with no images, and counting on. Relative addresses begin where the
    /// document says, or else its part.
    pub(super) fn begin(&self, document: Option<&str>, part: Option<&Url>) {
        let mut state = self.state();
        state.stage = Stage::Collecting;
        state.numbered.clear();
        state.own.clear();
        state.base = document.and_then(|base| located(base, part)).or_else(|| part.cloned());
    }

    /// Begins another stage.
    pub(super) fn enter(&self, stage: Stage) {
        self.state().stage = stage;
    }

    /// Counts pictures that were to lie under a whole page.
    pub(super) fn count_ground(&self, pictures: usize) {
        self.state().seen.blocked += pictures;
    }

    /// ammonia with our lists.
    pub(super) fn builder(self: &Arc<Self>) -> Builder<'static> {
        let filter = self.clone();
        let mut builder = Builder::empty();
        builder
            .tags(ELEMENTS.into())
            .clean_content_tags(DROPPED.into())
            .generic_attributes(ATTRIBUTES.into())
            .tag_attributes(attributes_of_elements())
            .set_tag_attribute_value("a", "target", "_blank")
            .set_tag_attribute_value("img", "referrerpolicy", "no-referrer")
            .link_rel(Some("noopener noreferrer nofollow"))
            .url_schemes(SCHEMES.into())
            // Addresses without a scheme come to the filter, which counts and drops them.
            .url_relative(UrlRelative::PassThrough)
            .attribute_filter(move |element, attribute, value| filter.decide(element, attribute, value));
        builder
    }

    fn decide<'u>(&self, element: &str, attribute: &str, value: &'u str) -> Option<Cow<'u, str>> {
        match (element, attribute) {
            ("img", "src") => self.image(value).map(Cow::Owned),
            ("a", "href") => link(value).map(Cow::Owned),
            (_, "src" | "srcset" | "background" | "poster" | "lowsrc" | "dynsrc") => {
                self.count(false);
                None
            }
            (_, "style") => self.style(value).map(Cow::Owned),
            (_, "alt" | "title") => Some(value.into()),
            (_, "dir") => DIRECTIONS.contains(&value.to_ascii_lowercase().as_str()).then(|| value.into()),
            (_, "face") => style::is_font(value).then(|| value.into()),
            // A table may not claim more rows and columns than a browser lays out in time.
            (_, "colspan" | "rowspan") => {
                value.parse().ok().filter(|span| (1..=MAX_SPAN).contains(span)).map(|_: u16| value.into())
            }
            _ => style::is_measure(value).then(|| value.into()),
        }
    }

    fn style(&self, value: &str) -> Option<String> {
        let (kept, remote) = style::reduced(value);
        (0..remote).for_each(|_| self.count(false));
        (!kept.is_empty()).then_some(kept)
    }

    fn image(&self, value: &str) -> Option<String> {
        let mut state = self.state();
        let value = value.trim();
        match state.stage {
            Stage::Collecting => {
                drop(state);
                self.collect(value)
            }
            Stage::Settling => match number(value) {
                Some(number) => (number < state.numbered.len()).then(|| value.to_owned()),
                None => self.fetched(value),
            },
            Stage::Embedding => match number(value) {
                Some(number) => state.embed(number),
                None => self.fetched(value),
            },
        }
    }

    /// An image of the source: a number if it is the message's own, an address if it may be fetched.
    fn collect(&self, value: &str) -> Option<String> {
        if let Some(id) = strip_scheme(value, "cid:") {
            return self.own(self.images.with_id(id)?);
        }
        if strip_scheme(value, "data:").is_some() {
            let uri = image::embedded(&image::decoded(value)?)?;
            return self.state().add(uri.into()).map(|number| format!("cid:{number}"));
        }
        if let Some(image) = self.placed(value) {
            return self.own(image);
        }
        let address = address(value);
        if let (Some(address), Remote::Allowed) = (&address, self.remote) {
            return Some(address.clone());
        }
        self.count(address.is_some());
        None
    }

    /// The image of the message that lies where an address leads (RFC 2557 §5).
    fn placed(&self, value: &str) -> Option<usize> {
        if self.images.by_place.is_empty() {
            return None;
        }
        let place = located(value, self.state().base.as_ref())?;
        self.images.at(place.as_str()).or_else(|| self.images.at(located(value, None)?.as_str()))
    }

    /// The number of an image of the message.
    fn own(&self, image: usize) -> Option<String> {
        let mut state = self.state();
        if let Some(number) = state.own.get(&image) {
            return Some(format!("cid:{number}"));
        }
        let number = state.add(image::embedded(self.images.pictures.get(image)?)?.into())?;
        state.own.insert(image, number);
        Some(format!("cid:{number}"))
    }

    /// An address that an earlier run has let through.
    fn fetched(&self, value: &str) -> Option<String> {
        address(value).filter(|_| self.remote == Remote::Allowed)
    }

    fn count(&self, loadable: bool) {
        let mut state = self.state();
        if state.stage == Stage::Collecting {
            state.seen.blocked += 1;
            state.seen.loadable += usize::from(loadable);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, uri: Arc<str>) -> Option<usize> {
        let kept: usize = self.numbered.iter().map(|uri| uri.len()).sum();
        if kept + uri.len() > MAX_EMBEDDED {
            return None;
        }
        self.numbered.push(uri);
        Some(self.numbered.len() - 1)
    }

    fn embed(&mut self, number: usize) -> Option<String> {
        let uri = self.numbered.get(number)?;
        if self.embedded + uri.len() > MAX_EMBEDDED {
            return None;
        }
        self.embedded += uri.len();
        Some(uri.to_string())
    }
}

/// The number that stands for an image between runs.
fn number(value: &str) -> Option<usize> {
    value.strip_prefix("cid:")?.parse().ok()
}

fn strip_scheme<'v>(value: &'v str, scheme: &str) -> Option<&'v str> {
    let head = value.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &value[scheme.len()..])
}

fn percent_decoded(id: &str) -> String {
    let text = url::form_urlencoded::parse(format!("={}", id.replace('+', "%2B")).as_bytes())
        .map(|(_, value)| value.into_owned())
        .next();
    text.unwrap_or_default()
}

/// The normal form of an address to fetch from: TLS, a public name, nobody's password.
fn address(value: &str) -> Option<String> {
    let whole = match value.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => value.to_owned(),
    };
    let mut url = Url::parse(&whole).ok()?;
    if url.scheme() == "http" {
        url.set_scheme("https").ok()?;
    }
    let public = url.scheme() == "https" && is_public(url.host()?);
    let anonymous = url.username().is_empty() && url.password().is_none();
    (public && anonymous && url.as_str().len() <= MAX_ADDRESS).then(|| url.into())
}

/// Whether a host is a name of the public Internet: mail must not reach into the reader's own network.
fn is_public(host: Host<&str>) -> bool {
    let Host::Domain(name) = host else { return false };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.contains('.') && !PRIVATE.iter().any(|suffix| name.ends_with(suffix))
}

/// The normal form of an address that a person may follow.
pub(super) fn link(value: &str) -> Option<String> {
    let url = Url::parse(value.trim()).ok()?;
    let followed = LINKS.contains(&url.scheme()) && url.as_str().len() <= MAX_ADDRESS;
    followed.then(|| url.into())
}

fn attributes_of_elements() -> HashMap<&'static str, HashSet<&'static str>> {
    HashMap::from([
        ("a", HashSet::from(["href"])),
        ("img", HashSet::from(["alt", "src", "srcset", "lowsrc", "dynsrc", "hspace", "vspace"])),
        ("font", HashSet::from(["color", "face", "size"])),
        ("ol", HashSet::from(["start", "type", "reversed"])),
        ("ul", HashSet::from(["type"])),
        ("li", HashSet::from(["type", "value"])),
        ("col", HashSet::from(["span"])),
        ("colgroup", HashSet::from(["span"])),
        ("hr", HashSet::from(["size", "noshade", "color"])),
        ("br", HashSet::from(["clear"])),
        ("table", HashSet::from(["border", "bordercolor", "cellpadding", "cellspacing", "frame", "rules"])),
        ("td", HashSet::from(["colspan", "rowspan", "nowrap"])),
        ("th", HashSet::from(["colspan", "rowspan", "nowrap", "scope"])),
    ])
}

/// Structure, text and tables. Nothing that embeds, asks, runs or is named.
pub(super) const ELEMENTS: [&str; 78] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "details",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];
/// Elements that go with what is in them; of all others, the content stays.
const DROPPED: [&str; 24] = [
    "script",
    "style",
    "title",
    "noscript",
    "noembed",
    "noframes",
    "template",
    "svg",
    "math",
    "iframe",
    "frame",
    "frameset",
    "object",
    "embed",
    "applet",
    "textarea",
    "select",
    "option",
    "xmp",
    "plaintext",
    "audio",
    "video",
    "canvas",
    "portal",
];
/// Attributes of all elements. Some are here to be counted.
pub(super) const ATTRIBUTES: [&str; 12] = [
    "align",
    "background",
    "bgcolor",
    "color",
    "dir",
    "height",
    "lang",
    "poster",
    "style",
    "title",
    "valign",
    "width",
];
/// What ammonia lets through; the filter knows better by element.
const SCHEMES: [&str; 6] = ["http", "https", "mailto", "tel", "cid", "data"];
/// What a link may lead to.
const LINKS: [&str; 4] = ["http", "https", "mailto", "tel"];
const DIRECTIONS: [&str; 3] = ["ltr", "rtl", "auto"];
/// Names that lead into the reader's own network (RFC 6761, RFC 6762, RFC 8375).
const PRIVATE: [&str; 7] =
    [".localhost", ".local", ".internal", ".home.arpa", ".test", ".invalid", ".localdomain"];
/// Octets of an address; tracking links reach a few thousand.
const MAX_ADDRESS: usize = 8 << 10;
/// Octets of all `data:` URIs of a document together: 8 MiB of images in base64.
const MAX_EMBEDDED: usize = (8 << 20) / 3 * 4;
/// Rows or columns of a cell (WHATWG HTML §4.9.11).
const MAX_SPAN: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_fetched_from_public_names_over_tls_only() {
        for (value, expected) in [
            ("https://img.example/a.png?x=1", Some("https://img.example/a.png?x=1")),
            ("http://img.example/a.png", Some("https://img.example/a.png")),
            ("//img.example/a.png", Some("https://img.example/a.png")),
            ("HTTPS:\\\\img.example\\a", Some("https://img.example/a")),
            ("https://192.0.2.1/a", None),
            ("https://0x7f.1/a", None),
            ("https://[::1]/a", None),
            ("https://localhost/a", None),
            ("https://router.local./a", None),
            ("https://me:secret@img.example/a", None),
            ("ftp://img.example/a", None),
            ("javascript:alert(1)", None),
            ("a.png", None),
            ("", None),
        ] {
            assert_eq!(address(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn links_lead_to_four_schemes() {
        for (value, expected) in [
            (" https://a.example/x", Some("https://a.example/x")),
            ("mailto:a@b.example", Some("mailto:a@b.example")),
            ("tel:+4912345", Some("tel:+4912345")),
            ("java\nscript:alert(1)", None),
            ("\u{1}javascript:alert(1)", None),
            ("vbscript:x", None),
            ("data:text/html,x", None),
            ("blob:https://a.example/x", None),
            ("file:///etc/passwd", None),
            ("/unlock", None),
            ("#top", None),
        ] {
            assert_eq!(link(value).as_deref(), expected, "{value}");
        }
    }
}
