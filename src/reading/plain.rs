//! The words of HTML: properly from cleaned HTML, roughly from HTML that is too odd to be cleaned.

/// The text of HTML that has been cleaned, lines of at most 100 characters.
pub(super) fn of_clean(clean: &str) -> Option<String> {
    let config = html2text::config::plain_no_decorate().no_table_borders().allow_width_overflow();
    config.string_from_read(clean.as_bytes(), WIDTH).ok()
}

/// What stands outside of tags, scripts and style sheets, in one pass. The result is text: it is
/// escaped like any other, so nothing depends on how well this reads.
pub(super) fn of_hostile(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((words, tag)) = rest.split_once('<') {
        text.push_str(words);
        let end = closing(tag).unwrap_or(">");
        rest = match tag.split_once(end) {
            Some((_, after)) => after.strip_prefix('>').unwrap_or(after),
            None => "",
        };
        if text.len() > MAX_TEXT {
            break;
        }
        text.push(if ends_line(tag) { '\n' } else { ' ' });
    }
    text.push_str(rest);
    let text = super::cut(&text, MAX_TEXT).0;
    let unescaped = [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    unescaped.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}

/// Where an element ends that hides what is in it.
fn closing(tag: &str) -> Option<&'static str> {
    let hides = |name: &str| tag.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    [("style", "</style"), ("script", "</script"), ("!--", "-->")]
        .into_iter()
        .find(|(name, end)| hides(name) && tag.contains(end))
        .map(|(_, end)| end)
}

fn ends_line(tag: &str) -> bool {
    let name = tag.trim_start_matches('/').as_bytes();
    [&b"p"[..], b"br", b"div", b"tr", b"li", b"h"]
        .iter()
        .any(|start| name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)))
}

/// Characters of a line.
const WIDTH: usize = 100;
/// Octets of the rough text.
const MAX_TEXT: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_anything() {
        let html = "<style>p{}</style>One<p>Two &amp; three<script>alert(1)</script><b x='>'>four";
        assert_eq!(
            of_hostile(html).split_whitespace().collect::<Vec<_>>().join(" "),
            "One Two & three '>four"
        );
        assert_eq!(of_hostile("<"), " ");
        assert!(of_hostile(&"<div>x".repeat(500_000)).len() <= MAX_TEXT);
    }
}
