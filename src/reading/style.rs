//! What a mail may say about its looks: properties and values that can neither fetch, nor cover, nor
//! run anything.
//!
//! cssparser cuts a `style` attribute into tokens (CSS Syntax Level 3), and what is kept is written
//! anew from them: words, numbers, lengths, quoted font names and the functions that name a colour. A
//! declaration with anything else in it goes as a whole: `url()`, `expression()`, `var()`,
//! `image-set()`, at-rules. Of `background` and `background-image` the colour stays, as
//! `background-color`: without its ground, white text would be white on white.

use cssparser::color::{parse_hash_color, parse_named_color};
use cssparser::{Delimiter, ParseError, Parser, ToCss, Token};

/// The declarations of a `style` attribute that are harmless, and how many of the others refer to
/// something outside.
pub(super) fn reduced(style: &str) -> (String, usize) {
    if style.len() > MAX_STYLE {
        return (String::new(), 0);
    }
    let mut looks = Looks::default();
    let mut input = Parser::new(style);
    while !input.is_exhausted() {
        let start = input.position();
        let kept = input.parse_until_after(Delimiter::Semicolon, declaration);
        if let Ok(kept) = kept {
            looks.take(kept);
        }
        looks.remote += usize::from(refers_outside(input.slice_from(start)));
    }
    looks.finish()
}

/// Whether it is a word, number, length or colour as attributes like `bgcolor` and `width` have them.
pub(super) fn is_measure(value: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "#%.,+- ".contains(letter);
    value.len() <= MAX_MEASURE && value.chars().all(plain)
}

/// A colour of an attribute as CSS spells it: hexadecimal digits need their sharp sign there.
pub(super) fn of_attribute(colour: &str) -> String {
    let colour = colour.trim();
    let bare = !colour.starts_with('#') && parse_named_color(&colour.to_ascii_lowercase()).is_err();
    if bare { format!("#{colour}") } else { colour.to_owned() }
}

/// Whether it is the name of a font, or several.
pub(super) fn is_font(value: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || " ,-_'\"".contains(letter);
    value.len() <= MAX_VALUE && value.chars().all(plain)
}

/// What is kept of an attribute.
#[derive(Default)]
struct Looks {
    kept: Vec<(String, String)>,
    /// A colour that stands for a gradient, where no other ground is laid.
    gradient: Option<String>,
    remote: usize,
}

/// One declaration that is kept.
enum Kept {
    Plain(String, String),
    /// The ground under the text: a colour, or one that stands for a gradient.
    Ground(Option<String>, Option<String>),
}

impl Looks {
    fn take(&mut self, kept: Kept) {
        match kept {
            Kept::Plain(property, value) => self.kept.push((property, value)),
            Kept::Ground(colour, gradient) => {
                self.kept.extend(colour.map(|colour| (GROUND.to_owned(), colour)));
                self.gradient = gradient.or(self.gradient.take());
            }
        }
    }

    fn finish(mut self) -> (String, usize) {
        let has_ground = self.kept.iter().any(|(property, _)| property == GROUND);
        let gradient = self.gradient.filter(|_| !has_ground);
        self.kept.extend(gradient.map(|colour| (GROUND.to_owned(), colour)));
        let kept: Vec<String> =
            self.kept.iter().map(|(property, value)| format!("{property}:{value}")).collect();
        (kept.join(";"), self.remote)
    }
}

fn declaration(input: &mut Parser<'_>) -> Result<Kept, ParseError<()>> {
    let property = input.expect_ident()?.to_ascii_lowercase();
    input.expect_colon()?;
    if matches!(property.as_str(), "background" | "background-image") {
        let (colour, gradient) = ground(input)?;
        return Ok(Kept::Ground(colour, gradient));
    }
    let mut value = String::new();
    written(input, &mut value, true)?;
    let fits = PROPERTIES.contains(&property.as_str()) && (1..=MAX_VALUE).contains(&value.len());
    if fits { Ok(Kept::Plain(property, value)) } else { Err(ParseError::unexpected_token()) }
}

