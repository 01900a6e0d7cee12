//! Dates as header fields have them, and had them (RFC 5322 §3.3, §4.3; RFC 822 §5): without seconds, with named
//! zones, with two digits of the year, with comments, as C's `asctime` writes them.

use jiff::civil::Date;

use super::model::SentDate;

/// A date, if it is one. A zone that is not known counts as UTC (RFC 5322 §4.3).
pub(super) fn parse(text: &str) -> Option<SentDate> {
    let text = without_comments(text);
    let words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    let mut found = Found::default();
    for word in words {
        found.take(word)?;
    }
    found.date()
}

/// What was found of a date so far.
#[derive(Default)]
struct Found {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    /// Seconds of the day.
    time: Option<i64>,
    /// Seconds east of UTC.
    east: Option<i64>,
}

impl Found {
    /// Takes a word for what it can be; none if it can be nothing.
    fn take(&mut self, word: &str) -> Option<()> {
        let first = word.bytes().next()?;
        let is_date = word.as_bytes().get(4) == Some(&b'-');
        if word.contains(':') && first.is_ascii_digit() && !is_date && self.time.is_none() {
            return self.take_time(word);
        }
        if first.is_ascii_digit() {
            return self.take_number(word);
        }
        if matches!(first, b'+' | b'-') && self.time.is_some() && self.east.is_none() {
            self.east = Some(numeric_zone(word)?);
            return Some(());
        }
        self.take_name(word)
    }

    /// `9:00`, `09:00:00`, `09:00:00.5`, also with a zone right behind it.
    fn take_time(&mut self, word: &str) -> Option<()> {
        let (time, zone) = match word.find(['+', '-']) {
            Some(at) => (&word[..at], Some(&word[at..])),
            None => (word.trim_end_matches(['Z', 'z']), None),
        };
        let mut fields = time.split(':');
        let hour = digits(fields.next()?, 2).filter(|hour| *hour < 24)?;
        let minute = digits(fields.next()?, 2).filter(|minute| *minute < 60)?;
        // RFC 5322 §3.3: 60 is a leap second; the moment after it is as near as can be said.
        let second = fields.next().unwrap_or("0");
        let second = digits(second.split_once('.').map_or(second, |(whole, _)| whole), 2)
            .filter(|second| *second <= 60)?;
        self.time = fields.next().is_none().then_some(hour * 3600 + minute * 60 + second);
        self.east = zone.map_or(Some(self.east), |zone| numeric_zone(zone).map(Some))?;
        self.time.map(drop)
    }

    /// A day, a year, or both with a month between them: `2-Nov-26`, `2026-11-02`, `2026-11-02T09:00`.
    fn take_number(&mut self, word: &str) -> Option<()> {
        if let Some((date, time)) = word.split_once(['T', 't']).filter(|(date, _)| date.len() == 10) {
            self.take_number(date)?;
            return self.take_time(time);
        }
        let fields: Vec<&str> = word.split('-').collect();
        match fields[..] {
            [number] if self.day.is_none() && number.len() <= 2 => {
                self.day = Some(i8::try_from(digits(number, 2)?).ok()?);
            }
            [number] if self.year.is_none() => self.year = Some(year(number)?),
            [date_year, month, day] if date_year.len() == 4 && self.day.or(self.month).is_none() => {
                self.year = Some(year(date_year)?);
                self.month = Some(i8::try_from(digits(month, 2)?).ok()?);
                self.day = Some(i8::try_from(digits(day, 2)?).ok()?);
            }
            [day, month, date_year] if self.day.or(self.month).is_none() => {
                self.day = Some(i8::try_from(digits(day, 2)?).ok()?);
                self.month = Some(month_number(month)?);
                self.year = Some(year(date_year)?);
            }
            _ => return None,
        }
        Some(())
    }

    /// A day of the week, a month, or a zone.
    fn take_name(&mut self, word: &str) -> Option<()> {
        let word = word.trim_end_matches('.');
        if self.month.is_none() && month_number(word).is_some() {
            self.month = month_number(word);
        } else if self.time.is_some()
            && self.east.is_none()
            && word.bytes().all(|octet| octet.is_ascii_alphabetic())
        {
            self.east = Some(named_zone(word));
        } else if !starts_with_any(word, &DAYS) {
            return None;
        }
        Some(())
    }

    fn date(self) -> Option<SentDate> {
        let date = Date::new(self.year?, self.month?, self.day?).ok()?;
        let day = date.duration_since(Date::constant(1970, 1, 1)).as_secs() / DAY;
        let unix = day * DAY + self.time.unwrap_or(0) - self.east.unwrap_or(0);
        // The sender's own day is the one that is written, leap seconds or not.
        Some(SentDate { unix, day })
    }
}

/// Comments out (RFC 5322 §3.2.2), nested ones too, a blank in the place of each.
fn without_comments(text: &str) -> String {
    let (mut out, mut depth, mut escaped) = (String::with_capacity(text.len()), 0_usize, false);
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if depth > 0 => escaped = true,
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                out.push(' ');
            }
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
    }
    out
}

