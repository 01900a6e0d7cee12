//! Where in a folded text secrets are.
//!
//! Each finder tries *every* run of whole words or numbers that could be a secret, overlapping ones
//! too, and depends on nothing that cutting the finds out could change. So what is left after one pass
//! holds no further find, which is what makes redacting idempotent. All are linear: a run has a
//! bounded length.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fold::WALL;

type Spans = Vec<Range<usize>>;

/// The spans widened to the ends of the words and numbers at their edges.
pub(super) fn whole_words(text: &str, mut spans: Spans) -> Spans {
    let words = runs(text, |letter| letter.is_ascii_alphanumeric());
    let word_at = |at: usize| words[words.partition_point(|word| word.end <= at)..].first();
    for span in &mut spans {
        let (first, last) = (word_at(span.start), word_at(span.end - 1));
        span.start = first.map_or(span.start, |word| word.start.min(span.start));
        span.end = last.filter(|word| word.start < span.end).map_or(span.end, |word| word.end.max(span.end));
    }
    spans
}

/// Card numbers: 13 to 19 digits, in groups or not, whose Luhn sum is right (ISO/IEC 7812-1).
pub(super) fn cards(text: &str) -> Spans {
    let groups = runs(text, |letter| letter.is_ascii_digit());
    let mut found = Spans::new();
    for (first, group) in groups.iter().enumerate() {
        let mut digits = String::new();
        for (last, next) in groups.iter().enumerate().skip(first) {
            if last > first && !is_gap(&text[groups[last - 1].end..next.start], " -.\n>", 4) {
                break;
            }
            digits.push_str(&text[next.clone()]);
            if digits.len() > MAX_CARD {
                break;
            }
            if is_card(&digits) && (last == first || has_card_prefix(&digits)) {
                found.push(group.start..next.end);
            }
        }
        if group.len() > MAX_CARD && holds_card(&text[group.clone()]) {
            found.push(group.clone());
        }
    }
    found
}

/// IBANs: a country, two check digits, as many letters and digits as the country has, and the right
/// remainder (ISO 13616, ISO 7064 MOD 97-10).
pub(super) fn ibans(text: &str) -> Spans {
    let bytes = text.as_bytes();
    let starts = (0..bytes.len().saturating_sub(1))
        .filter(|at| bytes[*at..*at + 2].iter().all(u8::is_ascii_alphabetic));
    starts.filter_map(|at| Some(at..iban_end(text, at)?)).collect()
}

/// One-time codes and the like: 4 to 8 digits, or up to 12 letters and digits mixed, on a line with a word
/// that announces one, on the three lines after it or the one before (empty lines not counted).
pub(super) fn codes(text: &str) -> Spans {
    let lines: Vec<Range<usize>> = lines(text).filter(|line| !text[line.clone()].trim().is_empty()).collect();
    let announced: Vec<bool> = lines.iter().map(|line| CODE_WORDS.is_match(&text[line.clone()])).collect();
    let near =
        |line: usize| announced[line.saturating_sub(3)..(line + 2).min(lines.len())].iter().any(|it| *it);
    let near: Vec<_> = (0..lines.len()).filter(|line| near(*line)).collect();
    near.into_iter().flat_map(|line| codes_in(text, &lines[line])).collect()
}

/// Links that sign in, reset or confirm something, or that carry a long opaque token; with the
/// lines they continue on.
pub(super) fn links(text: &str) -> Spans {
    let mut found = Spans::new();
    for link in LINK.find_iter(text) {
        let mut spans = vec![link.range()];
        let mut joined = link.as_str().to_owned();
        let mut smells = is_sign_in(&joined);
        while let Some(next) =
            continuation(text, spans[spans.len() - 1].end).filter(|_| spans.len() <= MAX_FOLDS)
        {
            joined.push_str(&text[next.clone()]);
            smells |= is_sign_in(&joined);
            spans.push(next);
        }
        if smells {
            found.extend(spans.into_iter().map(|span| trim(text, span)));
        }
    }
    found
}

/// Mail addresses: anything around an `@`.
pub(super) fn addresses(text: &str) -> Spans {
    ADDRESS.find_iter(text).map(|found| found.range()).collect()
}

