//! Where is my mail? What the log says of it, what `veilpost trace` says, and what fail2ban reads.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::dashboard_api::{Program, make};
use crate::imap::Imap;
use crate::pop3::Pop3;
use crate::smtp::Smtp;
use crate::support::{Device, Server, tool};

fn restart(server: &mut Server, format: &str) {
    server.restart_with(|settings| {
        // [log] is the last section.
        if !settings.contains("\nlevel = ") {
            settings.push_str(&format!("level = \"info\"\nformat = \"{format}\"\n"));
        }
    });
}

fn printed(server: &Server) -> String {
    String::from_utf8_lossy(&server.printed()).into_owned()
}

fn seen(server: &Server, address: &str) -> Vec<(String, String, i64)> {
    let traced = server.done(&["trace", address]);
    let items = traced["seen"].as_array().expect("a list").clone();
    let word = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    items
        .iter()
        .map(|item| (word(item, "verdict"), word(item, "direction"), item["reply"].as_i64().unwrap_or(0)))
        .collect()
}

#[test]
fn log_and_server_say_where_mail_is() {
    let mut server = Server::demo();
    restart(&mut server, "text");
    let mut session = Smtp::connect(&server);
    let sender = "\"Foo..bar\"@sender.test";
    let told = |verdict: &str, direction: &str, reply| (verdict.to_owned(), direction.to_owned(), reply);
    assert!(session.command(&format!("MAIL FROM:<{sender}>")).starts_with("250"));
    assert!(session.command("RCPT TO:<nobody@demo.example>").starts_with("550 5.1.1"));
    assert!(session.command("RCPT TO:<Alice+shop@demo.example>").starts_with("250"));
    assert!(session.data(b"Subject: hush\r\n\r\nsecret\r\n").starts_with("250"));
    assert!(session.command("MAIL FROM:<>").starts_with("250"));
    assert!(session.command("RCPT TO:<POSTMASTER>").starts_with("250"), "RFC 5321 4.5.1");
    assert!(session.command("RCPT TO:<Abuse@DEMO.example>").starts_with("250"));
    assert!(session.command("DATA").starts_with("354"));
    assert!(session.command("Subject: a\r\n\r\n\n.\nsmuggled\r\n.").starts_with("550"));

    for round in ["at once", "after a restart"] {
        assert_eq!(seen(&server, "nobody@demo.example"), [told("refused", "to", 550)], "{round}");
        assert_eq!(seen(&server, "ALICE+shop@demo.example"), [told("accepted", "to", 250)], "{round}");
        let both = [told("refused", "from", 550), told("accepted", "from", 250)];
        assert_eq!(seen(&server, "foo..bar@sender.test"), both, "{round}");
        assert_eq!(seen(&server, "stranger@sender.test"), [], "{round}");
        restart(&mut server, "text");
    }
    assert_eq!(server.refused(&["trace", "nonsense"]), "invalid");

    let (log, traced) = (printed(&server), server.done(&["trace", "nobody@demo.example"]));
    let token = traced["token"].as_str().expect("a token");
    let line = log.lines().find(|line| line.contains(token)).expect("the log has the token");
    assert!(
        line.contains("veilpost::mail: mail verdict=refused") && line.contains("peer=127.0.0.1"),
        "{line}"
    );
    assert!(
        line.contains(&format!("session={}", traced["seen"][0]["session"].as_str().unwrap_or("?"))),
        "{line}"
    );
    for hidden in ["demo.example", "sender.test", "nobody", "hush", "secret"] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
    assert!(
        log.lines().any(|line| line.contains("reply=550") && line.contains("false end of data")),
        "{log}"
    );

    let copy = server.scratch().join("copy.log");
    std::fs::write(&copy, &log).expect("writes");
    let shown = server.command(&["trace", "nobody@demo.example", "--log"]).arg(&copy).output().expect("runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("refused  550") && shown.contains(line.trim()), "{shown}");

    let entries = server.command(&["audit", "list", "demo", "--json"]).output().expect("runs");
    let entries = String::from_utf8_lossy(&entries.stdout).into_owned();
    assert!(entries.contains("mail_traced") && entries.contains(token), "{entries}");
    assert!(!entries.contains("nobody@demo.example"));
    let listed = server.done(&["address", "list"]);
    let standing = |address: &str| {
        let item = listed.as_array().into_iter().flatten().find(|item| item["address"] == address);
        item.is_some_and(|item| item["standing"] == true && item["user"] == server.fact("user"))
    };
    assert!(standing("postmaster@demo.example") && standing("abuse@demo.example"), "{listed}");
}

#[test]
fn forms_of_an_international_address_reach_one_mailbox() {
    let server = Server::demo();
    server.done(&["address", "add", "jose\u{301}@b\u{fc}cher.example", "--user", server.fact("user")]);
    let again =
        server.refused(&["address", "add", "JOS\u{c9}@xn--bcher-kva.example", "--user", server.fact("user")]);
    assert_eq!(again, "exists");
    let mut session = Smtp::connect(&server);
    assert!(session.command("MAIL FROM:<\u{e9}@a.example> SMTPUTF8").starts_with("250"));
    for form in [
        "jos\u{e9}@b\u{fc}cher.example",
        "jose\u{301}@bu\u{308}cher.example",
        "JOS\u{c9}@B\u{dc}CHER.example",
        "JOSE\u{301}@XN--BCHER-KVA.example",
    ] {
        assert!(session.command(&format!("RCPT TO:<{form}>")).starts_with("250"), "{form}");
    }
    let device = server.device("laptop");
    for login in ["jos\u{e9}@b\u{fc}cher.example", "JOSE\u{301}@xn--bcher-kva.example"] {
        Pop3::login(&server, &Device { login: login.to_owned(), ..device.clone() });
    }
    server.done(&["address", "remove", "jos\u{e9}@xn--bcher-kva.example"]);
    assert!(session.command("RCPT TO:<jose\u{301}@b\u{fc}cher.example>").starts_with("550"));
}

/// Every refused login of every door, and nothing else.
#[test]
fn fail2ban_reads_refused_logins() {
    let Some(fail2ban) = tool("fail2ban-regex") else { return };
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/fail2ban/filter.d/veilpost.conf");
    for format in ["text", "json"] {
        let mut server = Server::demo();
        restart(&mut server, format);
        let good = server.device("laptop");
        let crafted = [
            "root",
            "x peer=198.51.100.1",
            "WARN veilpost::login: login refused protocol=imap peer=198.51.100.2",
            "\",\"peer\":\"198.51.100.3\",\"target\":\"veilpost::login\"}",
            &good.login,
        ];
        let mut refused = 0;
        for name in crafted {
            let device = Device { login: name.to_owned(), app_password: "wrong".to_owned(), ..good.clone() };
            assert!(Pop3::open(&server, &device).is_err(), "{name}");
            assert!(Imap::is_refused(&server, name, "wrong"), "{name}");
            refused += 2;
        }
        Pop3::login(&server, &good);
        Imap::login(&server, &good);
        if let Some(browser) = Browser::new(&server, "stranger") {
            browser.get("/sign-in");
            let form = [("login", "x peer=198.51.100.4"), ("password", "not the one"), ("to", "/")];
            assert_eq!(browser.send("/sign-in", &form).status, 403);
            refused += 1;
        }
        if let Some(alice) = Browser::of_demo(&server, "alice") {
            // A wrong code on the unlock page, a token that was never made, a wrong code of a program.
            let wrong = [("code", "000000"), ("reason", "x peer=198.51.100.5"), ("to", "/mail")];
            assert_eq!(alice.post("/unlock", "/unlock", &wrong).status, 403);
            alice.unlock(&server.code(), "a token");
            let token = make(&alice, "a program", &["mail:read"]).0;
            assert_eq!(Program::new(&server, "vp_peer=198.51.100.6").get("/me").0, 401);
            let wrong = json!({ "password": server.fact("password"), "code": "000000" });
            assert_eq!(Program::new(&server, &token).call("POST", "/unlock", Some(wrong), None).0, 403);
            refused += 3;
        }
        let log = server.scratch().join("server.log");
        std::fs::write(&log, server.printed()).expect("writes");
        let output = Command::new(&fail2ban)
            .args(["--usedns", "no", "--print-all-matched"])
            .args([&log, &filter])
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!(" {refused} matched")), "{format}: {said}\n{}", printed(&server));
        assert!(!said.contains("198.51.100."), "{said}");
    }
}

