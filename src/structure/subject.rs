//! The base subject (RFC 5256 §2.1), by which SORT and THREAD compare.

/// The base subject of a decoded subject, and whether it was that of a reply or of a forwarded message.
pub fn base_subject(subject: &str) -> (String, bool) {
    let collapsed = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut base, mut reply) = (collapsed.as_str(), false);
    loop {
        base = without_trailers(base, &mut reply);
        base = without_leaders(base, &mut reply);
        // `subj-fwd`: steps 2 to 6 once more for what is in the brackets.
        match strip_word(base, "[fwd:").and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => (base, reply) = (inside, true),
            None => return (base.to_owned(), reply),
        }
    }
}

/// `subj-trailer = "(fwd)" / WSP`.
fn without_trailers<'s>(mut text: &'s str, reply: &mut bool) -> &'s str {
    loop {
        text = text.trim_end();
        let Some(at) = text.len().checked_sub("(fwd)".len()) else { return text };
        if !text.is_char_boundary(at) || !text[at..].eq_ignore_ascii_case("(fwd)") {
            return text;
        }
        (text, *reply) = (&text[..at], true);
    }
}

/// `subj-leader = (*subj-blob subj-refwd) / WSP`, and a `subj-blob` that leaves something.
fn without_leaders<'s>(mut text: &'s str, reply: &mut bool) -> &'s str {
    loop {
        text = text.trim_start();
        if let Some(rest) = without_refwd(text) {
            (text, *reply) = (rest, true);
        } else if let Some(rest) = without_blob(text).filter(|rest| !rest.is_empty()) {
            text = rest;
        } else {
            return text;
        }
    }
}

/// `*subj-blob ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`.
fn without_refwd(mut text: &str) -> Option<&str> {
    while let Some(rest) = without_blob(text) {
        text = rest;
    }
    let words = ["re", "fwd", "fw"];
    let rest = words.iter().find_map(|word| strip_word(text, word))?.trim_start();
    without_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// `"[" *BLOBCHAR "]" *WSP`.
fn without_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']']).filter(|end| inside[*end..].starts_with(']'))?;
    Some(inside[end + 1..].trim_start())
}

fn strip_word<'s>(text: &'s str, word: &str) -> Option<&'s str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artefacts_of_replies_go() {
        for (subject, base, reply) in [
            ("flour", "flour", false),
            ("Re: flour", "flour", true),
            ("RE:flour", "flour", true),
            ("re : flour", "flour", true),
            ("Fwd: Re: fw: flour", "flour", true),
            ("Re[2]: flour", "flour", true),
            ("Re [fwd]: flour", "flour", true),
            ("[bakers] Re: flour", "flour", true),
            ("Re: [bakers] flour", "flour", true),
            ("[a][b] flour", "flour", false),
            ("[only a blob]", "[only a blob]", false),
            ("[a] [b]", "[b]", false),
            ("flour (fwd)", "flour", true),
            ("flour (FWD) (fwd) ", "flour", true),
            ("[fwd: flour]", "flour", true),
            ("[Fwd: Re: flour (fwd)]", "flour", true),
            ("Re: [fwd: [x] flour]", "flour", true),
            ("  two\t words  ", "two words", false),
            ("Re:", "", true),
            ("", "", false),
            ("Regarding flour", "Regarding flour", false),
            ("fwdx: flour", "fwdx: flour", false),
            ("[open flour", "[open flour", false),
            ("ä(fwd)", "ä", true),
            ("Réponse", "Réponse", false),
        ] {
            assert_eq!(base_subject(subject), (base.to_owned(), reply), "{subject:?}");
        }
    }
}
