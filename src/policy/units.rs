//! Sizes and ages as people write them in a policy.

use std::time::Duration;

/// Octets of `"500 B"`, `"64 kB"`, `"1 MB"`, `"1 MiB"`; none for anything else.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (count, unit) = split(text)?;
    let octets = SIZES.iter().find(|(name, _)| *name == unit)?.1;
    count.checked_mul(octets)
}

/// The time of `"12h"`, `"30d"`, `"6w"`; none for anything else.
pub fn parse_age(text: &str) -> Option<Duration> {
    let (count, unit) = split(text)?;
    let seconds = AGES.iter().find(|(name, _)| *name == unit)?.1;
    count.checked_mul(seconds).map(Duration::from_secs)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    Some((count.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

const SIZES: [(&str, u64); 6] =
    [("B", 1), ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20)];
const AGES: [(&str, u64); 3] = [("h", 3_600), ("d", 86_400), ("w", 604_800)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages() {
        for (text, octets) in [
            ("0 B", Some(0)),
            ("12B", Some(12)),
            ("64 kB", Some(64_000)),
            ("64 KB", Some(64_000)),
            ("1 MB", Some(1_000_000)),
            ("2 KiB", Some(2_048)),
            ("1MiB", Some(1_048_576)),
            ("", None),
            ("1", None),
            ("MB", None),
            ("-1 MB", None),
            ("1  MB", None),
            ("1 mb", None),
            ("99999999999999999999 B", None),
            ("18446744073709551615 MB", None),
        ] {
            assert_eq!(parse_size(text), octets, "{text:?}");
        }
        assert_eq!(parse_age("30d"), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_age("2 w"), Some(Duration::from_secs(14 * 86_400)));
        assert_eq!(parse_age("30"), None);
        assert_eq!(parse_age("18446744073709551615w"), None);
    }
}
