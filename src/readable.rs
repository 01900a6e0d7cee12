//! What serde and its parsers say of a text that somebody wrote, in a person's words: which setting, what
//! is wanted, which word was meant. Values are never repeated, since some of them are secrets; names are.

/// serde's sentence in ours; what it does not know comes back as it was, without the parser's own place.
pub fn sentence(message: &str) -> String {
    let message = message.trim();
    let message = match message.rfind(" at line ") {
        Some(end) if message[end..].contains(" column ") => &message[..end],
        _ => message,
    };
    // serde_json's word for a value that begins no word of a choice.
    if message == "expected value" {
        return "write one word of a choice here, in quotes".to_owned();
    }
    let known = missing(message).or_else(|| unknown(message)).or_else(|| wrong_kind(message));
    known
        .or_else(|| twice(message))
        .or_else(|| spelling(message))
        .unwrap_or_else(|| message.replace('\n', " "))
}

/// The known word that is nearest, if it is near.
pub fn did_you_mean<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    // The distance takes quadratic time, and nothing as long is near a key.
    let found: String = found.chars().take(MAX_MEANT).collect::<String>().to_lowercase();
    let distance = |word: &&&str| strsim::damerau_levenshtein(&found, &word.to_lowercase());
    known.iter().min_by_key(distance).filter(|word| distance(word) <= 1 + word.chars().count() / 4).copied()
}

fn missing(message: &str) -> Option<String> {
    let name = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(format!("`{name}` is missing here: add it"))
}

fn unknown(message: &str) -> Option<String> {
    for (begin, noun) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some((found, rest)) = message.strip_prefix(begin).and_then(|rest| rest.split_once("`, ")) else {
            continue;
        };
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        let meant =
            did_you_mean(found, &known).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        return Some(match known.as_slice() {
            [] => format!("unknown {noun} `{found}`: nothing is known here"),
            _ => format!("unknown {noun} `{found}`{meant} (known here: {})", known.join(", ")),
        });
    }
    None
}

fn wrong_kind(message: &str) -> Option<String> {
    for begin in ["invalid type: ", "invalid value: ", "invalid length "] {
        let Some((found, expected)) =
            message.strip_prefix(begin).and_then(|rest| rest.rsplit_once(", expected "))
        else {
            continue;
        };
        let wanted = kind(expected);
        return Some(match kind_found(found) {
            Some(found) if begin == "invalid type: " => format!("write {wanted} here, not {found}"),
            _ => format!("write {wanted} here"),
        });
    }
    None
}

/// What a deserializer expects, in words for whoever writes the file.
fn kind(expected: &str) -> String {
    let whole = ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize"];
    match expected.trim() {
        number if whole.contains(&number) => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        nonzero if nonzero.starts_with("a nonzero") => "a whole number of at least 1".to_owned(),
        "a string" | "string" | "str" | "path string" | "a formatted string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" | "an array" => "a list in brackets, as in [\"one\", \"two\"]".to_owned(),
        "a map" => "a table of settings".to_owned(),
        table if table.starts_with("struct ") || table.starts_with("internally tagged enum") => {
            "a table of settings".to_owned()
        }
        choice if choice.starts_with("enum ") || choice.contains("variant") => {
            "one word of a choice".to_owned()
        }
        other => other.to_owned(),
    }
}

/// What was found instead, without its value.
fn kind_found(found: &str) -> Option<&'static str> {
    let kinds = [
        ("string", "a text"),
        ("integer", "a number"),
        ("floating point", "a number with a fraction"),
        ("boolean", "true or false"),
        ("sequence", "a list"),
        ("map", "a table"),
        ("null", "null"),
        ("unit value", "null"),
        ("character", "a text"),
    ];
    kinds.iter().find(|(begin, _)| found.starts_with(begin)).map(|(_, word)| *word)
}

fn twice(message: &str) -> Option<String> {
    let name = message.strip_prefix("duplicate field `")?.strip_suffix('`')?;
    Some(format!("`{name}` stands here twice: leave one"))
}

