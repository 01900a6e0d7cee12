//! HTML of strangers, made into a document that a page may frame.
//!
//! Three layers, each enough by itself: what is written here is rebuilt by ammonia from a list of
//! harmless elements and attributes; the frame it is shown in is a sandbox without scripts, forms and
//! origin; and the document's own Content-Security-Policy lets nothing be fetched. This module owns
//! the first and states the other two.
//!
//! What has been cleaned is cleaned again until nothing changes, so that the tree a browser builds is
//! the tree that was checked (mutation XSS); what does not settle is shown as text.

use super::allowed::{Filter, Images, Stage};
use super::legible::{legible, page_style};
use super::text::text_to_html;
use super::{gauge, page, plain};
use std::sync::Arc;
use url::Url;

/// Whether images may be fetched from where the sender put them. The sender then learns that, when
/// and from where the message was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Nothing is fetched.
    Blocked,
    /// Images are, over TLS, without a referrer.
    Allowed,
}

impl Remote {
    /// The value of the Content-Security-Policy header that the document must be served with.
    pub const fn content_security_policy(self) -> &'static str {
        match self {
            Self::Blocked => {
                "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'self'; \
                 sandbox allow-popups allow-popups-to-escape-sandbox"
            }
            Self::Allowed => {
                "default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'self'; \
                 sandbox allow-popups allow-popups-to-escape-sandbox"
            }
        }
    }
}

/// The value of the `sandbox` attribute of the frame: no scripts, no forms, no origin; links open
/// outside.
pub const SANDBOX: &str = "allow-popups allow-popups-to-escape-sandbox";

/// The HTML of a message as its sender wrote it. Nothing but [`HtmlBody::clean`] reads it.
pub struct HtmlBody {
    pieces: Vec<Piece>,
    images: Arc<Images>,
}

/// One of the parts that make up the body, in order.
pub(super) enum Piece {
    /// HTML, and where its relative addresses begin.
    Html(String, Option<Url>),
    Text(String),
}

/// What a frame may show.
pub struct Cleaned {
    /// A complete HTML document.
    pub document: String,
    /// How many references to something outside were taken out.
    pub blocked: usize,
    /// How many of these are images that [`Remote::Allowed`] would show.
    pub loadable: usize,
    /// Whether only its text is shown: it was beyond the limits, or did not settle.
    pub as_text: bool,
}

impl HtmlBody {
    /// `images` are the message's own.
    pub(super) fn new(pieces: Vec<Piece>, images: Images) -> Self {
        Self { pieces, images: Arc::new(images) }
    }

    /// A document without scripts, forms, frames and references, for a frame with [`SANDBOX`] and
    /// [`Remote::content_security_policy`].
    pub fn clean(&self, remote: Remote) -> Cleaned {
        self.read(remote, false).0
    }

    /// The same, and the words of it: both from one cleaning, which is most of the work.
    pub fn clean_with_text(&self, remote: Remote) -> (Cleaned, String) {
        self.read(remote, true)
    }

    /// The words of it, for search and for who prefers to read no HTML.
    pub fn to_text(&self) -> String {
        let filter = Filter::new(Remote::Blocked, self.images.clone());
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Html(html, base) => words(settled(html, base.as_ref(), &filter).as_deref(), html),
        };
        self.pieces.iter().map(text).collect::<Vec<_>>().join("\n")
    }

    fn read(&self, remote: Remote, with_text: bool) -> (Cleaned, String) {
        let filter = Filter::new(remote, self.images.clone());
        let (mut body, mut texts, mut as_text) = (String::new(), Vec::new(), false);
        for piece in &self.pieces {
            let (html, base) = match piece {
                Piece::Html(html, base) => (html, base),
                Piece::Text(text) => {
                    body.push_str(&text_to_html(text));
                    texts.push(text.clone());
                    continue;
                }
            };
            let settled = settled(html, base.as_ref(), &filter);
            if with_text {
                texts.push(words(settled.as_deref(), html));
            }
            as_text |= settled.is_none();
            body.push_str(&settled.map_or_else(|| fallback(html), |settled| shown(settled, html, &filter)));
        }
        let seen = filter.seen();
        let blocked = if as_text { seen.blocked.max(1) } else { seen.blocked };
        let cleaned = Cleaned { document: document(&body), blocked, loadable: seen.loadable, as_text };
        (cleaned, texts.join("\n"))
    }
}

