//! LIST patterns (RFC 9051 §6.3.9): `*` stands for anything, `%` for anything within one name. Pure.

use crate::mailbox::{MAX_PATH, SEPARATOR, composed};

/// The patterns of one command, the reference in front of each.
pub(super) struct Patterns(Vec<Vec<char>>);

/// There are more patterns than are taken, or longer ones.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Patterns {
    pub(super) fn new(reference: &str, patterns: &[String]) -> Result<Self, TooMany> {
        if patterns.len() > MAX_PATTERNS {
            return Err(TooMany);
        }
        patterns.iter().map(|pattern| canonical(reference, pattern)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them matches.
    pub(super) fn match_path(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.0.iter().any(|pattern| matches(pattern, &path))
    }
}

/// RFC 9051 §6.3.9.1 leaves the meaning of a reference to the server: here the pattern follows it as it is.
fn canonical(reference: &str, pattern: &str) -> Result<Vec<char>, TooMany> {
    if reference.len() + pattern.len() > MAX_PATTERN {
        return Err(TooMany);
    }
    let mut canonical: Vec<char> = composed(&format!("{reference}{pattern}")).chars().collect();
    canonical.dedup_by(|next, before| *next == '*' && *before == '*');
    // RFC 9051 §5.1: INBOX has any case of letters, also as the first name of a path.
    let first = canonical.iter().position(|c| *c == SEPARATOR).unwrap_or(canonical.len());
    if canonical[..first].iter().collect::<String>().eq_ignore_ascii_case("INBOX") {
        canonical[..first].iter_mut().for_each(|c| *c = c.to_ascii_uppercase());
    }
    Ok(canonical)
}

/// Steps through the path with the set of all places in the pattern that it can stand at, so that no pattern
/// takes more time than its length times that of the path.
fn matches(pattern: &[char], path: &[char]) -> bool {
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip_wildcards(pattern, &mut places);
    for c in path {
        let mut next = vec![false; pattern.len() + 1];
        for (place, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
            match pattern.get(place) {
                Some('*') => next[place] = true,
                Some('%') => next[place] |= *c != SEPARATOR,
                Some(wanted) => next[place + 1] |= wanted == c,
                None => {}
            }
        }
        skip_wildcards(pattern, &mut next);
        places = next;
    }
    places[pattern.len()]
}

/// Wildcards may stand for nothing.
fn skip_wildcards(pattern: &[char], places: &mut [bool]) {
    for place in 0..pattern.len() {
        if places[place] && matches!(pattern[place], '*' | '%') {
            places[place + 1] = true;
        }
    }
}

/// Patterns of one LIST.
const MAX_PATTERNS: usize = 32;
/// Octets of a pattern with its reference; no path is longer than half of it.
const MAX_PATTERN: usize = 2 * MAX_PATH;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matched(reference: &str, pattern: &str, path: &str) -> bool {
        Patterns::new(reference, &[pattern.to_owned()]).expect("few").match_path(path)
    }

    #[test]
    fn wildcards() {
        for (reference, pattern, path, expected) in [
            ("", "*", "a/b/c", true),
            ("", "%", "a", true),
            ("", "%", "a/b", false),
            ("", "%/%", "a/b", true),
            ("", "%/b", "a/b", true),
            ("", "a/%", "a/", true),
            ("a/", "%", "a/b", true),
            ("a/", "%", "ab", false),
            ("", "inbox", "INBOX", true),
            ("", "Inbox/%", "INBOX/Work", true),
            ("", "inbo*", "INBOX", false),
            ("", "a*c", "a/b/c", true),
            ("", "a*c", "a/b", false),
            ("", "*%*%", "a/b", true),
            ("", "", "a", false),
            ("", "M*er", "Müller", true),
            ("", "Mu\u{308}ll*", "Müller", true),
            ("", "a%*", "a%*b", true),
        ] {
            assert_eq!(matched(reference, pattern, path), expected, "{reference:?} {pattern:?} {path:?}");
        }
    }

    #[test]
    fn there_is_a_limit() {
        assert!(Patterns::new("", &vec!["a".to_owned(); MAX_PATTERNS + 1]).is_err());
        assert!(Patterns::new(&"a".repeat(MAX_PATTERN), &["b".to_owned()]).is_err());
        assert!(!matched("", &"*a".repeat(MAX_PATTERN / 2), &"a".repeat(MAX_PATH - 1)));
    }

    proptest! {
        #[test]
        fn patterns_without_wildcards_match_themselves(path in "[a-z/ü]{1,20}", other in "[a-z/ü]{1,20}") {
            prop_assert!(matched("", &path, &path));
            prop_assert_eq!(matched("", &path, &other), path == other);
            prop_assert_eq!(matched("", "%", &path), !path.contains('/'));
        }
    }
}
