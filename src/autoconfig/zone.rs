//! Records as a fragment of a zone file (RFC 1035 §5), for BIND and whoever reads its form.

use std::fmt::Write;

use super::dns::{Kind, Record};

/// The records as lines of a zone file, each below its purpose, after the notes. Every name is
/// absolute, so it does not matter where the fragment is put.
pub fn zone(records: &[Record], notes: &[String]) -> String {
    let mut text = String::new();
    for note in notes {
        comment(&mut text, note);
    }
    for Record { name, ttl, kind, value, purpose } in records {
        let value = if *kind == Kind::Txt { quoted(value) } else { value.clone() };
        comment(&mut text, purpose);
        writeln!(text, "{name} {ttl} IN {kind} {value}").expect("a string takes whatever is written");
    }
    text
}

/// A line that is a comment whatever is in it.
fn comment(text: &mut String, words: &str) {
    let line = words.replace(|letter: char| letter.is_control(), " ");
    writeln!(text, "; {line}").expect("a string takes whatever is written");
}

/// A text as character strings of at most 255 octets (RFC 1035 §3.3.14), which readers join again.
fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let strings = text.as_bytes().chunks(MAX_STRING).map(|octets| {
        let escaped: String = octets.iter().map(|octet| escaped(*octet)).collect();
        format!("\"{escaped}\"")
    });
    strings.collect::<Vec<_>>().join(" ")
}

/// RFC 1035 §5.1: a quote and a backslash behind a backslash, what does not print by its number.
fn escaped(octet: u8) -> String {
    match octet {
        b'"' | b'\\' => format!("\\{}", char::from(octet)),
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\{octet:03}"),
    }
}

/// RFC 1035 §3.3: the length of a character string is one octet.
const MAX_STRING: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{dns_notes, dns_records, samples};
    use super::*;

    /// A reader of zone files by RFC 1035 §5.1, written apart from the writer: the fields of each line.
    fn read(zone: &str) -> Vec<Vec<Vec<u8>>> {
        zone.lines().map(fields).filter(|fields| !fields.is_empty()).collect()
    }

    fn fields(line: &str) -> Vec<Vec<u8>> {
        let (mut fields, mut field, mut inside) = (Vec::new(), None::<Vec<u8>>, false);
        let mut octets = line.bytes();
        while let Some(octet) = octets.next() {
            match octet {
                b'"' if inside => {
                    fields.push(field.take().expect("an open string"));
                    inside = false;
                }
                b'"' => {
                    assert!(field.is_none(), "a quote within a word");
                    (field, inside) = (Some(Vec::new()), true);
                }
                b'\\' => field.get_or_insert_default().push(number(&mut octets)),
                b';' if !inside => break,
                b' ' | b'\t' if !inside => fields.extend(field.take()),
                octet => field.get_or_insert_default().push(octet),
            }
        }
        assert!(!inside, "a string stays open");
        fields.extend(field);
        fields
    }

    fn number(octets: &mut impl Iterator<Item = u8>) -> u8 {
        let first = octets.next().expect("something behind a backslash");
        if !first.is_ascii_digit() {
            return first;
        }
        let digits = [first, octets.next().expect("a digit"), octets.next().expect("a digit")];
        std::str::from_utf8(&digits).expect("digits").parse().expect("at most 255")
    }

    fn text_record(value: &str) -> Record {
        let name = "example.org.".to_owned();
        Record { name, ttl: 60, kind: Kind::Txt, value: value.to_owned(), purpose: "Why;\n\"so\"".to_owned() }
    }

    #[test]
    fn every_record_reads_back() {
        let records = dns_records(&samples::pop3(), "bücher.example").expect("a domain");
        let notes = dns_notes(&samples::pop3(), "bücher.example").expect("a domain");
        let lines = read(&zone(&records, &notes));
        assert_eq!(lines.len(), records.len());
        for (line, record) in lines.iter().zip(&records) {
            let line: Vec<_> = line.iter().map(|field| String::from_utf8_lossy(field)).collect();
            assert_eq!(line[..4], [&record.name, "3600", "IN", &record.kind.to_string()]);
            assert_eq!(line[4..].join(" "), record.value);
        }
    }

    #[test]
    fn a_fragment_looks_as_people_know_it() {
        let records = dns_records(&samples::pop3(), "example.org").expect("a domain");
        let text = zone(&records[..2], &["Read this.".to_owned()]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "; Read this.");
        assert_eq!(lines[2], "example.org. 3600 IN MX 10 mail.example.org.");
        assert_eq!(lines[4], "example.org. 3600 IN TXT \"v=spf1 -all\"");
    }

    #[test]
    fn quotes_are_escaped_and_long_texts_split() {
        assert_eq!(quoted("a\"b\\c;é"), "\"a\\\"b\\\\c;\\195\\169\"");
        assert_eq!(quoted(""), "\"\"");
        let long = quoted(&"x".repeat(600));
        assert_eq!(fields(&long).iter().map(Vec::len).collect::<Vec<_>>(), [255, 255, 90]);
        assert_eq!(read(&zone(&[text_record("x")], &[])).len(), 1, "a purpose stays a comment");
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in ".{0,700}") {
            let zone = zone(&[text_record(&text)], &[]);
            let lines = read(&zone);
            prop_assert!(lines.len() == 1 && lines[0][4..].iter().all(|string| string.len() <= 255));
            prop_assert_eq!(lines[0][4..].concat(), text.into_bytes());
        }
    }
}
