//! One mailbox by several doors: what a client does over IMAP is seen over POP3, by other devices and by
//! the owner, and what a delete does is as the view's policy has it.

use crate::browser::Browser;
use crate::imap::Imap;
use crate::pop3::Pop3;
use crate::promise::entries;
use crate::smtp::deliver;
use crate::support::{Device, Server};

#[test]
fn a_message_read_and_filed_over_imap_is_so_for_every_door() {
    let server = Server::demo();
    let (laptop, phone) = (server.device("laptop"), server.device("phone"));
    let mut imap = Imap::inbox(&server, &laptop);
    let by_imap = imap.ask("FETCH 2 (RFC822)");
    imap.ask("STORE 2 +FLAGS (\\Flagged $Important)");
    let by_pop3 = Pop3::login(&server, &laptop).text(2);
    assert!(by_imap.contains(&by_pop3), "one view, one text");
    let mut other = Imap::inbox(&server, &phone);
    for key in ["SEEN", "FLAGGED", "KEYWORD $Important"] {
        assert_eq!(other.search(key), [2], "{key}");
    }
    // Shared are flags, not words.
    assert!(other.search("TEXT approved").is_empty());
    imap.ask("MOVE 2 Archive");
    assert_eq!(Pop3::login(&server, &laptop).count(), 5);
    assert_eq!(Pop3::login(&server, &phone).count(), 5);
    let told = other.ask("NOOP");
    assert!(told.contains("* 2 EXPUNGE"), "{told}");
    assert_eq!(other.status("Archive", "MESSAGES"), 1);
    server.unlock();
    assert_eq!(server.done(&["mail", "list"]).as_array().map(Vec::len), Some(6), "the owner has them all");
}

#[test]
fn the_owner_sees_in_the_dashboard_what_a_client_did() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "owner") else { return };
    browser.unlock(&server.code(), "to look");
    let subject = "A payment with your card";
    assert!(browser.get("/mail").shows(subject));
    let mut imap = Imap::inbox(&server, &server.device("laptop"));
    imap.ask("FETCH 2 (RFC822)");
    imap.ask("MOVE 2 Trash");
    assert!(!browser.get("/mail").shows(subject), "it is not in INBOX");
    assert!(browser.get("/mail?folder=trash").shows(subject), "it is in the trash");
    imap.ask("SELECT Trash");
    imap.ask("MOVE 1 INBOX");
    assert!(browser.get("/mail").shows(subject));
    let audit = serde_json::Value::from(entries(&server)).to_string();
    assert!(audit.contains("imap") && audit.contains("message_fetched"), "{audit}");
}

#[test]
fn hidden_by_one_device_is_there_for_the_others_and_the_owner() {
    let stage = Stage::new("hide");
    stage.delete();
    assert_eq!(stage.inbox(&stage.device), 0);
    assert_eq!(Pop3::login(&stage.server, &stage.device).count(), 0);
    assert_eq!(stage.inbox(&stage.server.device("laptop")), 7);
    assert_eq!(stage.trash(&stage.server.device("laptop")), 0);
    assert_eq!(stage.owned(), 7);
}

#[test]
fn thrown_away_by_one_device_is_in_the_trash_of_all() {
    let stage = Stage::new("trash");
    stage.delete();
    for device in [&stage.device, &stage.server.device("laptop")] {
        assert_eq!(stage.trash(device), 1);
    }
    assert_eq!(stage.inbox(&stage.server.device("laptop")), 6);
    assert_eq!(Pop3::login(&stage.server, &stage.server.device("laptop")).count(), 6);
    assert_eq!(stage.owned(), 7);
    // Purged there by the same view it is hidden from it, and stays for the others.
    let mut imap = Imap::login(&stage.server, &stage.device);
    imap.ask("SELECT Trash");
    imap.ask("STORE 1 +FLAGS (\\Deleted)");
    imap.ask("EXPUNGE");
    assert_eq!((stage.trash(&stage.device), stage.trash(&stage.server.device("laptop"))), (0, 1));
    assert_eq!(stage.owned(), 7);
}

#[test]
fn deleted_by_one_device_is_gone_for_everybody() {
    let stage = Stage::new("delete");
    stage.delete();
    assert_eq!((stage.inbox(&stage.device), stage.trash(&stage.device)), (0, 0));
    assert_eq!(stage.inbox(&stage.server.device("laptop")), 6);
    assert_eq!(Pop3::login(&stage.server, &stage.server.device("phone")).count(), 6);
    assert_eq!(stage.owned(), 6);
    let audit = serde_json::Value::from(entries(&stage.server)).to_string();
    assert!(audit.contains("message_removed"), "{audit}");
}

/// The demo with one more view, whose policy says what a delete does, and one message in it.
struct Stage {
    server: Server,
    device: Device,
}

impl Stage {
    fn new(on_delete: &str) -> Self {
        let server = Server::demo();
        let policy = format!(
            "version = 1\n[headers]\nshow = [\"Subject\"]\n[body]\ntext = \"omit\"\nhtml = \"omit\"\n[gateway]\non_delete = \"{on_delete}\"\n"
        );
        let recovery = server.fact("recovery_code").to_owned();
        server.load_policy("of-this-test", &policy, Some(&recovery)).expect("the policy loads");
        let device = server.create_view("test", "of-this-test");
        deliver(&server, server.fact("address"), "Subject: seventh\n\nwords\n");
        Self { server, device }
    }

    /// As clients do: marked, then purged.
    fn delete(&self) {
        let mut imap = Imap::inbox(&self.server, &self.device);
        assert_eq!(imap.search("ALL"), [1]);
        imap.ask("STORE 1 +FLAGS.SILENT (\\Deleted)");
        assert!(imap.ask("EXPUNGE").contains("* 1 EXPUNGE"));
    }

    fn inbox(&self, device: &Device) -> u64 {
        Imap::login(&self.server, device).status("INBOX", "MESSAGES")
    }

    fn trash(&self, device: &Device) -> u64 {
        Imap::login(&self.server, device).status("Trash", "MESSAGES")
    }

    fn owned(&self) -> usize {
        self.server.unlock();
        self.server.done(&["mail", "list"]).as_array().expect("a list").len()
    }
}
