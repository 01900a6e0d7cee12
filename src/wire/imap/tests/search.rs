//! SEARCH, SORT and THREAD as the RFCs' examples have them, and past every limit.

use super::*;

#[test]
fn search_keys_of_rfc_9051_are_read() {
    assert_eq!(
        key("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
        Key::And(vec![Key::Flag(Flags::FLAGGED), Key::Since(8797), not(header("From", "Smith"))])
    );
    assert_eq!(key("CHARSET UTF-8 TEXT {6}\r\nмат"), Key::Text("мат".to_owned()));
    assert_eq!(
        key("OR SEEN (DRAFT 1:3)"),
        Key::Or(
            Box::new(Key::Flag(Flags::SEEN)),
            Box::new(Key::And(vec![Key::Flag(Flags::DRAFT), Key::Numbers(set(&[(1, 3)]))]))
        )
    );
    assert_eq!(
        key("UNKEYWORD $Junk UID 7:*"),
        Key::And(vec![not(Key::Keyword("$Junk".to_owned())), Key::Uids(set(&[(7, 0)]))])
    );
    assert_eq!(
        key("NEW OLD RECENT"),
        Key::And(vec![Key::Recent(false), Key::Recent(true), Key::Recent(false)])
    );
    assert_eq!(key("HEADER Message-ID \"\""), header("Message-ID", ""));
    assert_eq!(key("LARGER 5000000000"), Key::Larger(5_000_000_000));
    assert_eq!(key("OLDER 234 YOUNGER 1"), Key::And(vec![Key::Older(234), Key::Younger(1)]));
    // RFC 7162 §3.1.5.
    assert_eq!(key("MODSEQ \"/flags/\\\\draft\" all 620162338"), Key::ModSeq(620_162_338));
    assert_eq!(key("MODSEQ 0"), Key::ModSeq(0));
}

/// imapclient for Python quotes for atoms, and lets these stand; Dovecot takes them.
#[test]
fn list_wildcards_are_text_in_texts() {
    assert_eq!(key("TEXT %PDF"), Key::Text("%PDF".to_owned()));
    assert_eq!(
        key("SUBJECT 100% UNSEEN"),
        Key::And(vec![header("Subject", "100%"), not(Key::Flag(Flags::SEEN))])
    );
}

#[test]
fn search_keys_that_only_we_know_are_read() {
    assert_eq!(key("EMAILID M6d99ac3275bb4e"), Key::EmailId("M6d99ac3275bb4e".to_owned()));
    assert_eq!(key("THREADID T_-1"), Key::ThreadId("T_-1".to_owned()));
    assert_eq!(
        key("SAVEDBEFORE 01-Jan-1970 SAVEDON 2-Jan-1970 SAVEDSINCE 3-Jan-1970 SAVEDATESUPPORTED"),
        Key::And(vec![Key::SavedBefore(0), Key::SavedOn(1), Key::SavedSince(2), Key::SaveDateSupported])
    );
    assert_eq!(key("$ SMALLER 4096"), Key::And(vec![Key::Numbers(Numbers::Saved), Key::Smaller(4096)]));
    assert_eq!(key("UID $"), Key::Uids(Numbers::Saved));
}

#[test]
fn both_readers_agree_on_every_key() {
    for text in [
        "ALL",
        "ANSWERED",
        "BCC a",
        "BEFORE 1-Jan-2020",
        "BODY \"a b\"",
        "CC x",
        "DELETED",
        "DRAFT",
        "FLAGGED",
        "FROM \"\"",
        "HEADER a b",
        "KEYWORD x",
        "LARGER 1",
        "NEW",
        "NOT ALL",
        "OLD",
        "OLDER 1",
        "ON 1-Feb-2020",
        "OR ALL NEW",
        "RECENT",
        "SEEN",
        "SENTBEFORE 1-Mar-2020",
        "SENTON 1-Apr-2020",
        "SENTSINCE \"1-May-2020\"",
        "SINCE 31-Dec-1999",
        "SMALLER 2",
        "SUBJECT {1+}\r\na",
        "TEXT a]",
        "TO c",
        "UID 1,2:*",
        "UNANSWERED",
        "UNDELETED",
        "UNDRAFT",
        "UNFLAGGED",
        "UNKEYWORD y",
        "UNSEEN",
        "YOUNGER 9",
        "MODSEQ 5",
        "MODSEQ \"/flags/\\\\seen\" priv 5",
        "*",
        "3:1,5",
        "(ALL NEW)",
        "(ALL)",
    ] {
        let ours = key(&format!("EMAILID x {text}"));
        assert_eq!(ours, Key::And(vec![Key::EmailId("x".to_owned()), key(text)]), "{text}");
    }
}

#[test]
fn search_returns_are_read() {
    let none = Returns::default();
    assert_eq!(returns("()"), Returns { all: true, ..none });
    assert_eq!(returns("(MIN COUNT)"), Returns { min: true, count: true, ..none });
    assert_eq!(returns("(SAVE)"), Returns { save: true, ..none });
    assert_eq!(returns("(MAX ALL SAVE)"), Returns { max: true, all: true, save: true, ..none });
    assert_eq!(
        returns("(PARTIAL 23500:24000 COUNT)"),
        Returns { partial: Some((23500, 24000)), count: true, ..none }
    );
    assert_eq!(returns("(PARTIAL -1:-100)"), Returns { partial: Some((-1, -100)), ..none });
    let CommandBody::Search { returns: Some(_), uid: true, key } =
        body("UID SEARCH RETURN (MIN) CHARSET UTF-8 $ UID 2:5")
    else {
        panic!()
    };
    assert_eq!(key, Key::And(vec![Key::Numbers(Numbers::Saved), Key::Uids(set(&[(2, 5)]))]));
    for options in [
        "(FOO)",
        "(PARTIAL)",
        "(PARTIAL 1:-2)",
        "(PARTIAL 0:1)",
        "(PARTIAL 1:2 PARTIAL 1:2)",
        "(ALL PARTIAL 1:2)",
        "MIN",
        "(MIN",
        "( MIN)",
    ] {
        assert_eq!(fault(&format!("SEARCH RETURN {options} ALL")), CommandErrorKind::Arguments, "{options}");
    }
}

#[test]
fn texts_are_utf_8_whatever_they_came_in() {
    let latin = parse(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {3+}\r\nf\xfcr\r\n", REV1).ok().unwrap();
    assert!(matches!(latin.body, CommandBody::Search { key, .. } if key == header("Subject", "für")));
    assert_eq!(key("CHARSET us-ascii TO {2+}\r\nü"), header("To", "ü"));
    assert_eq!(key("TO {2+}\r\nü"), header("To", "ü"));
    assert_eq!(fault("SEARCH CHARSET KLINGON ALL"), CommandErrorKind::Charset);
    assert_eq!(fault("SEARCH CHARSET UTF-7 ALL"), CommandErrorKind::Charset);
    assert_eq!(fault("SEARCH CHARSET X EMAILID y"), CommandErrorKind::Charset);
    assert_eq!(fault("SORT (DATE) X ALL"), CommandErrorKind::Charset);
    assert_eq!(fault_in(b"SEARCH TO {1+}\r\n\xff", REV1), CommandErrorKind::Arguments);
    let utf8 = body_in("SEARCH TO \"ü\"", UTF8);
    assert!(matches!(utf8, CommandBody::Search { key, .. } if key == header("To", "ü")));
    // Before it is enabled, too, and in any charset, with and without quotes.
    assert_eq!(key("TO \"ü\""), header("To", "ü"));
    assert_eq!(key("CHARSET UTF-8 SUBJECT \"Informação\""), header("Subject", "Informação"));
    assert_eq!(key("CHARSET UTF-8 SUBJECT Informação"), header("Subject", "Informação"));
    assert_eq!(
        key("CHARSET US-ASCII OR BODY \"ü\" TEXT ü"),
        Key::Or(Box::new(Key::Body("ü".to_owned())), Box::new(Key::Text("ü".to_owned())))
    );
    let latin = parse(b"a SEARCH CHARSET ISO-8859-1 SUBJECT \"f\xfcr\"\r\n", REV1).ok().unwrap();
    assert!(matches!(latin.body, CommandBody::Search { key, .. } if key == header("Subject", "für")));
    assert_eq!(fault_in(b"SEARCH TO \"\xff\"", REV1), CommandErrorKind::Arguments);
}

#[test]
fn searches_have_limits() {
    for line in [
        "SEARCH",
        "SEARCH ",
        "SEARCH FOO",
        "SEARCH ALL ",
        "SEARCH ()",
        "SEARCH (ALL",
        "SEARCH NOT",
        "SEARCH OR ALL",
        "SEARCH 0",
        "SEARCH UID",
        "SEARCH BEFORE 31-Feb-2020",
        "SEARCH HEADER a",
        "SEARCH HEADER \"a b\" c",
        "SEARCH EMAILID a.b",
        "SEARCH YOUNGER 0",
        "SEARCH LARGER x",
        "SEARCH LARGER 9223372036854775808",
        "SEARCH MODSEQ 18446744073709551615",
        "SEARCH SEENX",
        "SEARCH KEYWORD \\Seen",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    let nested = |depth: usize| format!("SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth));
    assert!(matches!(body(&nested(31)), CommandBody::Search { .. }));
    assert_eq!(fault(&nested(32)), CommandErrorKind::TooMany);
    assert_eq!(fault(&nested(10_000)), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SEARCH {}", "(".repeat(10_000))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SEARCH {}ALL", "NOT ".repeat(10_000))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SEARCH {}ALL", "OR ALL ".repeat(5_000))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SEARCH {}ALL", "OR ".repeat(10_000))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SEARCH ALL{}", " ALL".repeat(256))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SEARCH EMAILID x{}", " ALL".repeat(256))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("SORT (DATE{}) UTF-8 ALL", " DATE".repeat(20))), CommandErrorKind::TooMany);
}

#[test]
fn sort_and_thread_are_read() {
    let CommandBody::Sort { criteria, key, returns: None, uid: true } =
        body("UID SORT (SUBJECT REVERSE DATE DISPLAYFROM) UTF-8 ALL")
    else {
        panic!()
    };
    let criterion = |key, reverse| SortCriterion { key, reverse };
    assert_eq!(
        criteria,
        [
            criterion(SortKey::Subject, false),
            criterion(SortKey::Date, true),
            criterion(SortKey::DisplayFrom, false)
        ]
    );
    assert_eq!(key, Key::All);
    let CommandBody::Sort { criteria, returns: Some(returns), .. } =
        body("SORT RETURN (COUNT PARTIAL 1:50) (REVERSE DISPLAYTO ARRIVAL) US-ASCII EMAILID x")
    else {
        panic!()
    };
    assert_eq!(criteria, [criterion(SortKey::DisplayTo, true), criterion(SortKey::Arrival, false)]);
    assert!(returns.count && returns.partial == Some((1, 50)));
    assert!(matches!(
        body("THREAD REFERENCES US-ASCII SINCE 1-Feb-1994"),
        CommandBody::Thread { algorithm: Threading::References, uid: false, key: Key::Since(8797) }
    ));
    assert!(matches!(
        body("UID THREAD orderedsubject UTF-8 $"),
        CommandBody::Thread {
            algorithm: Threading::OrderedSubject,
            uid: true,
            key: Key::Numbers(Numbers::Saved)
        }
    ));
    for line in [
        "SORT () UTF-8 ALL",
        "SORT (FOO) UTF-8 ALL",
        "SORT (REVERSE) UTF-8 ALL",
        "SORT (DATE) UTF-8",
        "THREAD REFS UTF-8 ALL",
        "THREAD REFERENCES UTF-8",
        "THREAD REFERENCES UTF-8 ",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

fn key(keys: &str) -> Key {
    let CommandBody::Search { key, returns: None, uid: false } = body(&format!("SEARCH {keys}")) else {
        panic!("{keys}")
    };
    key
}

fn returns(options: &str) -> Returns {
    let CommandBody::Search { returns, .. } = body(&format!("SEARCH RETURN {options} ALL")) else {
        panic!("{options}")
    };
    returns.unwrap()
}

fn not(key: Key) -> Key {
    Key::Not(Box::new(key))
}

fn header(name: &str, text: &str) -> Key {
    Key::Header(name.to_owned(), text.to_owned())
}
