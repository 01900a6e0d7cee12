//! Commands as the RFCs' examples have them, and as nobody should send them.

mod search;

use proptest::prelude::*;

use super::*;
use crate::mailbox::{FlagEdit, Flags};

const REV1: Modes = Modes { utf8: false };
const UTF8: Modes = Modes { utf8: true };

fn body(line: &str) -> CommandBody {
    body_in(line, REV1)
}

fn body_in(line: &str, modes: Modes) -> CommandBody {
    match parse(format!("a1 {line}\r\n").as_bytes(), modes) {
        Ok(command) => {
            assert_eq!(command.tag, "a1");
            command.body
        }
        Err(error) => panic!("{line}: {error}"),
    }
}

fn fault(line: &str) -> CommandErrorKind {
    fault_in(line.as_bytes(), REV1)
}

fn fault_in(line: &[u8], modes: Modes) -> CommandErrorKind {
    let octets = [b"a1 ", line, b"\r\n"].concat();
    match parse(&octets, modes) {
        Ok(_) => panic!("{} should be refused", String::from_utf8_lossy(line)),
        Err(error) => {
            assert_eq!(error.tag.as_deref(), Some("a1"));
            match error.kind {
                CommandErrorKind::Wrong(_) => CommandErrorKind::Arguments,
                kind => kind,
            }
        }
    }
}

fn items(items: &str) -> Vec<FetchItem> {
    let CommandBody::Fetch { items, .. } = body(&format!("FETCH 1 {items}")) else { panic!("{items}") };
    items
}

fn set(elements: &[(u32, u32)]) -> Numbers {
    let element = |(from, to): &(u32, u32)| SetElement {
        from: Some(*from).filter(|number| *number > 0),
        to: Some(*to).filter(|number| *number > 0),
    };
    Numbers::Set(elements.iter().map(element).collect())
}