/// What is shown in place of HTML that does not settle.
fn fallback(html: &str) -> String {
    format!("<p class=\"note\">{TOO_ODD}</p>{}", text_to_html(&plain::of_hostile(html)))
}

/// The words of HTML: of what settled, else of what came.
fn words(settled: Option<&str>, html: &str) -> String {
    settled.and_then(plain::of_clean).unwrap_or_else(|| plain::of_hostile(html))
}

/// What has settled as the frame shows it: on the ground of its page, legible, its images embedded.
fn shown(settled: String, html: &str, filter: &Arc<Filter>) -> String {
    let page = page::of(html);
    let (style, remote) = page_style(&page.style, &page.bgcolor, &page.text);
    filter.count_ground(remote);
    let grounded = match style.is_empty() {
        true => settled,
        // Room around it, as around the whole page.
        false => format!("<div style=\"padding:16px;{style}\">{settled}</div>"),
    };
    embedded(legible(grounded), filter)
}

/// The HTML cleaned until cleaning changes nothing, numbers in the place of its images. `None` if it is
/// too much work or does not settle.
fn settled(html: &str, base: Option<&Url>, filter: &Arc<Filter>) -> Option<String> {
    filter.begin(page::of(html).base.as_deref(), base);
    let mut current = cleaned(html, filter)?;
    filter.enter(Stage::Settling);
    for _ in 0..MAX_ROUNDS {
        let next = cleaned(&current, filter)?;
        if next == current {
            return Some(current);
        }
        current = next;
    }
    None
}

/// The images in their places. What is settled has been weighed, so this needs no gauge.
fn embedded(settled: String, filter: &Arc<Filter>) -> String {
    if !filter.has_images() {
        return settled;
    }
    filter.enter(Stage::Embedding);
    filter.builder().clean(&settled).to_string()
}

fn cleaned(html: &str, filter: &Arc<Filter>) -> Option<String> {
    if !gauge::is_affordable(html) {
        return None;
    }
    Some(filter.builder().clean(html).to_string())
}

/// A document of its own: nothing of the page around it reaches inside.
fn document(body: &str) -> String {
    format!("{HEAD}{body}{TAIL}")
}

const HEAD: &str = "<!doctype html><html lang=\"und\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\">\
    <title>Message</title><style>\
    :root{color-scheme:light;background:#fff;color:#1a1a1a}\
    body{margin:0;padding:16px;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
    img{max-width:100%}img[src]{height:auto}\
    img:not([src]){display:inline-block;max-width:100%;box-sizing:border-box;border:1px dashed #8a8a8a;\
    background:#f4f4f4;color:#555;font-size:12px;overflow:hidden}\
    pre{white-space:pre-wrap;tab-size:8}pre[dir=auto]{margin:0;font:14px/1.5 ui-monospace,Menlo,Consolas,monospace}\
    table{max-width:100%}\
    blockquote{margin:0 0 0 2px;padding:0 0 0 12px;border-left:3px solid #c9c9c9}\
    .note,.signature{color:#555}\
    @media print{body{padding:0}}\
    </style></head><body>";
const TAIL: &str = "</body></html>";
const TOO_ODD: &str = "This message\u{2019}s HTML is too large or too odd to be shown. This is its text.";
/// How often HTML may change under cleaning; mails settle at the first or second.
const MAX_ROUNDS: usize = 6;
