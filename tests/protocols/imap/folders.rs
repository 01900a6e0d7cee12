//! Commands about folders.

use super::fake::Fake;
use super::stage::Client;

#[tokio::test]
async fn folders_are_listed() {
    let mut client = Client::logged_in(&Fake::new()).await;
    client.ok("CREATE Work/Old/").await;
    assert_eq!(
        client.ok("LIST \"\" %").await,
        [
            "* LIST (\\Archive \\HasNoChildren) \"/\" \"Archive\"",
            "* LIST (\\Drafts \\HasNoChildren) \"/\" \"Drafts\"",
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"",
            "* LIST (\\Junk \\HasNoChildren) \"/\" \"Junk\"",
            "* LIST (\\Sent \\HasNoChildren) \"/\" \"Sent\"",
            "* LIST (\\Trash \\HasNoChildren) \"/\" \"Trash\"",
            "* LIST (\\HasChildren) \"/\" \"Work\"",
        ]
    );
    assert_eq!(client.ok("LIST \"\" \"\"").await, ["* LIST (\\Noselect) \"/\" \"\""]);
    assert_eq!(client.ok("LIST Work/ *").await, ["* LIST (\\HasNoChildren) \"/\" \"Work/Old\""]);
    assert_eq!(client.ok("LIST \"\" inbox").await, ["* LIST (\\HasNoChildren) \"/\" \"INBOX\""]);
    assert_eq!(
        client.ok("LIST (SPECIAL-USE) \"\" (S% T%) RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT))").await,
        [
            "* LIST (\\Subscribed \\Sent \\HasNoChildren) \"/\" \"Sent\"",
            "* STATUS \"Sent\" (MESSAGES 0 UIDNEXT 1)",
            "* LIST (\\Subscribed \\Trash \\HasNoChildren) \"/\" \"Trash\"",
            "* STATUS \"Trash\" (MESSAGES 0 UIDNEXT 1)",
        ]
    );
}

#[tokio::test]
async fn subscriptions_select() {
    let mut client = Client::logged_in(&Fake::new()).await;
    client.ok("CREATE Work/Old").await;
    client.ok("UNSUBSCRIBE Work").await;
    assert_eq!(
        client.ok("LIST (SUBSCRIBED) \"\" Work*").await,
        ["* LIST (\\Subscribed \\HasNoChildren) \"/\" \"Work/Old\""]
    );
    assert_eq!(
        client.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" W%").await,
        ["* LIST (\\HasChildren) \"/\" \"Work\" (\"CHILDINFO\" (\"SUBSCRIBED\"))"]
    );
    assert_eq!(client.ok("LSUB \"\" W%").await, ["* LSUB (\\Noselect) \"/\" \"Work\""]);
    assert_eq!(client.ok("LSUB \"\" W*").await, ["* LSUB () \"/\" \"Work/Old\""]);
    assert!(client.tagged("LIST (RECURSIVEMATCH) \"\" *").await.starts_with("a BAD "));
}

#[tokio::test]
async fn folders_come_and_go() {
    let fake = Fake::new();
    let mut client = Client::logged_in(&fake).await;
    assert_eq!(client.tagged("CREATE Work").await, "a OK [MAILBOXID (F256)] created");
    assert_eq!(client.tagged("CREATE Work").await, "a NO [ALREADYEXISTS] there is a folder of that name");
    assert!(client.tagged("CREATE \"a\\\"//b\"").await.starts_with("a NO [CANNOT] "));
    assert!(client.tagged("CREATE Sub (USE (\\Sent))").await.starts_with("a NO [CANNOT] "));
    client.ok("RENAME Work Arbeit").await;
    assert_eq!(client.tagged("DELETE Work").await, "a NO [NONEXISTENT] there is no such folder");
    assert_eq!(client.tagged("DELETE Trash").await, "a NO [CANNOT] this folder stays as it is");
    client.ok("SELECT Arbeit").await;
    let mut other = Client::logged_in(&fake).await;
    other.ok("SELECT Arbeit").await;
    assert_eq!(client.ok("DELETE Arbeit").await, ["* OK [CLOSED] the folder is gone"]);
    assert!(client.tagged("CHECK").await.starts_with("a BAD "));
    other.send(b"a NOOP\r\n").await;
    assert_eq!(other.rest().await.0, "* BYE the folder is gone\r\n");
}