/// Phone numbers: 7 to 15 digits (ITU-T E.164 §6) that begin like one, are grouped like one, or stand
/// on a line with a word for it. Dates are left alone.
pub(super) fn phones(text: &str) -> Spans {
    lines(text).flat_map(|line| phones_in(text, line)).collect()
}

fn phones_in(text: &str, line: Range<usize>) -> Spans {
    let dates: Spans =
        DATE.find_iter(&text[line.clone()]).map(|date| shift(date.range(), line.start)).collect();
    let announced = PHONE_WORDS.is_match(&text[line.clone()]);
    let mut groups: Spans = runs(&text[line.clone()], |letter| letter.is_ascii_digit());
    groups.iter_mut().for_each(|group| *group = shift(group.clone(), line.start));
    let in_date = |group: &Range<usize>| {
        let next = dates.partition_point(|date| date.end <= group.start);
        dates.get(next).is_some_and(|date| date.start < group.end)
    };
    groups.retain(|group| !in_date(group));
    let mut found = Spans::new();
    for first in 0..groups.len() {
        for last in first..groups.len().min(first + MAX_PHONE) {
            if last > first && !is_gap(&text[groups[last - 1].end..groups[last].start], " -.()/", 4) {
                break;
            }
            let number = Number::of(text, &line, &groups[first..=last]);
            if number.digits > MAX_PHONE {
                break;
            }
            if number.looks_like_phone(announced) {
                found.push(number.span);
            }
        }
    }
    found
}

/// Groups of digits that could be a phone number.
struct Number {
    span: Range<usize>,
    lengths: Vec<usize>,
    digits: usize,
    opened: Option<char>,
    zero: bool,
}

impl Number {
    fn of(text: &str, line: &Range<usize>, groups: &[Range<usize>]) -> Self {
        let (start, end) = (groups[0].start, groups[groups.len() - 1].end);
        let before = text[line.start..start].char_indices().next_back();
        let opened = before.filter(|(_, letter)| "+(".contains(*letter));
        let lengths: Vec<usize> = groups.iter().map(ExactSizeIterator::len).collect();
        Self {
            span: opened.map_or(start, |(at, _)| line.start + at)..end,
            digits: lengths.iter().sum(),
            lengths,
            opened: opened.map(|(_, letter)| letter),
            zero: text[start..].starts_with('0'),
        }
    }

    fn looks_like_phone(&self, announced: bool) -> bool {
        let shape = self.lengths.as_slice();
        match self.digits {
            5..=6 => announced,
            7.. => {
                announced
                    || self.opened.is_some()
                    || (self.zero && shape[0] >= 2)
                    || matches!(shape, [3, 3, 4] | [1, 3, 3, 4])
            }
            _ => false,
        }
    }
}

fn codes_in(text: &str, line: &Range<usize>) -> Spans {
    // Other letters end a word: Chinese and Japanese put no blank before a number.
    let words = runs(&text[line.clone()], |letter| letter.is_ascii_alphanumeric());
    let words: Spans = words.into_iter().map(|word| shift(word, line.start)).collect();
    let mut found = Spans::new();
    for first in 0..words.len() {
        for last in first..words.len().min(first + MAX_CODE_WORDS) {
            if last > first && !matches!(&text[words[last - 1].end..words[last].start], " " | "-") {
                break;
            }
            let span = words[first].start..words[last].end;
            if is_code(&text[span.clone()]) {
                found.push(span);
            }
        }
    }
    found
}

/// Digits with single blanks or hyphens between, or letters and digits with hyphens.
fn is_code(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    match letters {
        0 => (4..=8).contains(&digits),
        _ => !text.contains(' ') && digits > 0 && (4..=12).contains(&(digits + letters)),
    }
}

/// Whether a link, as written or percent-decoded, signs in or carries a token.
fn is_sign_in(link: &str) -> bool {
    let plain = percent_decoded(link);
    [link, &plain].into_iter().any(|link| {
        LINK_WORDS.is_match(link)
            || runs(link, |letter| letter.is_ascii_alphanumeric())
                .into_iter()
                .any(|run| is_opaque(&link[run]))
    })
}