/// What the TOML parser says of a text that is none.
fn spelling(message: &str) -> Option<String> {
    let said = match message {
        "duplicate key" => "this stands there twice: leave one",
        "string values must be quoted, expected literal string" => {
            "put a text in straight quotes, as in \"mail.example.org\"; write true or false for yes or no"
        }
        "key with no value, expected `=`" | "invalid key-value pair, expected key" => {
            "write a setting as key = value"
        }
        table if table.starts_with("unclosed table") => "close the bracket, as in [section]",
        _ => return None,
    };
    Some(said.to_owned())
}

/// Letters of a misspelt word that are compared.
const MAX_MEANT: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only errors are looked at")]
    struct Sample {
        name: String,
        count: Option<std::num::NonZeroUsize>,
        list: Option<Vec<String>>,
        on: Option<bool>,
        kind: Option<Kind>,
        size: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Long,
        Short,
    }

    fn json(text: &str) -> String {
        sentence(&serde_json::from_str::<Sample>(text).expect_err("wrong").to_string())
    }

    fn toml(text: &str) -> String {
        sentence(toml::from_str::<Sample>(text).expect_err("wrong").message())
    }

    #[test]
    fn every_fault_is_said_in_our_words() {
        for (text, said) in [
            ("{}", "`name` is missing here: add it"),
            (
                r#"{"nmae": "x"}"#,
                "unknown key `nmae`; did you mean `name`? (known here: name, count, list, on, kind, size)",
            ),
            (
                r#"{"name": "x", "kind": "lnog"}"#,
                "unknown value `lnog`; did you mean `long`? (known here: long, short)",
            ),
            (r#"{"name": 5}"#, "write a text in quotes here, not a number"),
            (r#"{"name": null}"#, "write a text in quotes here, not null"),
            (r#"{"name": "x", "size": "secret"}"#, "write a whole number here, not a text"),
            (r#"{"name": "x", "size": -1}"#, "write a whole number here"),
            (r#"{"name": "x", "on": "yes"}"#, "write true or false here, not a text"),
            (
                r#"{"name": "x", "list": "one"}"#,
                "write a list in brackets, as in [\"one\", \"two\"] here, not a text",
            ),
            (r#"{"name": "x", "name": "y"}"#, "`name` stands here twice: leave one"),
        ] {
            assert_eq!(json(text), said, "{text}");
        }
        assert_eq!(toml("name = 'x'\ncount = 0"), "write a whole number of at least 1 here");
        assert_eq!(toml("name = 5"), "write a text in quotes here, not a number");
        assert_eq!(toml("name = x.example"), toml("name = \u{201c}x.example\u{201d}"));
        assert!(toml("name = x.example").contains("in straight quotes"));
        assert_eq!(toml("name: x"), "write a setting as key = value");
        assert_eq!(toml("name = 'x'\n[a\n"), "close the bracket, as in [section]");
        assert_eq!(toml("name = 'x'\nname = 'y'"), "this stands there twice: leave one");
    }

    #[test]
    fn nothing_of_serde_is_left_and_no_value_is_told() {
        let raw = [
            "missing field",
            "unknown field",
            "unknown variant",
            "invalid type",
            "invalid value",
            "expected",
        ];
        for text in [
            "{}",
            r#"{"x":1}"#,
            r#"{"name":["hunter2"]}"#,
            r#"{"name":{"a":1}}"#,
            r#"{"name":"x","kind":5}"#,
            r#"{"name":"x","size":1.5}"#,
            r#"{"name":"x","list":{"hunter2":1}}"#,
            r#"["hunter2"]"#,
            "5",
            "\"hunter2\"",
        ] {
            let said = json(text);
            assert!(
                raw.iter().all(|word| !said.contains(word)) && !said.contains("hunter2"),
                "{text}: {said}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_message_is_one_line(message in "\\PC{0,60}\n?\\PC{0,20}") {
            prop_assert!(!sentence(&message).contains('\n'));
        }
    }
}