/// Writes a value anew. Comments become blanks, so that nothing grows together.
fn written(input: &mut Parser<'_>, out: &mut String, outermost: bool) -> Result<(), ParseError<()>> {
    input.skip_whitespace();
    while let Ok(token) = input.next_including_whitespace_and_comments().cloned() {
        match token {
            Token::WhiteSpace(_) | Token::Comment(_) if out.ends_with(' ') => {}
            Token::WhiteSpace(_) | Token::Comment(_) => out.push(' '),
            Token::Comma => out.push(','),
            // `font: 12px/1.5 Arial`, `rgb(0 0 0 / 50%)`.
            Token::Delim('/') if !out.ends_with('/') => out.push('/'),
            Token::Delim('!') if outermost => {
                input.expect_ident_matching("important")?;
                input.expect_exhausted()?;
            }
            Token::Ident(word) if is_word(&word) => out.push_str(&word),
            Token::Hash(word) | Token::IDHash(word) if is_word(&word) => {
                out.push('#');
                out.push_str(&word);
            }
            Token::Number { .. } | Token::Percentage { .. } => out.push_str(&token.to_css_string()),
            Token::Dimension { ref unit, .. } if is_word(unit) => out.push_str(&token.to_css_string()),
            Token::QuotedString(name) if is_name(&name) => {
                out.push('"');
                out.push_str(&name);
                out.push('"');
            }
            Token::Function(name) if is_colour_function(&name) => {
                out.push_str(&name.to_ascii_lowercase());
                out.push('(');
                input.parse_nested_block(|input| written(input, out, false))?;
                out.push(')');
            }
            _ => return Err(ParseError::unexpected_token()),
        }
        if out.len() > MAX_VALUE {
            return Err(ParseError::unexpected_token());
        }
    }
    out.truncate(out.trim_end().len());
    Ok(())
}

/// The colour that a `background` lays under the text, and one that stands for a gradient. Pictures,
/// places and sizes are passed over; of several layers the last one has the colour (CSS Backgrounds
/// and Borders 3 §2.10).
fn ground(input: &mut Parser<'_>) -> Result<(Option<String>, Option<String>), ParseError<()>> {
    let (mut colour, mut gradient, mut none) = (None, None, false);
    while let Ok(token) = input.next().cloned() {
        match token {
            Token::Function(name) if is_colour_function(&name) => {
                colour = Some(input.parse_nested_block(|input| function(&name, input))?);
            }
            Token::Function(name) if name.to_ascii_lowercase().ends_with("gradient") => {
                let first = input.parse_nested_block(|input| Ok::<_, ParseError<()>>(first_colour(input)))?;
                gradient = gradient.or(first);
            }
            Token::Ident(word) if word.eq_ignore_ascii_case("none") => none = true,
            Token::BadString(_) | Token::BadUrl(_) => return Err(ParseError::unexpected_token()),
            token => colour = simple_colour(&token).or(colour),
        }
    }
    let nothing = none && colour.is_none() && gradient.is_none();
    Ok((colour.or_else(|| nothing.then(|| "transparent".to_owned())), gradient))
}

/// The colour that a gradient begins with. It is read to its end, as its parenthesis wants.
fn first_colour(input: &mut Parser<'_>) -> Option<String> {
    let mut first = None;
    while let Ok(token) = input.next().cloned() {
        let colour = match token {
            Token::Function(name) if is_colour_function(&name) => {
                input.parse_nested_block(|input| function(&name, input)).ok()
            }
            token => simple_colour(&token),
        };
        first = first.or(colour);
    }
    first
}

fn function(name: &str, input: &mut Parser<'_>) -> Result<String, ParseError<()>> {
    let mut out = format!("{}(", name.to_ascii_lowercase());
    written(input, &mut out, false)?;
    out.push(')');
    Ok(out)
}