#[test]
fn commands_without_arguments_are_read_in_any_case() {
    assert!(matches!(body("CAPABILITY"), CommandBody::Capability));
    assert!(matches!(body("noop"), CommandBody::Noop));
    assert!(matches!(body("Logout"), CommandBody::Logout));
    assert!(matches!(body("STARTTLS"), CommandBody::StartTls));
    assert!(matches!(body("NAMESPACE"), CommandBody::Namespace));
    assert!(matches!(body("IDLE"), CommandBody::Idle));
    assert!(matches!(body("CHECK"), CommandBody::Check));
    assert!(matches!(body("CLOSE"), CommandBody::Close));
    assert!(matches!(body("UNSELECT"), CommandBody::Unselect));
    assert!(matches!(body("EXPUNGE"), CommandBody::Expunge { uids: None }));
    assert!(matches!(body("COMPRESS DEFLATE"), CommandBody::Compress));
    assert!(matches!(body("ID NIL"), CommandBody::Id));
    assert!(matches!(body(r#"ID ("name" "sodr" "version" NIL)"#), CommandBody::Id));
}

#[test]
fn errors_name_the_tag_and_nothing_of_the_client() {
    assert_eq!(fault("FROBNICATE secret"), CommandErrorKind::Unknown);
    assert_eq!(fault("UID NOOP"), CommandErrorKind::Unknown);
    assert_eq!(fault("UID"), CommandErrorKind::Unknown);
    assert_eq!(fault(""), CommandErrorKind::Unknown);
    for line in
        ["NOOP ", "NOOP x", "IDLE now", "COMPRESS LZW", "SELECT", "EXPUNGE 1", "LOGOUT \"", "UID EXPUNGE"]
    {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    for octets in [&b"\r\n"[..], b"+ NOOP\r\n", b"* OK\r\n", b" NOOP\r\n", b"\xff NOOP\r\n", b""] {
        assert!(parse(octets, REV1).is_err_and(|error| error.tag.is_none()));
    }
    let error = parse(b"private SECRET words\r\n", REV1).err().unwrap();
    let printed = format!("{error} {error:?}").to_lowercase();
    assert!(!printed.contains("private") && !printed.contains("secret") && !printed.contains("words"));
    assert!(parse(b"a NOOP", REV1).is_err(), "no line end");
    assert!(parse(b"a NOOP\r\nb NOOP\r\n", REV1).is_err(), "two commands");
}

#[test]
fn logins_have_strings_of_all_forms() {
    for (line, login, password) in [
        ("LOGIN SMITH SESAME", "SMITH", "SESAME"),
        (r#"LOGIN "a b" "c\"d\\e""#, "a b", r#"c"d\e"#),
        ("LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man", "FRED FOOBAR", "fat man"),
        ("LOGIN a {5+}\r\n äö", "a", " äö"),
    ] {
        let CommandBody::Login(credentials) = body(line) else { panic!("{line}") };
        assert_eq!((credentials.login.as_str(), credentials.password.expose()), (login, password));
    }
    for line in [
        "LOGIN",
        "LOGIN a",
        "LOGIN a ",
        "LOGIN a b c",
        "LOGIN \"\" b",
        "LOGIN a \"\"",
        "LOGIN a {2+}\r\n\r\n",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    for modes in [REV1, UTF8] {
        assert!(matches!(body_in("LOGIN a \"ä\"", modes), CommandBody::Login(_)));
    }
}

#[test]
fn initial_responses_stay_in_base64() {
    let authenticate = |line: &str| match body(line) {
        CommandBody::Authenticate { mechanism, initial } => {
            (mechanism, initial.map(|initial| initial.expose().to_owned()))
        }
        _ => panic!("{line}"),
    };
    assert_eq!(authenticate("AUTHENTICATE plain"), ("PLAIN".to_owned(), None));
    assert_eq!(
        authenticate("AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
        ("PLAIN".to_owned(), Some("AHRpbQB0YW5zdGFhZnRhbnN0YWFm".to_owned()))
    );
    assert_eq!(authenticate("AUTHENTICATE EXTERNAL ="), ("EXTERNAL".to_owned(), Some("=".to_owned())));
    for line in [
        "AUTHENTICATE",
        "AUTHENTICATE ",
        "AUTHENTICATE PLAIN ",
        "AUTHENTICATE PLAIN a b",
        "AUTHENTICATE PLAIN \"YQ==\"",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

#[test]
fn enable_has_names_in_capitals() {
    let CommandBody::Enable(names) = body("ENABLE Condstore qresync utf8=ACCEPT IMAP4rev2") else { panic!() };
    assert_eq!(names, ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4REV2"]);
}

#[test]
fn select_says_what_the_client_knows() {
    let select = |line: &str| match body(line) {
        CommandBody::Select { path, mode, condstore, qresync } => (path, mode, condstore, qresync),
        _ => panic!("{line}"),
    };
    assert_eq!(select("SELECT inbox"), ("INBOX".to_owned(), SelectMode::ReadWrite, false, None));
    assert_eq!(
        select("EXAMINE Archive (CONDSTORE)"),
        ("Archive".to_owned(), SelectMode::ReadOnly, true, None)
    );
    // RFC 7162 §3.2.5.
    let qresync = |known, matched| {
        Some(Qresync { uid_validity: 67_890_007, mod_seq: 90_060_115_194_045_000, known, matched })
    };
    let known = Some(set(&[(41, 211), (214, 541)]));
    let matched = Some((set(&[(1, 1), (3, 4)]), set(&[(5, 5), (7, 9)])));
    for (line, expected) in [
        ("SELECT INBOX (QRESYNC (67890007 90060115194045000))", qresync(None, None)),
        ("SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))", qresync(known.clone(), None)),
        ("SELECT INBOX (QRESYNC (67890007 90060115194045000 (1,3:4 5,7:9)))", qresync(None, matched.clone())),
        (
            "SELECT INBOX (CONDSTORE QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3:4 5,7:9)))",
            qresync(known, matched),
        ),
    ] {
        assert_eq!(select(line).3, expected, "{line}");
    }
    for line in [
        "SELECT INBOX (QRESYNC (1 1 1:*))",
        "SELECT INBOX (QRESYNC (1 1 1:3 (1:* 1:*)))",
        "SELECT INBOX (QRESYNC (1 1) QRESYNC (1 1))",
        "SELECT INBOX (QRESYNC (1 18446744073709551616))",
        "SELECT INBOX (QRESYNC (4294967296 1))",
        "SELECT INBOX (QRESYNC (0 1 $))",
        "SELECT INBOX (QRESYNC (0 1)",
        "SELECT INBOX (QRESYNC 0 1) x",
        "SELECT INBOX QRESYNC",
        "SELECT INBOX ()",
        "SELECT INBOX (FOO)",
        "SELECT",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

/// Clients that have no mod-sequence or UIDVALIDITY yet send 0; some leave out brackets.
#[test]
fn zero_and_missing_brackets_are_taken() {
    let qresync = |line: &str| match body(line) {
        CommandBody::Select { qresync: Some(known), condstore, .. } => (known, condstore),
        _ => panic!("{line}"),
    };
    let expected = |uid_validity, mod_seq| Qresync { uid_validity, mod_seq, known: None, matched: None };
    for (line, known) in [
        ("SELECT INBOX (QRESYNC (7 0))", expected(7, 0)),
        ("EXAMINE INBOX (QRESYNC (0 0))", expected(0, 0)),
        ("SELECT INBOX (QRESYNC (0 5))", expected(0, 5)),
        ("SELECT INBOX (QRESYNC 7 5)", expected(7, 5)),
        ("SELECT INBOX QRESYNC (7 5)", expected(7, 5)),
        ("SELECT INBOX QRESYNC 7 5", expected(7, 5)),
    ] {
        assert_eq!(qresync(line), (known, false), "{line}");
    }
    let (known, condstore) = qresync("SELECT INBOX (QRESYNC 7 0 1:5,9 (1 1) CONDSTORE)");
    assert!(condstore);
    assert_eq!(
        (known.known, known.matched),
        (Some(set(&[(1, 5), (9, 9)])), Some((set(&[(1, 1)]), set(&[(1, 1)]))))
    );
    let since = |line: &str| match body(line) {
        CommandBody::Fetch { modifiers, items, .. } => {
            (modifiers.changed_since, modifiers.vanished, items.len())
        }
        _ => panic!("{line}"),
    };
    assert_eq!(since("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)"), (Some(0), false, 1));
    assert_eq!(since("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0 VANISHED)"), (Some(0), true, 1));
    assert_eq!(since("FETCH 1:* FULL (CHANGEDSINCE 0)"), (Some(0), false, 5));
    assert_eq!(since("FETCH 1:* fast (CHANGEDSINCE 7)"), (Some(7), false, 3));
    assert!(matches!(body("SEARCH MODSEQ 0"), CommandBody::Search { key: Key::ModSeq(0), .. }));
}

/// BAD says which argument is wrong, whichever reader found it.
#[test]
fn errors_name_the_argument() {
    let wrong = |line: &str| match parse(format!("a {line}\r\n").as_bytes(), REV1) {
        Ok(_) => panic!("{line}"),
        Err(error) => error.kind,
    };
    for (line, argument) in [
        ("SELECT", Argument::Missing),
        ("SELECT INBOX (FOO)", Argument::SelectParameter),
        ("SELECT INBOX (QRESYNC (x 1))", Argument::Qresync),
        ("NOOP x", Argument::Surplus),
        ("DELETE a b", Argument::Surplus),
        ("RENAME a", Argument::Missing),
        ("COPY 0 x", Argument::Numbers),
        ("UID MOVE 1:x y", Argument::Numbers),
        ("COPY 1", Argument::Missing),
        ("COPY  1 x", Argument::Space),
        ("STORE 1 FOO (a)", Argument::StoreItem),
        ("STORE 1 +FLAGS (a b", Argument::Flags),
        ("STORE 1 +FLAGS (\\Foo)", Argument::Flags),
        ("STORE 1 (UNCHANGEDSINCE -1) FLAGS ()", Argument::StoreModifier),
        ("FETCH 1 (FLAGS FOO)", Argument::FetchItem),
        ("FETCH 1 BODY[FOO]", Argument::Section),
        ("FETCH 1 FLAGS (CHANGEDSINCE x)", Argument::Number),
        ("FETCH 1 FLAGS (FOO 1)", Argument::FetchModifier),
        ("FETCH x FLAGS", Argument::Numbers),
        ("SEARCH FOO", Argument::SearchKey),
        ("SEARCH FOO bar", Argument::SearchKey),
        ("SEARCH SINCE yesterday", Argument::Date),
        ("SEARCH SINCE", Argument::Missing),
        ("SEARCH LARGER big", Argument::Number),
        ("SEARCH RETURN (FOO) ALL", Argument::SearchOption),
        ("SORT (FOO) UTF-8 ALL", Argument::SortKey),
        ("THREAD FOO UTF-8 ALL", Argument::Threading),
        ("STATUS INBOX (FOO)", Argument::StatusItem),
        ("LIST (FOO) \"\" *", Argument::ListOption),
        ("CREATE x (USE (Drafts))", Argument::Use),
    ] {
        assert_eq!(wrong(line), CommandErrorKind::Wrong(argument), "{line}");
    }
}

#[test]
fn mailbox_names_are_read_as_the_mode_says() {
    for (line, modes, path) in [
        ("DELETE &U,BTFw-", REV1, "台北"),
        ("DELETE \"a&-b\"", REV1, "a&b"),
        ("DELETE {3+}\r\na b", REV1, "a b"),
        ("DELETE \"台北 & \\\"x\\\"\"", UTF8, "台北 & \"x\""),
        ("DELETE &U,BTFw-", UTF8, "&U,BTFw-"),
        ("DELETE {6+}\r\n台北", UTF8, "台北"),
        ("DELETE iNbOx/sub", UTF8, "INBOX/sub"),
    ] {
        assert!(matches!(body_in(line, modes), CommandBody::Delete(found) if found == path), "{line}");
    }
    for (line, modes) in [
        ("DELETE \"台北\"", REV1),
        ("DELETE {6+}\r\n台北", REV1),
        ("DELETE a&b", REV1),
        ("SELECT &AGE-", REV1),
        ("COPY 1 \"&Jjo\"", REV1),
        ("LIST \"\" \"&Jjo*\"", REV1),
        ("LIST \"\" \"ä\"", REV1),
        ("STATUS &Jjo (MESSAGES APPENDLIMIT)", REV1),
        ("APPEND &Jjo {1+}\r\nx", REV1),
        ("DELETE {1+}\r\n\t", UTF8),
    ] {
        assert_eq!(fault_in(line.as_bytes(), modes), CommandErrorKind::MailboxName, "{line}");
    }
    for (line, modes) in
        [("DELETE 台北", UTF8), ("DELETE", UTF8), ("DELETE a b", UTF8), ("DELETE {1+}\r\n\0", UTF8)]
    {
        assert_eq!(fault_in(line.as_bytes(), modes), CommandErrorKind::Arguments, "{line}");
    }
    assert_eq!(fault_in(b"DELETE \"\xff\"", UTF8), CommandErrorKind::Arguments);
    assert!(matches!(body("RENAME blurdybloop sarasoop"),
        CommandBody::Rename { from, to } if from == "blurdybloop" && to == "sarasoop"));
    assert!(matches!(body("SUBSCRIBE #news.comp"), CommandBody::Subscribe(path) if path == "#news.comp"));
    assert!(matches!(body("UNSUBSCRIBE a/b"), CommandBody::Unsubscribe(path) if path == "a/b"));
    assert!(matches!(body("GETQUOTAROOT inbox"), CommandBody::GetQuotaRoot(path) if path == "INBOX"));
    assert!(matches!(body("GETQUOTA \"\""), CommandBody::GetQuota(root) if root.is_empty()));
    assert!(matches!(body("SETQUOTA \"\" (STORAGE 512)"), CommandBody::SetQuota));
}

#[test]
fn create_may_name_a_use() {
    // RFC 6154 §5.3.
    for (line, expected) in [
        ("CREATE MySpecial (USE (\\Drafts \\Sent))", true),
        ("CREATE MySpecial (USE ())", false),
        ("CREATE MySpecial", false),
    ] {
        assert!(matches!(body(line),
            CommandBody::Create { path, special_use } if path == "MySpecial" && special_use == expected));
    }
    for line in [
        "CREATE x (USE)",
        "CREATE x (USE (Drafts))",
        "CREATE x (USE (\\Drafts)",
        "CREATE x (FOO (\\Drafts))",
        "CREATE x ()",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

#[test]
fn lists_are_plain_or_extended() {
    type List = (String, Vec<String>, ListSelection, ListReturn, bool);
    let list = |line: &str| -> List {
        match body(line) {
            CommandBody::List { reference, patterns, selection, returns, lsub } => {
                (reference, patterns, selection, returns, lsub)
            }
            _ => panic!("{line}"),
        }
    };
    let (reference, patterns, selection, returns, lsub) = list("LIST ~/Mail/ %");
    assert_eq!((reference.as_str(), patterns, lsub), ("~/Mail/", vec!["%".to_owned()], false));
    assert_eq!((selection, returns), (ListSelection::default(), ListReturn::default()));
    assert!(list("LSUB \"\" \"*\"").4);
    assert_eq!(list("LIST \"\" \"\"").1, [""]);
    // RFC 5258 §5, RFC 5819 §4, RFC 6154 §5.2, RFC 8474 §4.3.
    let (_, patterns, selection, returns, _) =
        list("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\" RETURN (CHILDREN)");
    assert_eq!(patterns, ["%"]);
    assert_eq!(selection, ListSelection { subscribed: true, recursive_match: true, special_use: false });
    assert!(returns.children && returns.extended && !returns.subscribed);
    assert_eq!(list("LIST \"\" (\"INBOX\" \"Drafts\" Sent/%)").1, ["INBOX", "Drafts", "Sent/%"]);
    assert_eq!(
        list("LIST \"\" % RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES UNSEEN MAILBOXID))").3,
        ListReturn {
            subscribed: true,
            children: false,
            special_use: true,
            status: vec![StatusItem::Messages, StatusItem::Unseen, StatusItem::MailboxId],
            extended: true
        }
    );
    assert!(list("LIST (SPECIAL-USE) \"\" \"*\"").2.special_use);
    assert!(list("LIST () \"\" &U,BTFw-/% RETURN ()").3.extended);
    for line in [
        "LIST (RECURSIVEMATCH) \"\" \"*\"",
        "LIST (RECURSIVEMATCH REMOTE) \"\" \"*\"",
        "LIST (FOO) \"\" *",
        "LIST \"\" * RETURN (FOO)",
        "LIST \"\" * RETURN (STATUS ())",
        "LIST \"\" * RETURN",
        "LIST \"\" ()",
        "LIST \"\"",
        "LSUB (SUBSCRIBED) \"\" *",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    assert_eq!(fault(&format!("LIST \"\" (x{})", " x".repeat(40))), CommandErrorKind::TooMany);
}

#[test]
fn status_asks_for_items() {
    let CommandBody::Status { path, items } = body("STATUS blurdybloop (UIDNEXT MESSAGES)") else { panic!() };
    assert_eq!((path.as_str(), items), ("blurdybloop", vec![StatusItem::UidNext, StatusItem::Messages]));
    let CommandBody::Status { items, .. } = body(
        "STATUS \"a b\" (MAILBOXID SIZE DELETED APPENDLIMIT DELETED-STORAGE HIGHESTMODSEQ UIDVALIDITY UNSEEN RECENT)",
    ) else {
        panic!()
    };
    assert_eq!(items.len(), 9);
    for line in ["STATUS x", "STATUS x ()", "STATUS x (FOO)", "STATUS x (SIZE", "STATUS x SIZE"] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

#[test]
fn append_takes_literals_of_three_kinds() {
    let append = |line: &str, modes| match body_in(line, modes) {
        CommandBody::Append { path, message } => {
            (path, message.flags.system, message.flags.keywords, message.received, message.octets.to_vec())
        }
        _ => panic!("{line}"),
    };
    let plain = (String::from("Drafts"), Flags::none(), vec![], None, b"A: b\r\n\r\n".to_vec());
    assert_eq!(append("APPEND Drafts {8}\r\nA: b\r\n\r\n", REV1), plain);
    assert_eq!(append("APPEND Drafts ~{8+}\r\nA: b\r\n\r\n", REV1), plain);
    assert_eq!(append("APPEND Drafts UTF8 (~{8}\r\nA: b\r\n\r\n)", UTF8), plain);
    // 1994-02-07 21:52:25 -0800.
    let full = (
        String::from("saved-messages"),
        Flags::SEEN.with(Flags::DRAFT),
        vec!["$Work".to_owned()],
        Some(760_686_745),
        b"x".to_vec(),
    );
    let head = "APPEND saved-messages (\\Seen $Work \\DRAFT) \" 7-Feb-1994 21:52:25 -0800\"";
    assert_eq!(append(&format!("{head} {{1}}\r\nx"), REV1), full);
    assert_eq!(append(&format!("{head} UTF8 (~{{1+}}\r\nx)"), UTF8), full);
    // Dovecot's imapc puts a blank before keywords that stand alone; names need no quotes for wildcards.
    let junk = (String::from("a*b"), Flags::none(), vec!["NonJunk".to_owned()], full.3, b"x".to_vec());
    let date = "\" 7-Feb-1994 21:52:25 -0800\"";
    assert_eq!(append(&format!("APPEND a*b ( NonJunk) {date} {{1}}\r\nx"), REV1), junk);
    assert_eq!(append(&format!("APPEND {{3}}\r\na*b ( NonJunk ) {date} ~{{1+}}\r\nx"), REV1), junk);
    assert_eq!(append(&format!("APPEND \"a*b\" ( NonJunk) {date} UTF8 (~{{1}}\r\nx)"), UTF8), junk);
    assert_eq!(append("APPEND Drafts ( ) {8}\r\nA: b\r\n\r\n", REV1), plain);
    assert_eq!(fault("APPEND Drafts UTF8 (~{1}\r\nx)"), CommandErrorKind::Unsupported);
    for line in [
        "APPEND Drafts",
        "APPEND Drafts \"x\"",
        "APPEND Drafts (\\Recent) {1}\r\nx",
        "APPEND Drafts (\\Foo) {1}\r\nx",
        "APPEND Drafts \"31-Feb-1994 21:52:25 -0800\" {1}\r\nx",
        "APPEND Drafts {1}\r\n\0",
        "APPEND Drafts {1}\r\nx {1}\r\ny",
        "APPEND Drafts UTF8 ({1}\r\nx)",
        "APPEND a*b ( \\Recent) {1}\r\nx",
        "APPEND a*b ( NonJunk) {1}\r\n\0",
        "APPEND a*b ( NonJunk){1}\r\nx",
        "APPEND a*b ( NonJunk) (x) {1}\r\nx",
        "APPEND a*b \"x",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    assert_eq!(append("APPEND Drafts ~{1}\r\n\0", REV1).4, b"\0", "RFC 3516 §4.4");
}

#[test]
fn sets_name_the_messages_of_a_command() {
    assert!(matches!(body("COPY 2:4 MEETING"), CommandBody::Copy { numbers, path, uid: false }
        if numbers == set(&[(2, 4)]) && path == "MEETING"));
    assert!(matches!(body("UID MOVE 42:69,* foo"), CommandBody::Move { numbers, path, uid: true }
        if numbers == set(&[(42, 69), (0, 0)]) && path == "foo"));
    assert!(matches!(body("UID EXPUNGE 3000:3002"), CommandBody::Expunge { uids: Some(uids) }
        if uids == set(&[(3000, 3002)])));
    // RFC 5182 §2.
    assert!(matches!(body("UID COPY $ x"), CommandBody::Copy { numbers: Numbers::Saved, uid: true, .. }));
    assert!(matches!(body("MOVE $ \"Other Messages\""), CommandBody::Move { numbers: Numbers::Saved, .. }));
    assert!(matches!(body("UID EXPUNGE $"), CommandBody::Expunge { uids: Some(Numbers::Saved) }));
    assert!(matches!(body("FETCH $ (UID PREVIEW)"), CommandBody::Fetch { numbers: Numbers::Saved, .. }));
    for line in [
        "COPY 0 x",
        "COPY 1:0 x",
        "COPY 4294967296 x",
        "COPY 1,,2 x",
        "COPY $1 x",
        "COPY 1,$ x",
        "COPY  1 x",
        "MOVE 1",
        "COPY $",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

#[test]
fn store_changes_flags() {
    let store = |line: &str| match body(line) {
        CommandBody::Store { change, silent, unchanged_since, .. } => (change, silent, unchanged_since),
        _ => panic!("{line}"),
    };
    let (change, silent, since) = store("STORE 2:4 +FLAGS (\\Deleted $Junk)");
    assert_eq!((change.edit, change.system, silent, since), (FlagEdit::Add, Flags::DELETED, false, None));
    assert_eq!(change.keywords, ["$Junk"]);
    let (change, silent, since) =
        store("UID STORE $ (UNCHANGEDSINCE 320162338) -flags.silent \\Seen \\Answered");
    assert_eq!((change.edit, change.system), (FlagEdit::Remove, Flags::SEEN.with(Flags::ANSWERED)));
    assert_eq!((silent, since), (true, Some(320_162_338)));
    assert_eq!(store("STORE 1 FLAGS ()").0.edit, FlagEdit::Replace);
    assert_eq!(store("STORE 1 (UNCHANGEDSINCE 0) FLAGS ()").2, Some(0));
    for line in [
        "STORE 1 +FLAGS (\\Recent)",
        "STORE 1 +FLAGS (\\*)",
        "STORE 1 +FLAGS (\\Foo)",
        "STORE 1 +FLAGS (a b",
        "STORE 1 FOO (a)",
        "STORE 1 (UNCHANGEDSINCE -1) FLAGS ()",
        "STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    assert_eq!(fault(&format!("STORE 1 FLAGS ({})", "k".repeat(65))), CommandErrorKind::Arguments);
    assert_eq!(fault(&format!("STORE 1 FLAGS (k{})", " k".repeat(64))), CommandErrorKind::TooMany);
}

#[test]
fn fetch_items_of_all_rfcs_mix() {
    use FetchItem::{Body, EmailId, Envelope, Flags, InternalDate, Preview, SaveDate, Size, ThreadId, Uid};
    assert_eq!(items("ALL"), [Flags, InternalDate, Size, Envelope]);
    assert_eq!(items("FAST"), [Flags, InternalDate, Size]);
    assert_eq!(items("full"), [Flags, InternalDate, Size, Envelope, Body]);
    assert_eq!(items("(UID PREVIEW (LAZY) EMAILID)"), [Uid, Preview, EmailId]);
    assert_eq!(items("(PREVIEW THREADID SAVEDATE)"), [Preview, ThreadId, SaveDate]);
    assert_eq!(items("PREVIEW"), [Preview]);
    assert_eq!(items("(MODSEQ BODYSTRUCTURE)"), [FetchItem::ModSeq, FetchItem::BodyStructure]);
    assert_eq!(items("(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)").len(), 4);
    for line in [
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 (ALL)",
        "FETCH 1 (FLAGS",
        "FETCH 1 FOO",
        "FETCH 1 (PREVIEW (FOO))",
        "FETCH 1 (FLAGS  UID)",
        "FETCH 1 PREVIEW UID",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
    assert_eq!(fault(&format!("FETCH 1 (UID{})", " UID".repeat(128))), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("FETCH 1 (PREVIEW{})", " UID".repeat(128))), CommandErrorKind::TooMany);
}

/// What `imap-codec` and our own reader make of the same item must be the same.
#[test]
fn sections_are_the_same_for_both_readers() {
    let section = |section, partial, peek| FetchItem::Section { section, partial, peek };
    let fields = |part: &[u32], names: &[&str], not| FetchSection::Fields {
        part: part.to_vec(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        not,
    };
    for (text, item) in [
        ("BODY[]", section(FetchSection::All(vec![]), None, false)),
        ("BODY.PEEK[]<0.2048>", section(FetchSection::All(vec![]), Some((0, 2048)), true)),
        ("BODY[1.2.3]", section(FetchSection::All(vec![1, 2, 3]), None, false)),
        ("BODY[HEADER]", section(FetchSection::Header(vec![]), None, false)),
        ("body.peek[4.1.mime]", section(FetchSection::Mime(vec![4, 1]), None, true)),
        ("BODY[4.2.HEADER]", section(FetchSection::Header(vec![4, 2]), None, false)),
        ("BODY[TEXT]<5.1>", section(FetchSection::Text(vec![]), Some((5, 1)), false)),
        ("BODY[3.TEXT]", section(FetchSection::Text(vec![3]), None, false)),
        (
            "BODY.PEEK[HEADER.FIELDS (Date \"From\" {2+}\r\nTo)]",
            section(fields(&[], &["Date", "From", "To"], false), None, true),
        ),
        ("BODY[2.HEADER.FIELDS.NOT (X-A)]", section(fields(&[2], &["X-A"], true), None, false)),
        ("BINARY[1.2]<1.3>", FetchItem::Binary { part: vec![1, 2], partial: Some((1, 3)), peek: false }),
        ("BINARY.PEEK[]", FetchItem::Binary { part: vec![], partial: None, peek: true }),
        ("BINARY.SIZE[4]", FetchItem::BinarySize { part: vec![4] }),
    ] {
        assert_eq!(items(text), std::slice::from_ref(&item), "{text}");
        assert_eq!(items(&format!("(EMAILID {text})")), [FetchItem::EmailId, item], "{text}");
    }
    for text in [
        "BODY[",
        "BODY[]<0>",
        "BODY[]<0.0>",
        "BODY[]<-1.5>",
        "BODY[0]",
        "BODY[1.]",
        "BODY[1..2]",
        "BODY[MIME]",
        "BODY[1.FOO]",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[HEADER.FIELDS (a:b)]",
        "BODY[HEADER.FIELDS (\"a b\")]",
        "BODY[HEADER.FIELDS (\"\")]",
        "BINARY[1.]",
        "BINARY[HEADER]",
        "BINARY",
        "BINARY.SIZE[1]<0.1>",
        "BODYSTRUCTURE[1]",
        "BODY[1]x",
    ] {
        assert_eq!(fault(&format!("FETCH 1 {text}")), CommandErrorKind::Arguments, "{text}");
        assert_eq!(fault(&format!("FETCH 1 (EMAILID {text})")), CommandErrorKind::Arguments, "{text}");
    }
    let deep = "1.".repeat(100);
    assert_eq!(fault(&format!("FETCH 1 BODY[{deep}1]")), CommandErrorKind::TooMany);
    assert_eq!(fault(&format!("FETCH 1 (EMAILID BODY[{deep}1])")), CommandErrorKind::TooMany);
    let large = FetchItem::Section {
        section: FetchSection::All(vec![]),
        partial: Some((5_000_000_000, 6_000_000_000)),
        peek: false,
    };
    assert_eq!(items("BODY[]<5000000000.6000000000>"), [large]);
}

#[test]
fn fetch_modifiers_belong_together() {
    let modifiers = |line: &str| match body(line) {
        CommandBody::Fetch { modifiers, .. } => modifiers,
        _ => panic!("{line}"),
    };
    let changed = FetchModifiers { changed_since: Some(12345), ..FetchModifiers::default() };
    let vanished = FetchModifiers { vanished: true, ..changed };
    let partial = FetchModifiers { partial: Some((-1, -30)), ..FetchModifiers::default() };
    assert_eq!(modifiers("FETCH 1 ALL (CHANGEDSINCE 12345)"), changed);
    assert_eq!(modifiers("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)"), vanished);
    assert_eq!(modifiers("UID FETCH 300:500 (FLAGS PREVIEW) (VANISHED CHANGEDSINCE 12345)"), vanished);
    assert_eq!(modifiers("UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-30)"), partial);
    assert_eq!(modifiers("UID FETCH 1:* FLAGS (PARTIAL -1:-30 CHANGEDSINCE 1)").partial, Some((-1, -30)));
    for line in [
        "FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
        "FETCH 1 FLAGS (PARTIAL 1:5)",
        "UID FETCH 1 FLAGS (PARTIAL 1:-5)",
        "UID FETCH 1 FLAGS (FOO)",
        "UID FETCH 1 FLAGS ()",
    ] {
        assert_eq!(fault(line), CommandErrorKind::Arguments, "{line}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_command_or_an_error(octets: Vec<u8>, utf8: bool) {
        let _ = parse(&octets, Modes { utf8 });
    }

    #[test]
    fn any_words_are_a_command_or_an_error(words in proptest::collection::vec(word(), 0..20), utf8: bool) {
        let _ = parse(format!("a {}\r\n", words.concat()).as_bytes(), Modes { utf8 });
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "UID ",
        "FETCH ",
        "SEARCH ",
        "SORT ",
        "THREAD ",
        "LIST ",
        "STATUS ",
        "SELECT ",
        "APPEND ",
        "STORE ",
        "COPY ",
        "CREATE ",
        "LOGIN ",
        "RETURN ",
        "CHARSET ",
        "UTF-8 ",
        "UTF8 ",
        "(",
        ")",
        ") ",
        " ",
        "\"",
        "\\",
        "\"a b\" ",
        "{3+}\r\n",
        "{1}\r\n",
        "~{2}\r\n",
        "abc",
        "a ",
        "1",
        "0",
        "*",
        ":",
        ",",
        "$ ",
        "[",
        "]",
        "<0.1>",
        "BODY",
        "BODY.PEEK[",
        "HEADER.FIELDS ",
        "BINARY[",
        "PREVIEW ",
        "EMAILID ",
        "NOT ",
        "OR ",
        "ALL ",
        "UTF8 (",
        "PARTIAL ",
        "-1:-2",
        "QRESYNC ",
        "(CHANGEDSINCE 1",
        "\\Seen ",
        "1-Jan-2020",
        "&U,BTFw-",
        "ä",
        "\0",
        "STATUS ",
    ])
}
