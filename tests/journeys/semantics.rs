//! POP3 over weeks: deletions, several sessions of one view, identifiers that stay (design law 6).

use crate::pop3::Pop3;
use crate::smtp::deliver;
use crate::support::Server;

#[test]
fn a_deletion_hides_from_one_view_only_and_outlives_a_restart() {
    let mut server = Server::demo();
    let (phone, laptop) = (server.device("phone"), server.device("laptop"));
    let mut session = Pop3::login(&server, &phone);
    let before = session.uidl();
    session.command("DELE 2").expect("a message of the view");
    session.command("DELE 5").expect("a message of the view");
    session.command("RETR 2").expect_err("deleted");
    session.quit();
    let kept: Vec<String> = [0, 2, 3, 5].map(|place: usize| before[place].clone()).into();

    assert_eq!(Pop3::login(&server, &phone).uidl(), kept);
    assert_eq!(Pop3::login(&server, &laptop).count(), 6);
    server.restart();
    assert_eq!(Pop3::login(&server, &phone).uidl(), kept);
    assert_eq!(Pop3::login(&server, &laptop).count(), 6);
    server.unlock();
    assert_eq!(server.done(&["mail", "list"]).as_array().map(Vec::len), Some(6));
}

#[test]
fn deletions_hold_from_quit_on_and_not_after_rset_or_a_broken_connection() {
    let server = Server::demo();
    let phone = server.device("phone");
    let mut session = Pop3::login(&server, &phone);
    session.command("DELE 1").expect("a message");
    session.command("RSET").expect("RSET");
    session.quit();
    let mut session = Pop3::login(&server, &phone);
    session.command("DELE 1").expect("a message");
    drop(session);
    assert_eq!(Pop3::login(&server, &phone).count(), 6);
}

#[test]
fn the_trash_policy_moves_the_message_for_everyone_and_its_owner_still_reads_it() {
    let server = Server::demo();
    // The shipped policy whose client means its deletions.
    let desk = server.create_view("desk", "everything");
    deliver(&server, server.fact("address"), "Subject: one\n\nfirst\n");
    deliver(&server, server.fact("address"), "Subject: two\n\nsecond\n");

    let mut session = Pop3::login(&server, &desk);
    session.command("DELE 1").expect("a message");
    session.quit();
    assert!(Pop3::login(&server, &desk).text(1).contains("second"));
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 7);
    server.unlock();
    let listed = server.done(&["mail", "list"]);
    let trashed =
        listed.as_array().expect("a list").iter().find(|item| item["uid"] == 7).expect("the message");
    assert_eq!((&trashed["trashed"], &trashed["subject"]), (&true.into(), &"one".into()));
}

#[test]
fn several_sessions_of_one_view_do_not_disturb_each_other() {
    let server = Server::demo();
    let phone = server.device("phone");
    let mut sessions: Vec<Pop3> = (0..4).map(|_| Pop3::login(&server, &phone)).collect();
    let first = sessions[0].retr(1);
    for session in &mut sessions {
        assert_eq!(session.count(), 6);
        assert_eq!(session.retr(1), first);
        session.command("DELE 1").expect("a message");
    }
    // Mail that comes meanwhile is not in the list of a session that runs (RFC 1939 §8).
    deliver(&server, server.fact("address"), "Subject: later\n\nlater\n");
    assert_eq!(sessions[3].count(), 5);
    sessions.into_iter().for_each(Pop3::quit);
    assert_eq!(Pop3::login(&server, &phone).count(), 6);
}

#[test]
fn identifiers_stay_over_restarts_and_differ_between_views() {
    let mut server = Server::demo();
    let (phone, laptop) = (server.device("phone"), server.device("laptop"));
    let (of_phone, of_laptop) = (Pop3::login(&server, &phone).uidl(), Pop3::login(&server, &laptop).uidl());
    assert!(of_phone.iter().all(|id| !of_laptop.contains(id)));
    let content = Pop3::login(&server, &phone).retr(4);
    server.restart();
    assert_eq!(Pop3::login(&server, &phone).uidl(), of_phone);
    assert_eq!(Pop3::login(&server, &laptop).uidl(), of_laptop);
    assert_eq!(Pop3::login(&server, &phone).retr(4), content);
    deliver(&server, server.fact("address"), "Subject: new\n\nnew\n");
    let now = Pop3::login(&server, &phone).uidl();
    assert_eq!(now[..6], of_phone[..]);
    assert!(!of_phone.contains(&now[6]));
}