/// A colour of one token.
fn simple_colour(token: &Token<'_>) -> Option<String> {
    match token {
        Token::Hash(hex) | Token::IDHash(hex) => {
            parse_hash_color(hex.as_bytes()).ok().map(|_| format!("#{}", hex.to_ascii_lowercase()))
        }
        Token::Ident(word) => {
            let word = word.to_ascii_lowercase();
            let special = matches!(word.as_str(), "transparent" | "currentcolor");
            (special || parse_named_color(&word).is_ok()).then_some(word)
        }
        _ => None,
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
}

/// A font's name between quotes.
fn is_name(name: &str) -> bool {
    name.chars().all(|letter| letter.is_alphanumeric() || " -_,.+".contains(letter))
}

fn is_colour_function(name: &str) -> bool {
    COLOURS.iter().any(|colour| name.eq_ignore_ascii_case(colour))
}

fn refers_outside(declaration: &str) -> bool {
    let declaration = declaration.to_ascii_lowercase();
    declaration.contains("//")
        || ["url(", "image-set(", "@import"].iter().any(|word| declaration.contains(word))
}

/// What `background` and `background-image` become.
const GROUND: &str = "background-color";
/// Properties that only change how a box and its text look. Nothing that positions, clips, animates
/// or generates content.
const PROPERTIES: [&str; 75] = [
    "background-color",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-bottom-left-radius",
    "border-bottom-right-radius",
    "border-bottom-style",
    "border-bottom-width",
    "border-collapse",
    "border-color",
    "border-left",
    "border-left-color",
    "border-left-style",
    "border-left-width",
    "border-radius",
    "border-right",
    "border-right-color",
    "border-right-style",
    "border-right-width",
    "border-spacing",
    "border-style",
    "border-top",
    "border-top-color",
    "border-top-left-radius",
    "border-top-right-radius",
    "border-top-style",
    "border-top-width",
    "border-width",
    "box-sizing",
    "caption-side",
    "clear",
    "color",
    "direction",
    "display",
    "empty-cells",
    "float",
    "font",
    "font-family",
    "font-size",
    "font-stretch",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-position",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "overflow-wrap",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-indent",
    "text-transform",
    "unicode-bidi",
    "vertical-align",
    "visibility",
    "white-space",
    "width",
    "word-break",
    "word-spacing",
];
/// Functions that name a colour and nothing else (CSS Color 4).
const COLOURS: [&str; 9] = ["rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch"];
/// Octets of a `style` attribute.
const MAX_STYLE: usize = 8 << 10;
/// Octets of a value: a list of fonts.
const MAX_VALUE: usize = 256;
/// Octets of a measure.
const MAX_MEASURE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_stay() {
        for style in [
            "color:red",
            "background-color:#fff;font-family:\"Segoe UI\", Arial",
            "margin:0 auto;width:100%",
            "color:rgba(1, 2, 3, 0.5)",
        ] {
            assert_eq!(reduced(style), (style.to_owned(), 0));
        }
        assert_eq!(reduced(" COLOR : red !important ;;").0, "color:red");
        assert_eq!(reduced("font: 12px/1.5 'Segoe UI'").0, "font:12px/1.5 \"Segoe UI\"");
        assert_eq!(reduced("color:/**/red;width:1/**/0px").0, "color:red;width:1 0px");
        // What the end closes is closed (CSS Syntax 3 §5.4).
        assert_eq!(reduced("color:rgb(1,2,3").0, "color:rgb(1,2,3)");
        assert_eq!(reduced("font-family:'a").0, "font-family:\"a\"");
        assert_eq!(reduced("c\\6flor:\\72 ed").0, "color:red", "written anew, without escapes");
    }

    #[test]
    fn what_fetches_covers_or_runs_goes() {
        for style in [
            "background:url(https://t.example/x)",
            "background-color:url(https://t.example/x)",
            "color:u\\72l(//t.example)",
            "width:expression(alert(1))",
            "behavior:url(x.htc)",
            "-moz-binding:url(x.xml)",
            "position:fixed",
            "z-index:9999",
            "color:var(--x)",
            "color:image-set('//t.example/x' 1x)",
            "@import 'x'",
            "color:red}body{color:blue",
            "color:red<",
            "color:(1)",
            "list-style-image:url(x)",
            "content:'x'",
            "filter:blur(1px)",
            "--x:1",
        ] {
            assert_eq!(reduced(style).0, "", "{style}");
        }
    }

    /// White text needs the ground that its sender laid under it.
    #[test]
    fn the_ground_of_a_background_stays() {
        for (style, kept, remote) in [
            ("background:#036", "background-color:#036", 0),
            ("BACKGROUND: Navy !important", "background-color:navy", 0),
            (
                "background:url(https://t.example/x) no-repeat center / cover #0B5394",
                "background-color:#0b5394",
                1,
            ),
            ("background:rgb(1 2 3 / 50%) url('//t.example/x')", "background-color:rgb(1 2 3 / 50%)", 1),
            ("background:url(x) , url(y) hsl(1,2%,3%)", "background-color:hsl(1,2%,3%)", 1),
            ("background-image:linear-gradient(to right, #123456 0%, red)", "background-color:#123456", 0),
            ("background-color:red;background-image:linear-gradient(#000,#fff)", "background-color:red", 0),
            ("background:none", "background-color:transparent", 0),
            ("background:url(https://t.example/x)", "", 1),
            ("background:image-set('//t.example/x' 1x) #fff", "background-color:#fff", 1),
            ("background:expression(alert(1)) red", "background-color:red", 0),
            ("background:repeat-x 0 0", "", 0),
            ("background:#12", "", 0),
            ("background:#fff url(https://t.example/x", "background-color:#fff", 1),
        ] {
            assert_eq!(reduced(style), (kept.to_owned(), remote), "{style}");
            assert_eq!(reduced(kept).0, kept, "it is settled");
        }
    }

    #[test]
    fn references_are_counted() {
        let style = "background:url(https://t.example/1);color:red;background-image:URL(//t.example/2)";
        assert_eq!(reduced(style), ("color:red".to_owned(), 2));
    }

    #[test]
    fn a_quote_does_not_hide_a_semicolon() {
        assert_eq!(reduced("font-family:'a;position:fixed;b'").0, "");
    }
}