/// A run of letters and digits too long and too mixed to be a word.
fn is_opaque(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    run.len() >= MIN_TOKEN && digits > 0 && digits < run.len()
}

fn percent_decoded(link: &str) -> String {
    let mut bytes = Vec::with_capacity(link.len());
    let mut rest = link.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match decoded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The next line, if what ends here ends its line and the next one is a single word that is no
/// link of its own: how mail programs break long links.
fn continuation(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = text[end..].trim_start_matches([' ', '>']).strip_prefix('\n')?;
    let start = text.len() - rest.len();
    let line = rest.split('\n').next()?;
    let word = line.trim();
    let single = !word.is_empty() && !word.contains([' ', WALL, '<', '>', '"']) && !LINK_START.is_match(word);
    let from = start + (line.len() - line.trim_start().len());
    single.then(|| from..from + word.len())
}

/// Without the punctuation of the sentence around it.
fn trim(text: &str, span: Range<usize>) -> Range<usize> {
    let kept = text[span.clone()].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'']);
    if kept.is_empty() { span } else { span.start..span.start + kept.len() }
}

/// Where the IBAN that begins here ends.
fn iban_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let country = text.get(at..at + 2)?.to_ascii_uppercase();
    // "at 10" is not an IBAN's beginning, "AT 10" may be.
    let checked = if text[at..].starts_with(&country) {
        text.get(at + 2..)?.trim_start_matches(' ')
    } else {
        &text[at + 2..]
    };
    let digits = text.len() - checked.len();
    if digits > at + 3 || !bytes.get(digits..digits + 2)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = IBAN_LENGTHS.iter().find(|(name, _)| *name == country)?.1;
    let mut plain = String::with_capacity(length);
    let mut gap = 0;
    for (offset, byte) in bytes[at..].iter().enumerate() {
        match byte {
            byte if byte.is_ascii_alphanumeric() => (plain.push(char::from(*byte)), gap = 0).1,
            b' ' | b'-' | b'.' | b'\n' if gap < 2 => gap += 1,
            _ => return None,
        }
        if plain.len() == length {
            return is_iban(&plain).then_some(at + offset + 1);
        }
    }
    None
}

/// ISO 7064 MOD 97-10 over the rearranged letters and digits.
fn is_iban(plain: &str) -> bool {
    let (head, tail) = plain.split_at(4);
    let value = |letter: char| letter.to_digit(36).unwrap_or_default();
    let step = |rest: u32, value: u32| (rest * if value < 10 { 10 } else { 100 } + value) % 97;
    tail.chars().chain(head.chars()).map(value).fold(0, step) == 1
}

fn is_card(digits: &str) -> bool {
    (MIN_CARD..=MAX_CARD).contains(&digits.len()) && luhn(digits.as_bytes())
}

/// Whether a run of digits too long for a card number holds one.
fn holds_card(digits: &str) -> bool {
    (MIN_CARD..=MAX_CARD).any(|length| digits.as_bytes().windows(length).any(luhn))
}

/// ISO/IEC 7812-1 annex B.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let values = digits.iter().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 =
        values.enumerate().map(|(at, digit)| if at % 2 == 1 { doubled(digit) } else { digit }).sum();
    sum.is_multiple_of(10)
}

/// Whether numbers in groups begin as payment cards do; else every tenth table of figures would be one.
fn has_card_prefix(digits: &str) -> bool {
    matches!(digits.as_bytes(), [b'3'..=b'6', ..] | [b'2', b'2'..=b'7', ..])
        || ["8600", "9792", "9860"].iter().any(|prefix| digits.starts_with(prefix))
}

/// Maximal runs of letters that fit.
fn runs(text: &str, fits: impl Fn(char) -> bool) -> Spans {
    let mut found = Spans::new();
    for (at, letter) in text.char_indices().filter(|(_, letter)| fits(*letter)) {
        let end = at + letter.len_utf8();
        match found.last_mut() {
            Some(run) if run.end == at => run.end = end,
            _ => found.push(at..end),
        }
    }
    found
}

/// Lines without their ends.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let span = start..start + line.len();
        start = span.end + 1;
        span
    })
}

