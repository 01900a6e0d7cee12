//! Names of files that strangers chose, made safe to show, to save and to put into a header.
//!
//! A name loses its path, everything that is not seen or that turns the reading direction, and what
//! file systems or shells of the common systems treat as special. What is left is normalised (NFC),
//! short, and never empty.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The name, made safe. Applying it again changes nothing.
pub fn file_name(raw: &str) -> String {
    // 10 kB of name are cut before any work is done on them.
    let end = raw.rsplit(['/', '\\']).find(|name| !name.trim().is_empty()).unwrap_or_default();
    let shown: String = end.chars().take(MAX_LOOKED_AT).map(replaced).filter(|one| is_seen(*one)).collect();
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&shown);
    // A few characters are, composed, those of ASCII (U+037E is a semicolon).
    let composed: String = composed.chars().map(replaced).collect();
    let words: Vec<&str> = composed.split_whitespace().collect();
    let words = words.join(" ");
    let bare = words.trim_start_matches(['.', ' ', '~', '-']).trim_end_matches(['.', ' ']);
    let short = shortened(bare);
    if short.is_empty() {
        return UNNAMED.to_owned();
    }
    if is_reserved(&short) { format!("_{short}") } else { short }
}

/// A Content-Disposition for a download (RFC 6266 §4.1), the name in ASCII and, where that loses
/// something, as it is (RFC 8187 §3.2).
pub fn content_disposition(name: &str) -> String {
    let name = file_name(name);
    // RFC 6266 appendix D: some decode `%` in the quoted form.
    let plain = |letter: char| if letter.is_ascii() && letter != '%' { letter } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", extended(&name))
}

/// The last extension, in lower case, without its dot.
pub(super) fn extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_lowercase())
}

/// Whether a name holds characters that make it look like another one.
pub(super) fn misleads(raw: &str) -> bool {
    raw.chars().any(|letter| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\0'))
        || raw.contains("    ")
}

fn extended(name: &str) -> String {
    let mut out = String::new();
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || ATTR_CHARS.contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

/// Characters that Windows refuses or shells read as more than themselves.
fn replaced(letter: char) -> char {
    match letter {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' | '`' | '$' | ';' => '_',
        '\t' | '\n' | '\r' => ' ',
        other => other,
    }
}

/// Whether a character shows something where it stands: no controls, no format characters, no
/// private use.
fn is_seen(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{10ffff}')
}

/// At most [`MAX_CHARACTERS`] and [`MAX_OCTETS`], the extension kept.
fn shortened(name: &str) -> String {
    if fits(name) {
        return name.to_owned();
    }
    let ending = name.rfind('.').filter(|dot| name.len() - dot <= MAX_EXTENSION).unwrap_or(name.len());
    let (stem, extension) = name.split_at(ending);
    let mut stem = stem.to_owned();
    while !stem.is_empty() && !fits(&format!("{stem}{extension}")) {
        stem.pop();
    }
    format!("{}{extension}", stem.trim_end_matches(['.', ' ']))
}

fn fits(name: &str) -> bool {
    // One to spare for the mark of a reserved name.
    name.chars().count() < MAX_CHARACTERS && name.len() < MAX_OCTETS
}

/// Names of devices, with any extension (Windows, "Naming Files, Paths, and Namespaces").
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|device| {
        let number = stem.strip_prefix(device);
        number.is_some_and(|number| {
            number.chars().count() == 1 && number.chars().all(|digit| "0123456789¹²³".contains(digit))
        })
    });
    numbered || ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str())
}

const UNNAMED: &str = "attachment";
/// Characters of a name.
const MAX_CHARACTERS: usize = 120;
/// Octets of a name; file systems stop at 255.
const MAX_OCTETS: usize = 240;
/// Octets of an extension, dot included, that survives shortening.
const MAX_EXTENSION: usize = 17;
/// Characters of the written name that are looked at.
const MAX_LOOKED_AT: usize = 4096;
/// RFC 8187 §3.2.1, attr-char beside letters and digits.
const ATTR_CHARS: &[u8] = b"!#&+-.^_|~";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (raw, expected) in [
            ("report.pdf", "report.pdf"),
            ("Prüfbericht 2026.pdf", "Prüfbericht 2026.pdf"),
            ("Pru\u{308}f.pdf", "Prüf.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\x.dll", "x.dll"),
            ("C:x", "C_x"),
            ("/", "attachment"),
            ("", "attachment"),
            ("..", "attachment"),
            (".htaccess", "htaccess"),
            ("-rf", "rf"),
            ("~/.ssh/id", "id"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\0b.txt", "ab.txt"),
            ("a\r\nSet-Cookie: x.txt", "a Set-Cookie_ x.txt"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("a\u{37e}b", "a_b"),
            ("com¹.log", "_com¹.log"),
            ("name. . .", "name"),
            ("a\u{200b}\u{feff}b", "ab"),
            ("x$(id);`id`.sh", "x_(id)__id_.sh"),
            ("\u{e0041}\u{e000}", "attachment"),
        ] {
            assert_eq!(file_name(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = file_name(&format!("{}.pdf", "x".repeat(10_000)));
        assert!(name.len() <= MAX_OCTETS, "{name}");
        let name = file_name(&format!("{}.pdf", "😀".repeat(200)));
        assert!(name.ends_with(".pdf") && name.len() <= MAX_OCTETS);
        assert!(file_name(&format!("a.{}", "y".repeat(500))).chars().count() <= MAX_CHARACTERS);
    }

    #[test]
    fn headers_carry_both_forms() {
        assert_eq!(content_disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"");
        let both = "attachment; filename=\"Pr_f_.pdf\"; filename*=UTF-8''Pr%C3%BCf%25.pdf";
        assert_eq!(content_disposition("Prüf%.pdf"), both);
        assert_eq!(content_disposition("a\"\r\nX: y"), "attachment; filename=\"a_ X_ y\"");
    }

    proptest! {
        #[test]
        fn every_name_is_safe(raw in "\\PC{0,300}|[\\x00-\\x7f]{0,60}|.{0,200}") {
            let name = file_name(&raw);
            prop_assert!(!name.is_empty() && name.chars().count() <= MAX_CHARACTERS && name.len() <= MAX_OCTETS);
            prop_assert!(!name.contains(['/', '\\', '\0', '"', '\r', '\n', ':']));
            prop_assert!(!name.starts_with('.') && !is_reserved(&name));
            prop_assert_eq!(file_name(&name), name.clone());
            prop_assert!(content_disposition(&raw).bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        }
    }
}
