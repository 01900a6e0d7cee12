//! The promise: mail comes out masked, its owner reads it whole, and the log shows both.

use serde_json::Value;

use crate::mail_folder::below_trace;
use crate::pop3::Pop3;
use crate::smtp::deliver;
use crate::support::Server;

#[test]
fn what_a_view_hides_its_owner_reads_and_the_log_shows_both() {
    let server = Server::demo();
    deliver(&server, server.fact("address"), MESSAGE);
    let whole = MESSAGE.replace('\n', "\r\n");

    let phone = Pop3::login(&server, &server.device("phone")).text(7);
    for hidden in ["Quarterly", "turnover", "Grand total", "Beatrice", "beatrice@firm.example"] {
        assert!(!phone.contains(hidden), "the phone shows {hidden}:\n{phone}");
    }
    assert!(phone.contains("Sealed message from firm.example"), "{phone}");
    let laptop = Pop3::login(&server, &server.device("laptop")).text(7);
    assert!(laptop.contains("Quarterly figures") && laptop.contains("turnover"), "{laptop}");
    assert!(!laptop.contains("Grand total") && !laptop.contains("4111 1111 1111 1111"), "{laptop}");

    server.unlock();
    let read = server.done(&["mail", "read", "7"]);
    assert_eq!(String::from_utf8_lossy(below_trace(&octets(&read))), whole);

    let entries = entries(&server);
    let acts: Vec<&str> = entries.iter().filter_map(|entry| entry["act"]["kind"].as_str()).collect();
    assert_eq!(acts.iter().filter(|act| **act == "message_fetched").count(), 2, "{acts:?}");
    assert_eq!(acts.iter().filter(|act| **act == "message_revealed").count(), 1, "{acts:?}");
    let id = read["id"].as_str().expect("an identifier");
    assert_eq!(entries.iter().filter(|entry| entry["act"]["message"] == id).count(), 3);
    assert_eq!(server.done(&["audit", "verify", server.fact("tenant")])["intact"], true);
}

#[test]
fn receipts_check_without_the_server() {
    let server = Server::demo();
    server.unlock();
    let read = server.done(&["mail", "read", "1"]);
    let key = server.done(&["audit", "verify", "demo"])["verifier_key"].as_str().expect("a key").to_owned();
    let receipt = read["receipt"].as_str().expect("a receipt comes with the message").to_owned();
    let again = server.done(&["audit", "receipt", "demo", &read["entry"].to_string()]);
    let file = server.scratch().join("receipt");
    for text in [&receipt, again.as_str().expect("a receipt")] {
        std::fs::write(&file, text).expect("a file");
        let checked = check(&server, &key).expect("the receipt holds");
        assert_eq!(checked["act"]["kind"], "message_revealed");
        assert_eq!(checked["act"]["message"], read["id"]);
    }
    std::fs::write(&file, receipt.replacen("message_revealed", "message_received", 1)).expect("a file");
    check(&server, &key).expect_err("a changed receipt does not hold");
}

/// Without a socket to any server.
fn check(server: &Server, key: &str) -> Result<Value, Value> {
    let file = server.scratch().join("receipt").display().to_string();
    let nowhere = [("VEILPOST_SOCKET", "/nonexistent")];
    server.run_with(&["audit", "check-receipt", &file, "--verifier-key", key], &nowhere)
}

/// The octets of a message that was read.
pub fn octets(read: &Value) -> Vec<u8> {
    let text = read["message"].as_str().expect("a message");
    data_encoding::BASE64.decode(text.as_bytes()).expect("base64")
}

/// The demo tenant's audit log.
pub fn entries(server: &Server) -> Vec<Value> {
    let output = server.command(&["audit", "export", "demo", "--jsonl"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

const MESSAGE: &str = "\
From: Beatrice <beatrice@firm.example>
To: alice@demo.example
Date: Thu, 12 Nov 2026 10:00:00 +0000
Message-ID: <quarter@firm.example>
Subject: Quarterly figures

Hello Alice,
turnover was as we had hoped.
Paid with 4111 1111 1111 1111.
three
four
five
six
Grand total below.
";