fn is_gap(text: &str, letters: &str, longest: usize) -> bool {
    text.len() <= longest && text.chars().all(|letter| letters.contains(letter))
}

fn shift(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("our own expressions are tested")
}

static LINK: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>"\u{fffc}]+|[\p{L}0-9.-]+\.\p{L}{2,}(?::[0-9]+)?[/?#][^\s<>"\u{fffc}]+"#,
    )
});
static LINK_START: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)^[a-z][a-z0-9+.-]{1,20}://|^www\."));
/// Stems anywhere, short words only whole.
static LINK_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)token|reset|verif|login|log-in|log_in|logon|signin|sign-in|sign_in|signup|sign-up|magic|passw|passcode|",
        r"confirm|activat|invit|recover|unlock|oauth|session|secret|one-?time|anmeld|bestaetig|einladung|connexion|",
        r"(?:^|[^a-z])(?:auth|sso|saml|otp|pin|tan|mfa|2fa|key|code|ticket|sig|signature|jwt|pwd|access)(?:[^a-z]|$)"
    ))
});
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?:"[^"\n@\u{fffc}]*"|[^\s<>(),;:\[\]"@\u{fffc}]+)(?:@[^\s<>(),;:\[\]"@\u{fffc}]+)+"#)
});
/// Words that announce a code (a digit beside one ends it as a wall does), in the languages of the European Union's larger mail flows and some more.
static CODE_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)code|passwor[dt]|kennwort|passphrase|passkey|one.?time|einmal|2fa|mfa|two.?factor|verif|authenti|",
        r"(?:^|\P{L})(?:(?:otps?|pins?|tan|mtan)(?:\P{L}|$)|kod|koodi)|sicherheits|best[äa]e?tigung|zugang|freigabe|c[óo]digo|clave|contrase|",
        r"codice|mot de passe|confirm|token|senha|wachtwoord|hasł|kód|κωδικ|код|парол|şifre|parola|lösenord|",
        r"验证|驗證|校验|密码|密碼|认证|認証|確認|コード|暗証|인증|코드|رمز|كود|קוד|सत्यापन|कोड|รหัส|mã xác"
    ))
});
static PHONE_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(?:^|\P{L})(?:tel|tél|phone|telephone|telefon|téléphone|teléfono|telefono|mobile?|mobil|handy|cell|fax|call|ring|whatsapp|signal|sms|hotline|durchwahl)|电话|電話|전화|тел|☎|📞",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:(?:19|20)[0-9]{2}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./](?:19|20)[0-9]{2})\b",
    )
});

/// ISO/IEC 7812-1 allows 10 to 19 digits; cards in use have 13 or more.
const MIN_CARD: usize = 13;
const MAX_CARD: usize = 19;
/// Digits, and so groups, of a phone number: ITU-T E.164 §6.
const MAX_PHONE: usize = 15;
/// Words in a code: one for each of eight digits.
const MAX_CODE_WORDS: usize = 8;
/// Letters and digits from which on a run is a token rather than a word.
const MIN_TOKEN: usize = 16;
/// Lines that a broken link may continue on.
const MAX_FOLDS: usize = 4;

/// Country and length, from the IBAN registry (SWIFT, release 99).
#[rustfmt::skip]
const IBAN_LENGTHS: [(&str, usize); 89] = [
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22), ("BI", 27),
    ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DJ", 27), ("DK", 18), ("DO", 28),
    ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FK", 18), ("FO", 18), ("FR", 27), ("GB", 22), ("GE", 22), ("GI", 23),
    ("GL", 18), ("GR", 27), ("GT", 28), ("HN", 28), ("HR", 21), ("HU", 28), ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26),
    ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20), ("LV", 21),
    ("LY", 25), ("MC", 27), ("MD", 24), ("ME", 22), ("MK", 19), ("MN", 20), ("MR", 27), ("MT", 31), ("MU", 30), ("NI", 28),
    ("NL", 18), ("NO", 15), ("OM", 23), ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22),
    ("RU", 33), ("SA", 24), ("SC", 31), ("SD", 18), ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("SO", 23), ("ST", 25),
    ("SV", 28), ("TL", 23), ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24), ("XK", 20), ("YE", 30),
];