fn digits(text: &str, most: usize) -> Option<i64> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| fits)
}

/// RFC 5322 §4.3: two digits are of 1950 to 2049, three are years since 1900.
fn year(text: &str) -> Option<i16> {
    let number = i16::try_from(digits(text, 4)?).ok()?;
    match text.len() {
        2 if number < 50 => Some(number + 2000),
        2 | 3 => Some(number + 1900),
        4 => Some(number),
        _ => None,
    }
}

fn month_number(text: &str) -> Option<i8> {
    let place = MONTHS.iter().position(|month| starts_with_any(text, &[*month]))?;
    i8::try_from(place + 1).ok()
}

/// Whether a word begins like one of these, and goes on with letters alone.
fn starts_with_any(word: &str, names: &[&str]) -> bool {
    let is_name = |name: &&str| word.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    word.bytes().all(|octet| octet.is_ascii_alphabetic()) && names.iter().any(is_name)
}

/// `+0100`, `-05:00`, `+1`. Foreign text: behind the sign may stand anything.
fn numeric_zone(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let number = text.strip_prefix(['+', '-'])?.replace(':', "");
    let (hours, minutes) = match number.len() {
        1 | 2 => (digits(&number, 2)?, 0),
        // None inside of a letter of several octets.
        length @ (3 | 4) => {
            let (hours, minutes) = number.split_at_checked(length - 2)?;
            (digits(hours, 2)?, digits(minutes, 2)?)
        }
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// RFC 5322 §4.3: the zones of RFC 822 mean what they meant; single letters were used both ways and mean UTC.
/// The European ones are those that mail was full of.
fn named_zone(name: &str) -> i64 {
    let zone = ZONES.iter().find(|(zone, _)| zone.eq_ignore_ascii_case(name));
    zone.map_or(0, |(_, hours)| hours * 3600)
}

const ZONES: [(&str, i64); 17] = [
    ("EDT", -4),
    ("EST", -5),
    ("CDT", -5),
    ("CST", -6),
    ("MDT", -6),
    ("MST", -7),
    ("PDT", -7),
    ("PST", -8),
    ("WEST", 1),
    ("BST", 1),
    ("CET", 1),
    ("MET", 1),
    ("CEST", 2),
    ("MEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("JST", 9),
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Seconds.
const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2 November 2026, 00:00 UTC.
    const MIDNIGHT: i64 = 1_793_577_600;

    #[test]
    fn dates_of_all_ages() {
        let hour = |hours: i64| MIDNIGHT + hours * 3600;
        for (text, unix) in [
            ("Mon, 2 Nov 2026 09:00:00 +0000", hour(9)),
            ("2 Nov 26 09:00 EST", hour(14)),
            ("Mon, 2 Nov 2026 09:00 GMT", hour(9)),
            ("Mon, 2 Nov 2026 09:00 UT", hour(9)),
            ("Mon, 2 Nov 2026 09:00 PDT", hour(16)),
            ("Mon, 2 Nov 2026 23:59:60 +0000", hour(24)),
            ("Monday, 02-Nov-26 9:00 Z", hour(9)),
            ("Mon Nov  2 09:00:00 2026", hour(9)),
            ("Mon Nov  2 09:00:00 CET 2026", hour(8)),
            ("2 November 126 09:00 A", hour(9)),
            ("Mon, 2 Nov 2026 (a (b) \\)) 09:00:00 -0500 (EST)", hour(14)),
            ("2 Nov 2026 09:00:00", hour(9)),
            ("2 Nov 2026", hour(0)),
            ("2026-11-02T09:00:00+01:00", hour(8)),
            ("2026-11-02 09:00:00.25 +0100", hour(8)),
            ("mon, 2 nov 2026 09:00:00 +0530", MIDNIGHT + 3 * 3600 + 1800),
        ] {
            let day = MIDNIGHT / DAY;
            assert_eq!(parse(text), Some(SentDate { unix, day }), "{text}");
        }
        assert_eq!(parse("31 Dec 99 23:00 PST").map(|sent| sent.day), Some(10_956));
        for text in [
            "",
            "yesterday",
            "32 Nov 2026 09:00",
            "2 Foo 2026",
            "2 Nov 2026 25:00",
            "09:00",
            "2 Nov",
            "2 Nov 2026 09",
            // Letters of several octets, where digits of a zone belong.
            "2 Nov 2026 09:00 +€",
            "2 Nov 2026 09:00 +é1",
            "2 Nov 2026 09:00 +1é2",
            "2 Nov 2026 09:00 -1:é",
            "2 Nov 2026 09:00 +𝟙",
            "2 Nov 2026 09:00+€",
            "2 Nov 2026 09:00:00-é1",
            "2026-11-02T09:00+1é2",
            "2-Nov-é6 09:00",
            "é-11-02 09:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text: String,
            more in "[0-9A-Za-z:,() +T\\-é€𝟙]{0,30}",
            zone in "[ T]?[+-][0-9:é€𝟙]{0,6}",
        ) {
            let _ = (parse(&text), parse(&more), parse(&format!("2 Nov 2026 09:00{zone}")));
        }
    }
}