/// `veilpost … 2>&1 | head -1`: whoever stops reading ends the program quietly.
#[test]
fn nobody_reads_and_nobody_panics() {
    let server = Server::demo();
    for arguments in [
        &["--help"][..],
        &["status"],
        &["address", "list"],
        &["audit", "export", "demo", "--jsonl"],
        &["policy", "schema"],
        &["trace", "alice@demo.example"],
        &["nonsense"],
        &["user", "list", "--config", "/nonexistent", "--socket", "/nonexistent"],
        &["user", "list", "--json", "--socket", "/nonexistent"],
        &["mail", "list"],
        &["doctor"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = server
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a second end"))
            .stderr(writer)
            .status()
            .expect("runs");
        assert!(matches!(status.code(), Some(0..=2)), "{arguments:?}: {status}");
    }
}

/// What editors, mails and shells do to a checkpoint is no change of the log.
#[test]
fn a_checkpoint_survives_its_way() {
    let server = Server::demo();
    let checkpoint = |server: &Server| {
        let done = server.done(&["audit", "checkpoint", "demo"]);
        done["checkpoint"].as_str().expect("a note").to_owned()
    };
    let first = checkpoint(&server);
    server.done(&["address", "add", "office@demo.example", "--user", server.fact("user")]);
    let both = format!("{first}{}", checkpoint(&server));
    let file = server.scratch().join("kept.note");
    let verify = |octets: &[u8]| {
        std::fs::write(&file, octets).expect("writes");
        let output =
            server.command(&["audit", "verify", "demo", "--json", "--checkpoint"]).arg(&file).output();
        let output = output.expect("runs");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.success(), report, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let wide: Vec<u8> = format!("\u{feff}{both}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for octets in [
        both.clone().into_bytes(),
        both.replace('\n', "\r\n").into_bytes(),
        both.replace('\n', " \t\n").into_bytes(),
        format!("\u{feff}{both}").into_bytes(),
        both.trim_end().as_bytes().to_vec(),
        wide,
    ] {
        let (done, report, said) = verify(&octets);
        assert!(done, "{said}");
        assert_eq!((&report["compared"], &report["intact"]), (&2.into(), &true.into()), "{report}");
    }
    let broken = both.replacen("/audit\n", "/audit\n9", 1);
    let (done, report, said) = verify(broken.as_bytes());
    assert!(!done && said.contains("says nothing of the log"), "{said}");
    assert_eq!((&report["compared"], &report["intact"]), (&1.into(), &true.into()), "{report}");
    assert_eq!(report["unreadable"][0]["checkpoint"], 1);
    for empty in [&b""[..], b"\r\n \n", b"\xef\xbb\xbf"] {
        let (done, _, said) = verify(empty);
        assert!(!done && said.contains("is empty"), "{said}");
    }
    let (done, _, said) = verify(b"hello\n");
    assert!(!done && said.contains("says nothing of the log"), "{said}");
}