/// RFC 9051 §6.3.7: it MUST NOT be taken from the list because the folder is gone.
#[tokio::test]
async fn a_subscription_outlives_its_folder() {
    let mut client = Client::logged_in(&Fake::new()).await;
    client.ok("CREATE Work/Old").await;
    client.ok("SUBSCRIBE Work/Old").await;
    client.ok("DELETE Work/Old").await;
    assert_eq!(
        client.ok("LSUB \"\" Work*").await,
        ["* LSUB () \"/\" \"Work\"", "* LSUB (\\Noselect) \"/\" \"Work/Old\""]
    );
    assert_eq!(
        client.ok("LIST (SUBSCRIBED) \"\" Work/*").await,
        ["* LIST (\\Subscribed \\NonExistent \\Noselect \\HasNoChildren) \"/\" \"Work/Old\""]
    );
    assert_eq!(client.ok("LIST \"\" Work/*").await, [] as [&str; 0]);
    client.ok("SUBSCRIBE Work/Old").await;
    client.ok("UNSUBSCRIBE Work/Old").await;
    client.ok("UNSUBSCRIBE Work/Old").await;
    assert_eq!(client.ok("LSUB \"\" Work/*").await, [] as [&str; 0]);
    assert!(client.tagged("SUBSCRIBE Work/Old").await.starts_with("a NO [NONEXISTENT] "));
}

#[tokio::test]
async fn folders_with_others_below_them_say_so() {
    let mut client = Client::logged_in(&Fake::new()).await;
    client.ok("CREATE Work/Old").await;
    assert!(client.tagged("DELETE Work").await.starts_with("a NO [HASCHILDREN] "));
    client.ok("DELETE Work/Old").await;
    client.ok("DELETE Work").await;
}

/// One folder named `..` stops mbsync for everybody; `%` and `*` are in names that people bring along.
#[tokio::test]
async fn names_that_are_none_and_names_that_are_some() {
    let mut client = Client::logged_in(&Fake::new()).await;
    for name in [".", "..", "a/..", "a/./b", "INBOX/..", "a//b", "a/ /b", "&AAo-", "&AAE-x", "a&b", "&Jjo"] {
        let answer = client.tagged(&format!("CREATE \"{name}\"")).await;
        assert!(answer.starts_with("a NO [CANNOT] "), "{name}: {answer}");
    }
    assert!(client.tagged("RENAME Work ..").await.starts_with("a NO "));
    for name in ["100 %", "a*b", "*", "..."] {
        client.ok(&format!("CREATE \"{name}\"")).await;
        let listed = client.ok(&format!("LIST \"\" \"{name}\"")).await;
        assert!(listed.contains(&format!("* LIST (\\HasNoChildren) \"/\" \"{name}\"")), "{listed:?}");
        client.ok(&format!("STATUS \"{name}\" (MESSAGES)")).await;
    }
    client.ok("ENABLE UTF8=ACCEPT").await;
    client.send(b"a CREATE {3+}\r\na\tb\r\n").await;
    assert!(client.answer().await.pop().is_some_and(|last| last.starts_with("a NO [CANNOT] ")));
}

/// Folders that none could be made with today: one can be rid of them.
#[tokio::test]
async fn names_that_an_older_version_allowed() {
    let fake = Fake::new();
    for path in ["..", "Old/..", "a//b"] {
        fake.has_folder(path);
        let mut client = Client::logged_in(&fake).await;
        client.ok(&format!("UNSUBSCRIBE \"{path}\"")).await;
        assert_eq!(client.ok(&format!("LIST (SUBSCRIBED) \"\" \"{path}\"")).await, [] as [&str; 0]);
        client.ok(&format!("SUBSCRIBE \"{path}\"")).await;
        client.ok(&format!("STATUS \"{path}\" (MESSAGES)")).await;
        client.ok(&format!("UNSUBSCRIBE \"{path}\"")).await;
        client.ok(&format!("DELETE \"{path}\"")).await;
    }
    let mut client = Client::logged_in(&fake).await;
    assert!(client.tagged("SUBSCRIBE ..").await.starts_with("a NO [NONEXISTENT] "));
    client.ok("UNSUBSCRIBE ..").await;
}

