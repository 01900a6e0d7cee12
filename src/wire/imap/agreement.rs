//! Tests that two readers of one grammar agree: `imap-codec`'s and ours beside it, which a command comes to
//! only if it holds what the other cannot read.

use proptest::prelude::*;

use super::{Command, CommandBody, Modes, parse};

const REV1: Modes = Modes { utf8: false };

proptest! {
    /// Only our own reader knows RETURN.
    #[test]
    fn both_readers_agree_on_any_keys(keys in keys(), uid: bool) {
        let uid = if uid { "UID " } else { "" };
        let read = |options: &str| match parse(format!("a {uid}SEARCH {options}{keys}\r\n").as_bytes(), REV1) {
            Ok(Command { body: CommandBody::Search { key, uid, .. }, .. }) => Ok((key, uid)),
            Ok(_) => panic!("{keys}"),
            Err(error) => Err(error.kind),
        };
        prop_assert!(read("").is_ok());
        prop_assert_eq!(read(""), read("RETURN (ALL) "));
        prop_assert_eq!(read("CHARSET UTF-8 "), read("RETURN (ALL) CHARSET UTF-8 "));
    }

    /// Only our own reader knows EMAILID.
    #[test]
    fn both_readers_agree_on_any_items(items in proptest::collection::vec(item(), 1..5)) {
        let read = |first: &str| match parse(format!("a FETCH 1 ({first}{})\r\n", items.join(" ")).as_bytes(), REV1) {
            Ok(Command { body: CommandBody::Fetch { items, .. }, .. }) => Ok(items),
            Ok(_) => panic!("{items:?}"),
            Err(error) => Err(error.kind),
        };
        let ours = read("EMAILID ").map(|mut items| items.split_off(1));
        prop_assert_eq!(read(""), ours);
    }
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z\\]&+.~]{1,5}",
        "\"[ -!#-\\[\\]-~]{0,5}\"",
        Just("\"\\\"\\\\\"".to_owned()),
        "[\u{20}-\u{2000}]{0,4}".prop_map(|text| format!("{{{}}}\r\n{text}", text.len())),
    ]
}

fn numbers() -> impl Strategy<Value = String> {
    proptest::collection::vec("([1-9][0-9]{0,8}|[*])(:([1-9][0-9]{0,8}|[*]))?", 1..4)
        .prop_map(|set| set.join(","))
}

fn keys() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "ALL",
        "answered",
        "DELETED",
        "DRAFT",
        "FLAGGED",
        "NEW",
        "OLD",
        "RECENT",
        "SEEN",
        "UNANSWERED",
        "UNDELETED",
        "UNDRAFT",
        "UNFLAGGED",
        "UNSEEN",
    ])
    .prop_map(str::to_owned);
    let texts = (
        prop::sample::select(vec!["BCC", "BODY", "CC", "From", "SUBJECT", "TEXT", "TO", "HEADER x"]),
        string(),
    )
        .prop_map(|(name, text)| format!("{name} {text}"));
    let dates = (
        prop::sample::select(vec!["BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"]),
        1..29,
        prop::sample::select(vec!["Jan", "feb", "DEC"]),
        "\"?",
        1..10000,
    )
        .prop_map(|(name, day, month, quote, year)| format!("{name} {quote}{day}-{month}-{year:04}{quote}"));
    let sizes = "((LARGER|SMALLER|OLDER|YOUNGER|MODSEQ) [1-9][0-9]{0,8}|(UN)?KEYWORD [$a-z]{1,3})";
    let leaf =
        prop_oneof![plain, texts, dates, sizes, numbers(), numbers().prop_map(|set| format!("UID {set}"))];
    let key = leaf.prop_recursive(12, 40, 3, |key| {
        prop_oneof![
            key.clone().prop_map(|key| format!("NOT {key}")),
            (key.clone(), key.clone()).prop_map(|(first, second)| format!("OR {first} {second}")),
            proptest::collection::vec(key, 1..4).prop_map(|keys| format!("({})", keys.join(" "))),
        ]
    });
    proptest::collection::vec(key, 1..4).prop_map(|keys| keys.join(" "))
}

fn item() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "UID",
        "FLAGS",
        "INTERNALDATE",
        "ENVELOPE",
        "BODY",
        "BODYSTRUCTURE",
        "RFC822",
        "RFC822.SIZE",
        "RFC822.HEADER",
        "RFC822.TEXT",
        "MODSEQ",
    ])
    .prop_map(str::to_owned);
    let section =
        ("BODY(.PEEK)?", "([0-3][.]){0,3}", "(HEADER|TEXT|MIME|[1-9]|)", "(<[0-9]{1,3}[.][0-9]{1,3}>)?")
            .prop_map(|(name, part, text, partial)| format!("{name}[{part}{text}]{partial}"));
    let fields = ("([1-9][.])?HEADER.FIELDS(.NOT)?", proptest::collection::vec(string(), 1..3))
        .prop_map(|(text, names)| format!("BODY[{text} ({})]", names.join(" ")));
    let binary = "(BINARY|BINARY.PEEK|BINARY.SIZE)\\[([1-9]([.][1-9])?)?\\](<1.2>)?";
    prop_oneof![name, section, fields, binary.prop_map(|text| text)]
}
