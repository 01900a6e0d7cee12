//! Text that would be of the colour of its ground, because the ground it was made for is a picture, a
//! style sheet or something else that is not shown, is given a colour that stands out.
//!
//! Works on cleaned HTML alone: what html5ever writes has every tag closed, every value quoted and every
//! angle in text escaped, so one pass over the octets sees what a browser will. The only things it
//! adds are two colours, both constants.

use super::colour::Colour;
use super::style;
use memchr::{memchr, memchr2};

/// Cleaned HTML whose text can be told from its ground.
pub(super) fn legible(html: String) -> String {
    let mut walk = Walk::default();
    if walk.run(&html).is_none() || walk.patches.is_empty() {
        return html;
    }
    walk.patches.sort_unstable();
    let mut out = String::with_capacity(html.len() + 32 * walk.patches.len());
    let mut from = 0;
    for (at, what) in walk.patches {
        out.push_str(&html[from..at]);
        out.push_str(&what);
        from = at;
    }
    out.push_str(&html[from..]);
    out
}

/// The ground and the ink that the page of a whole document has, as a `style` attribute of ours.
pub(super) fn page_style(style: &str, bgcolor: &str, text: &str) -> (String, usize) {
    let (kept, remote) = style::reduced(style);
    let own = |property: &str, attribute: &str| {
        let colour = Colour::of_attribute(attribute).is_some() && style::is_measure(attribute);
        colour.then(|| format!("{property}:{}", style::of_attribute(attribute)))
    };
    let wanted = |declaration: &&str| {
        declaration.starts_with("background-color:") || declaration.starts_with("color:")
    };
    let styled = kept.split(';').filter(wanted).map(str::to_owned);
    let parts: Vec<String> =
        own("background-color", bgcolor).into_iter().chain(own("color", text)).chain(styled).collect();
    (parts.join(";"), remote)
}

/// An element that is open.
struct Open {
    /// Where a colour can be added, and whether inside of a `style` attribute.
    place: (usize, bool),
    ink: Option<Colour>,
    ground: Option<Colour>,
    hidden: bool,
}

#[derive(Default)]
struct Walk {
    open: Vec<Open>,
    patches: Vec<(usize, String)>,
}

impl Walk {
    /// `None` if this is not what our serialiser writes.
    fn run(&mut self, html: &str) -> Option<()> {
        let mut at = 0;
        while let Some(text) = memchr(b'<', &html.as_bytes()[at..]) {
            self.text(&html[at..at + text]);
            let start = at + text;
            let tag = &html[start..];
            let length = tag_length(tag)?;
            match tag[1..length - 1].strip_prefix('/') {
                Some(_) => {
                    self.open.pop()?;
                }
                None => self.enter(&tag[1..length - 1], start + 1)?,
            }
            at = start + length;
        }
        Some(())
    }

    fn enter(&mut self, tag: &str, at: usize) -> Option<()> {
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut open = self.inherited(name, at + name.len());
        let mut styled = "";
        for (key, value, place) in (Attributes { rest: attributes, at: at + name.len() + 1 }) {
            match key {
                "style" => {
                    styled = value;
                    open.place = (place + value.len(), true);
                }
                "bgcolor" => open.ground = over(Colour::of_attribute(value), open.ground),
                "color" if name == "font" => open.ink = Colour::of_attribute(value),
                _ => {}
            }
        }
        for (property, value) in styled.split(';').filter_map(|one| one.split_once(':')) {
            match property {
                "background-color" => open.ground = over(Colour::of_style(value), open.ground),
                "color" if !value.eq_ignore_ascii_case("inherit") => open.ink = Colour::of_style(value),
                "display" | "visibility" => open.hidden |= matches!(value, "none" | "hidden"),
                "font-size" => open.hidden |= matches!(value, "0" | "0px" | "1px"),
                _ => {}
            }
        }
        if !VOID.contains(&name) {
            self.open.push(open);
        }
        (self.open.len() < MAX_DEPTH).then_some(())
    }

    fn inherited(&self, name: &str, place: usize) -> Open {
        let (ink, ground, hidden) = match self.open.last() {
            Some(parent) => (parent.ink, parent.ground, parent.hidden),
            None => (Some(Colour::INK), Some(Colour::WHITE), false),
        };
        let ink = if name == "a" { Some(Colour::LINK) } else { ink };
        Open { place: (place, false), ink, ground, hidden }
    }