/// A Mac writes é as two characters.
#[tokio::test]
async fn two_spellings_are_one_folder() {
    let mut client = Client::logged_in(&Fake::new()).await;
    client.ok("CREATE Caf&AOk-").await;
    for command in ["STATUS Cafe&AwE- (MESSAGES)", "SELECT Cafe&AwE-", "SUBSCRIBE Cafe&AwE-"] {
        client.ok(command).await;
    }
    assert!(client.tagged("CREATE Cafe&AwE-").await.starts_with("a NO [ALREADYEXISTS] "));
    assert_eq!(client.ok("LIST \"\" Cafe&AwE-*").await, ["* LIST (\\HasNoChildren) \"/\" \"Caf&AOk-\""]);
    client.ok("ENABLE IMAP4rev2").await;
    // RFC 9051 §6.3.4: the client learns how its name is spelt here.
    assert_eq!(
        client.ok("CREATE \"u\u{308}\"").await,
        ["* LIST () \"/\" \"ü\" (\"OLDNAME\" (\"u\u{308}\"))"]
    );
    assert_eq!(
        client.ok("RENAME \"ü\" \"o\u{308}\"").await,
        ["* LIST () \"/\" \"ö\" (\"OLDNAME\" (\"o\u{308}\"))"]
    );
    assert_eq!(client.ok("RENAME \"ö\" \"ü\"").await, [] as [&str; 0]);
    let answer = client.ok("SELECT \"u\u{308}\"").await;
    assert!(answer.contains(&"* LIST () \"/\" \"ü\" (\"OLDNAME\" (\"u\u{308}\"))".to_owned()), "{answer:?}");
}

#[tokio::test]
async fn names_are_in_the_encoding_of_the_session() {
    let mut client = Client::logged_in(&Fake::new()).await;
    client.ok("CREATE &APw-ber").await;
    assert_eq!(client.ok("LIST \"\" &APw-*").await, ["* LIST (\\HasNoChildren) \"/\" \"&APw-ber\""]);
    client.ok("ENABLE UTF8=ACCEPT").await;
    assert_eq!(client.ok("LIST \"\" \"ü*\"").await, ["* LIST (\\HasNoChildren) \"/\" \"über\""]);
}

/// offlineimap 8.0 quotes a name for its blanks alone. Where one name is meant, none is a pattern.
#[tokio::test]
async fn names_with_wildcards_need_no_quotes() {
    let mut client = Client::selected(&Fake::with_some(2)).await;
    for name in ["a*b", "100%", "*%/x"] {
        client.ok(&format!("CREATE {name}")).await;
        client.ok(&format!("SUBSCRIBE {name}")).await;
        let listed = client.ok(&format!("LIST \"\" \"{name}\"")).await;
        assert_eq!(listed, [format!("* LIST (\\HasNoChildren) \"/\" \"{name}\"")]);
        client.ok(&format!("COPY 1 {name}")).await;
        assert_eq!(
            client.ok(&format!("STATUS {name} (MESSAGES)")).await,
            [format!("* STATUS \"{name}\" (MESSAGES 1)")]
        );
        client.ok(&format!("SELECT {name}")).await;
        client.ok(&format!("UID COPY 1:* {name}")).await;
        client.ok(&format!("EXAMINE {name} (CONDSTORE)")).await;
        client.ok(&format!("GETQUOTAROOT {name}")).await;
        client.ok("SELECT INBOX").await;
        client.ok(&format!("RENAME {name} {name}*")).await;
        client.ok(&format!("UNSUBSCRIBE {name}*")).await;
        client.ok(&format!("DELETE {name}*")).await;
    }
    for wrong in
        ["SELECT", "DELETE ", "RENAME a*b", "COPY 1 a*b c", "COPY a* a*b", "DELETE a*(b", "STATUS a*b"]
    {
        let end = client.tagged(wrong).await;
        assert!(end.starts_with("a BAD "), "{wrong}: {end}");
    }
}

#[tokio::test]
async fn status_counts() {
    let fake = Fake::with_some(3);
    fake.flag(1, veilpost::mailbox::Flags::SEEN.with(veilpost::mailbox::Flags::DELETED));
    let mut client = Client::logged_in(&fake).await;
    let octets: u64 =
        fake.roll_now(veilpost::mailbox::FolderId::INBOX).entries.iter().map(|e| e.octets).sum();
    assert_eq!(
        client.ok("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT DELETED-STORAGE)").await,
        [format!(
            "* STATUS \"INBOX\" (MESSAGES 3 RECENT 0 UIDNEXT 4 UIDVALIDITY 1000 UNSEEN 2 DELETED 1 SIZE {octets} HIGHESTMODSEQ 5 MAILBOXID (F0) APPENDLIMIT 100000 DELETED-STORAGE {})",
            octets / 3
        )]
    );
    assert_eq!(client.ok("GETQUOTAROOT INBOX").await, ["* QUOTAROOT \"INBOX\""]);
}
