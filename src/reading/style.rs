//! What a mail may say about its looks: properties and values that can neither fetch, nor cover, nor
//! run anything.
//!
//! The grammar is a small part of CSS: words, numbers, lengths, quoted font names and the functions
//! that name a colour. A declaration with anything else in it goes as a whole: escapes, comments,
//! `url()`, `expression()`, `var()`, `image-set()`, at-rules (CSS Syntax Level 3).

/// The declarations of a `style` attribute that are harmless, and how many of the others refer to
/// something outside.
pub(super) fn reduced(style: &str) -> (String, usize) {
    if style.len() > MAX_STYLE {
        return (String::new(), 0);
    }
    let mut kept = String::new();
    let mut remote = 0;
    for declaration in style.split(';') {
        match harmless(declaration) {
            Some((property, value)) => {
                let separator = if kept.is_empty() { "" } else { ";" };
                kept.push_str(&format!("{separator}{property}:{value}"));
            }
            None if refers_outside(declaration) => remote += 1,
            None => {}
        }
    }
    (kept, remote)
}

/// Whether it is a word, number, length or colour as attributes like `bgcolor` and `width` have them.
pub(super) fn is_measure(value: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "#%.,+- ".contains(letter);
    value.len() <= MAX_MEASURE && value.chars().all(plain)
}

/// Whether it is the name of a font, or several.
pub(super) fn is_font(value: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || " ,-_'\"".contains(letter);
    value.len() <= MAX_VALUE && value.chars().all(plain)
}

fn harmless(declaration: &str) -> Option<(String, &str)> {
    let (property, value) = declaration.split_once(':')?;
    let property = property.trim().to_ascii_lowercase();
    let value = value.trim();
    let value = value.strip_suffix("!important").unwrap_or(value).trim_end();
    let fits = PROPERTIES.contains(&property.as_str()) && is_plain(value);
    fits.then_some((property, value))
}

/// Whether a value is of the small grammar.
fn is_plain(value: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || " #%.,+-_'\"()".contains(letter);
    let balanced = |quote: char| value.matches(quote).count().is_multiple_of(2);
    (1..=MAX_VALUE).contains(&value.len())
        && value.chars().all(plain)
        && balanced('"')
        && balanced('\'')
        && value.matches('(').count() == value.matches(')').count()
        && has_only_colours(value)
}

/// Whether every parenthesis belongs to a function that names a colour.
fn has_only_colours(value: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    value.match_indices('(').all(|(at, _)| {
        let before = &value[..at];
        let name = &before[before.trim_end_matches(is_name).len()..];
        COLOURS.iter().any(|colour| name.eq_ignore_ascii_case(colour))
    })
}

fn refers_outside(declaration: &str) -> bool {
    let declaration = declaration.to_ascii_lowercase();
    declaration.contains("//")
        || ["url(", "image-set(", "@import"].iter().any(|word| declaration.contains(word))
}

/// Properties that only change how a box and its text look. Nothing that positions, clips, animates
/// or generates content.
pub(super) const PROPERTIES: [&str; 75] = [
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
const COLOURS: [&str; 4] = ["rgb", "rgba", "hsl", "hsla"];
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
    }

    #[test]
    fn what_fetches_covers_or_runs_goes() {
        for style in [
            "background:url(https://t.example/x)",
            "background-color:url(https://t.example/x)",
            "color:u\\72l(//t.example)",
            "color:/**/red",
            "width:expression(alert(1))",
            "behavior:url(x.htc)",
            "-moz-binding:url(x.xml)",
            "position:fixed",
            "z-index:9999",
            "color:var(--x)",
            "color:image-set('//t.example/x' 1x)",
            "@import 'x'",
            "color:red}body{color:blue",
            "font-family:'a",
            "color:red<",
            "color:rgb(1,2,3",
            "color:(1)",
            "list-style-image:url(x)",
            "content:'x'",
            "filter:blur(1px)",
            "--x:1",
        ] {
            assert_eq!(reduced(style).0, "", "{style}");
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