    /// Text inside of the innermost element: its colour is looked at once.
    fn text(&mut self, text: &str) {
        let Some(open) = self.open.last_mut() else { return };
        let (Some(ink), Some(ground), false) = (open.ink, open.ground, open.hidden) else { return };
        let vanishes = ink.is_opaque() && ink.over(ground).contrast(ground) < LEAST_CONTRAST;
        if !vanishes || !text.replace("&nbsp;", "").contains(char::is_alphanumeric) {
            return;
        }
        let colour = ground.opposite();
        let patch = match open.place {
            (place, true) => (place, format!(";color:{colour}")),
            (place, false) => (place, format!(" style=\"color:{colour}\"")),
        };
        self.patches.push(patch);
        open.ink = Colour::of_style(colour);
    }
}

/// A ground on the one below; unknown if either is.
fn over(own: Option<Colour>, below: Option<Colour>) -> Option<Colour> {
    Some(own?.over(below?))
}

/// Octets of a tag with both angles.
fn tag_length(tag: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'>', b'"', &tag.as_bytes()[at..])?;
        if tag.as_bytes()[at] == b'>' {
            return Some(at + 1);
        }
        at += 1;
        at += memchr(b'"', &tag.as_bytes()[at..])? + 1;
    }
}

/// Names and values with their places.
struct Attributes<'t> {
    rest: &'t str,
    at: usize,
}

impl<'t> Iterator for Attributes<'t> {
    type Item = (&'t str, &'t str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.rest.split_once("=\"")?;
        let (value, rest) = rest.split_once('"')?;
        let place = self.at + name.len() + 2;
        self.at = place + value.len() + 1;
        self.rest = rest;
        Some((name.trim_start(), value, place))
    }
}

/// Elements without an end (WHATWG HTML §13.1.2).
const VOID: [&str; 5] = ["br", "col", "hr", "img", "wbr"];
/// Below this ratio text is as good as gone; a pale grey on white has 1.6.
const LEAST_CONTRAST: f32 = 1.5;
/// More than the gauge lets through.
const MAX_DEPTH: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_would_vanish_gets_a_colour() {
        for (html, expected) in [
            ("<p style=\"color:#fff\">x</p>", "<p style=\"color:#fff;color:#1a1a1a\">x</p>"),
            ("<font color=\"white\">x</font>", "<font style=\"color:#1a1a1a\" color=\"white\">x</font>"),
            (
                "<div style=\"background-color:#000\"><p>x</p></div>",
                "<div style=\"background-color:#000\"><p style=\"color:#ffffff\">x</p></div>",
            ),
            (
                "<td style=\"color:#fefefe\">a<b>b</b></td>",
                "<td style=\"color:#fefefe;color:#1a1a1a\">a<b>b</b></td>",
            ),
            (
                "<td bgcolor=\"#ffffff\"><a href=\"https://a.example/?x=&gt;\" style=\"color:white\">x</a></td>",
                "<td bgcolor=\"#ffffff\"><a href=\"https://a.example/?x=&gt;\" style=\"color:white;color:#1a1a1a\">x</a></td>",
            ),
        ] {
            assert_eq!(legible(html.to_owned()), expected);
            assert_eq!(legible(expected.to_owned()), expected, "nothing more to do");
        }
    }

    #[test]
    fn text_that_stands_out_or_is_hidden_stays_as_it_is() {
        for html in [
            "<td bgcolor=\"003366\"><p style=\"color:#fff\">x<br>y</p></td>",
            "<td style=\"background-color:navy\"><b style=\"color:rgb(255, 255, 255)\">x</b></td>",
            "<p style=\"color:#ccc\">pale</p>",
            "<div style=\"display:none;color:#fff\">x</div>",
            "<div style=\"color:#fff;font-size:0\"><b>x</b></div>",
            "<p style=\"color:#fff\">&nbsp;\u{200c} </p>",
            "<p style=\"background-color:oklch(0 0 0);color:#fff\">nobody knows</p>",
            "<p style=\"color:transparent\">meant so</p>",
            "<p style=\"color:#fff\"></b></p></p>",
            "text alone",
        ] {
            assert_eq!(legible(html.to_owned()), html);
        }
    }

    #[test]
    fn the_page_of_a_document_keeps_its_colours() {
        assert_eq!(page_style("", "#000", "ffffff").0, "background-color:#000;color:#ffffff");
        assert_eq!(
            page_style("margin:0;background:#123;color:#eee", "red", "").0,
            "background-color:red;background-color:#123;color:#eee"
        );
        assert_eq!(page_style("background:url(//t.example/x)", "url(x)", ""), (String::new(), 1));
    }
}
