//! LMTP (RFC 2033): one reply for each addressee that was taken.

use crate::pop3::Pop3;
use crate::smtp::Smtp;
use crate::support::Server;

#[test]
fn each_addressee_has_a_reply_of_its_own() {
    let server = Server::demo();
    server.done(&["address", "add", "office@demo.example", "--user", server.fact("user")]);
    let mut session = Smtp::connect_lmtp(&server);
    assert!(session.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
    assert!(session.command("RCPT TO:<alice@demo.example>").starts_with("250"));
    assert!(session.command("RCPT TO:<nobody@demo.example>").starts_with("550 5.1.1"));
    assert!(session.command("RCPT TO:<alice+tag@demo.example>").starts_with("250"));
    assert!(session.command("RCPT TO:<office@demo.example>").starts_with("250"));
    let first = session.data(b"Subject: to all\r\n\r\nhello\r\n");
    let others = [session.reply(), session.reply()];
    assert!(
        first.starts_with("250") && others.iter().all(|reply| reply.starts_with("250")),
        "{first} {others:?}"
    );
    // The next command is answered by its own reply: there were no more and no fewer than three.
    assert!(session.command("QUIT").starts_with("221"));
    // All three lead to one mailbox, which takes the message once.
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 6 + 1);
}

#[test]
fn mail_for_nobody_known_has_no_data() {
    let server = Server::demo();
    let mut session = Smtp::connect_lmtp(&server);
    assert!(session.command("MAIL FROM:<>").starts_with("250"));
    assert!(session.command("RCPT TO:<nobody@demo.example>").starts_with("550 5.1.1"));
    assert!(session.command("DATA").starts_with("503"));
    assert!(session.command("RSET").starts_with("250"));
}
