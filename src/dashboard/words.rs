//! Times, sizes and notices in the words that people see.

use jiff::civil::{Date, DateTime};

use crate::clock::Timestamp;
use crate::reading;

/// A time as a page shows it: for machines (RFC 3339), and for people without scripts, in UTC.
/// `live.js` turns it into the person's own.
pub struct Moment {
    /// For the `datetime` attribute.
    pub machine: String,
    /// For people.
    pub text: String,
}

impl Moment {
    /// A moment in Unix seconds.
    pub fn new(unix: i64) -> Self {
        let stamp = jiff::Timestamp::from_second(unix).unwrap_or_default();
        Self { machine: stamp.to_string(), text: stamp.strftime("%-d %b %Y, %H:%M UTC").to_string() }
    }

    /// A moment as calls tell it (RFC 3339).
    pub fn of_call(text: &str) -> Self {
        text.parse().map_or_else(
            |_| Self { machine: text.to_owned(), text: text.to_owned() },
            |stamp: jiff::Timestamp| Self::new(stamp.as_second()),
        )
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::new(time.unix())
    }
}

/// From when to when, in the words of the invitation's own time zone. The day stands there once if it
/// is one; what is no date stays as the sender wrote it.
pub fn span(start: &reading::Moment, end: Option<&reading::Moment>) -> String {
    let begins = [spoken(&start.text, DAY_AND_TIME), start.zone.clone()];
    let Some(end) = end else { return join(&begins) };
    let same_day = start.text.get(..DATE) == end.text.get(..DATE) && end.text.len() > DATE;
    let ends = spoken(&end.text, if same_day { TIME } else { DAY_AND_TIME });
    if start.zone == end.zone {
        return join(&[format!("{} to {ends}", begins[0]), end.zone.clone()]);
    }
    format!("{} to {}", join(&begins), join(&[ends, end.zone.clone()]))
}

fn spoken(text: &str, style: &str) -> String {
    if let Ok(time) = DateTime::strptime("%Y-%m-%d %H:%M", text) {
        return time.strftime(style).to_string();
    }
    Date::strptime("%Y-%m-%d", text).map_or_else(|_| text.to_owned(), |day| day.strftime(DAY).to_string())
}

fn join(words: &[String]) -> String {
    words.join(" ").trim_end().to_owned()
}

/// Octets in the unit that fits.
pub fn size(octets: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let mut value = octets as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.5 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// The name of a mailbox in a list: what stands before the address, else the address.
pub fn short_name(from: &str) -> String {
    let name = from.split_once('<').map_or(from, |(name, _)| name).trim().trim_matches('"').trim();
    let shown = if name.is_empty() { from.trim_matches(['<', '>', ' ']) } else { name };
    if shown.is_empty() { "(no sender)".to_owned() } else { shown.to_owned() }
}

/// A text that begins with a capital letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a page says at its top, by the word in its address. Only these words have a meaning, so that
/// nobody puts words into our mouth by a link.
pub fn notice(word: Option<&str>) -> Option<&'static str> {
    let (_, text) = NOTICES.iter().find(|(known, _)| Some(*known) == word)?;
    Some(text)
}

/// Octets of a date in an invitation.
const DATE: usize = 10;
const TIME: &str = "%H:%M";
const DAY: &str = "%A %-d %b %Y";
const DAY_AND_TIME: &str = "%A %-d %b %Y, %H:%M";
const NOTICES: &[(&str, &str)] = &[
    ("locked", "Locked. Everything is sealed again."),
    ("trashed", "Moved to the trash."),
    ("restored", "Back in the inbox."),
    ("moved", "Moved to the folder that you chose."),
    ("seen", "Marked as read."),
    ("unseen", "Marked as unread."),
    ("deleted", "Deleted for good: its keys are gone."),
    ("saved", "Saved."),
    ("removed", "Removed."),
    (
        "password",
        "Your password is changed; your sessions and tokens have ended. Still open are the devices under Views, by app passwords of their own. Sign in with the new password.",
    ),
    (
        "authenticator",
        "The old authenticator is void. Sign in with your password: the new one is set up then.",
    ),
    ("phrase", "Saved. New mail carries it from now on."),
    ("ended-all", "All other sessions are ended."),
    ("verifying", "Every entry is being checked. This page says what came of it."),
    ("signed-out", "You are signed out."),
    ("ended", "That session is ended."),
    ("loaded", "The policy is in force. New mail follows it at once."),
    ("added", "Added."),
    ("disabled", "Shut out. Their sessions and mail clients end now."),
    ("enabled", "Let in again."),
    ("welcome", "You are all set."),
    ("revoked", "Revoked. It is worth nothing from now on."),
    ("session-ended", "That session is ended. Whoever had it is signed out."),
    ("leaving", "Shut out. What they had is being seen to; this page says what came of it."),
    ("removing", "The tenant is being removed. Its keys go first, so nothing opens its mail any more."),
    ("passkey-added", "Your passkey is added. From now on it unlocks your mail."),
    ("passkey-removed", "The passkey is removed. It opens nothing any more."),
    ("device-revoked", "Revoked. That device gets nothing any more."),
    ("tightened", "The view shows less from now on, of old mail too."),
    ("loosened", "New mail follows the new policy. Of older mail the view shows what both policies allow."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (octets, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (20_480, "20.5 KB"),
            (999_600, "1.0 MB"),
            (250_000_000, "250 MB"),
            (5_000_000_000_000, "5000 GB"),
        ] {
            assert_eq!(size(octets), text);
        }
    }

    #[test]
    fn invitations_tell_the_day_once() {
        let moment = |text: &str, zone: &str| reading::Moment {
            text: text.to_owned(),
            zone: zone.to_owned(),
            unix: None,
        };
        let start = moment("2026-11-12 16:00", "UTC");
        for (end, words) in [
            (None, "Thursday 12 Nov 2026, 16:00 UTC"),
            (Some(moment("2026-11-12 17:30", "UTC")), "Thursday 12 Nov 2026, 16:00 to 17:30 UTC"),
            (
                Some(moment("2026-11-13 01:00", "UTC")),
                "Thursday 12 Nov 2026, 16:00 to Friday 13 Nov 2026, 01:00 UTC",
            ),
            (Some(moment("2026-11-12 18:00", "Paris")), "Thursday 12 Nov 2026, 16:00 UTC to 18:00 Paris"),
            (Some(moment("é soon", "")), "Thursday 12 Nov 2026, 16:00 UTC to é soon"),
        ] {
            assert_eq!(span(&start, end.as_ref()), words);
        }
        let day = moment("2026-12-24", "");
        assert_eq!(
            span(&day, Some(&moment("2026-12-26", ""))),
            "Thursday 24 Dec 2026 to Saturday 26 Dec 2026"
        );
    }

    #[test]
    fn names_are_what_people_look_for() {
        for (from, name) in [
            ("\"Ann Lee\" <ann@a.example>", "Ann Lee"),
            ("<ann@a.example>", "ann@a.example"),
            ("ann@a.example", "ann@a.example"),
            ("", "(no sender)"),
        ] {
            assert_eq!(short_name(from), name);
        }
    }

    #[test]
    fn only_known_words_become_notices() {
        assert!(notice(Some("locked")).is_some());
        assert!(notice(Some("<b>")).is_none() && notice(None).is_none());
    }
}
