//! The command line's own memory: whose session a command uses, what it leaves behind, and what
//! `doctor` says of a server that is right, stopped, running, or broken.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Server;

const PASSWORD: &str = "four plain words here";

/// Bob of the tenant firm, beside Alice of the demo; his TOTP seed.
fn with_bob(server: &Server) -> String {
    let create = ["tenant", "create", "firm", "--address", "bob@firm.example"];
    let made = server.run_with(&create, &[("VEILPOST_NEW_PASSWORD", PASSWORD)]).expect("a tenant");
    made["user"]["totp_seed"].as_str().expect("a seed").to_owned()
}

fn unlock_bob(server: &Server, seed: &str) {
    let code = server.code_of(seed);
    let secret = [("VEILPOST_PASSWORD", PASSWORD)];
    server.run_with(&["unlock", "bob@firm.example", "--code", &code], &secret).expect("Bob unlocks");
}

fn sessions(server: &Server) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let list = server.done(&["sessions"]);
    list.as_array().expect("a list").iter().map(|item| (text(item, "login"), text(item, "state"))).collect()
}

fn unlocked(server: &Server) -> u64 {
    server.done(&["status"])["unlocked"].as_u64().expect("a count")
}

fn messages(answer: &Value) -> usize {
    answer.as_array().expect("a list").len()
}

#[test]
fn another_login_is_obeyed_or_refused_and_never_ignored() {
    let server = Server::demo();
    let seed = with_bob(&server);
    server.unlock();
    let error = server.run(&["mail", "list", "--as", "bob@firm.example"]).expect_err("Bob has no session");
    let said = error["message"].as_str().expect("a sentence");
    assert!(said.contains("no session of bob@firm.example") && said.contains("alice@demo.example"), "{said}");
    let by_variable = [("VEILPOST_USER", "bob@firm.example")];
    server.run_with(&["mail", "list"], &by_variable).expect_err("the variable counts as the flag");
    unlock_bob(&server, &seed);
    assert_eq!(messages(&server.done(&["mail", "list", "--as", "bob@firm.example"])), 0);
    assert_eq!(messages(&server.done(&["mail", "list", "--as", "Alice@Demo.Example"])), 6);
    let error = server.run(&["mail", "list"]).expect_err("whose mail is meant?");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--as")), "{error}");
    // What was refused for another reason ends no session.
    server.run(&["user", "totp", "alice@demo.example", "--as", "bob@firm.example"]).expect_err("not hers");
    assert_eq!(sessions(&server).len(), 2);
    let error = server.run(&["lock"]).expect_err("which one?");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--all")), "{error}");
    server.done(&["lock", "bob@firm.example"]);
    assert_eq!(sessions(&server), [("alice@demo.example".to_owned(), "open".to_owned())]);
    assert_eq!((messages(&server.done(&["mail", "list"])), unlocked(&server)), (6, 1));
    server.run(&["lock", "bob@firm.example"]).expect_err("his is over");
    unlock_bob(&server, &seed);
    let locked = server.done(&["lock", "--all"]);
    assert_eq!(locked["logins"].as_array().map(Vec::len), Some(2));
    assert_eq!((sessions(&server).len(), unlocked(&server)), (0, 0));
}

#[test]
fn a_single_read_leaves_no_session_behind() {
    let server = Server::demo();
    let user = server.fact("user").to_owned();
    let code = server.code();
    server.done(&["mail", "read", "1", "--as", &user, "--code", &code]);
    assert_eq!((sessions(&server).len(), unlocked(&server)), (0, 0));
    server.run(&["mail", "list"]).expect_err("nothing is open");
    let code = server.code();
    server
        .run_with(&["mail", "read", "99", "--as", &user], &[("VEILPOST_CODE", &code)])
        .expect_err("no such mail");
    assert_eq!((sessions(&server).len(), unlocked(&server)), (0, 0), "nor does one that fails");
    server.unlock();
    server.unlock();
    assert_eq!(unlocked(&server), 1, "the same person's older session is ended");
    server.done(&["mail", "read", "1"]);
    server.run(&["mail", "read", "1", "--code", "000000"]).expect_err("who gives a code wants it to count");
    assert_eq!(unlocked(&server), 1, "and a wrong one ends nothing");
    let folder = server.scratch().join("runtime/veilpost/sessions");
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path()).collect();
    let mode = |path: &PathBuf| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(files.iter().map(mode).collect::<Vec<_>>(), [0o600]);
}

#[test]
fn sessions_are_each_servers_own_and_end_in_plain_words() {
    let mut one = Server::demo();
    let other = Server::demo();
    one.unlock();
    let runtime = one.scratch().join("runtime");
    let mut listing = other.command(&["mail", "list"]);
    let output = listing.env("XDG_RUNTIME_DIR", &runtime).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no session is open"), "the other server has none: {said}");
    assert_eq!(messages(&one.done(&["mail", "list"])), 6, "and the first one's is untouched");
    one.restart();
    let error = one.run(&["mail", "list"]).expect_err("it ended with the server");
    assert!(error["message"].as_str().is_some_and(|said| said.contains("is over")), "{error}");
    // The one file of version 0.1: adopted by the server that knows it.
    one.unlock();
    let folder = runtime.join("veilpost");
    let kept =
        std::fs::read_dir(folder.join("sessions")).expect("there").flatten().next().expect("one").path();
    let text: Value = serde_json::from_slice(&std::fs::read(&kept).expect("ours")).expect("JSON");
    std::fs::write(folder.join("session"), text["session"].as_str().expect("a token")).expect("writes");
    std::fs::remove_file(&kept).expect("ours");
    assert_eq!(messages(&one.done(&["mail", "list"])), 6);
    assert!(kept.exists() && !folder.join("session").exists());
}

/// The findings that are not in order, as `check: state`.
fn odd(server: &Server) -> Vec<String> {
    let output =
        server.command(&["doctor", "--json", "--config", server.fact("config")]).output().expect("runs");
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let all = findings.as_array().expect("a list");
    let bad = all.iter().filter(|finding| finding["state"] != "ok");
    // The resolver, memory and service manager are the machine's that tests run on.
    let ours = bad.filter(|finding| {
        !["name", "memory", "unit", "clock", "descriptors"]
            .contains(&finding["check"].as_str().unwrap_or_default())
    });
    ours.map(|finding| format!("{}: {} ({})", finding["check"], finding["what"], finding["do_this"]))
        .collect()
}

#[test]
fn doctor_is_content_with_a_right_server_and_names_what_is_wrong() {
    let mut server = Server::demo();
    assert_eq!(odd(&server), [""; 0], "while it runs");
    server.restart();
    assert_eq!(odd(&server), [""; 0], "after a restart");
    let key = PathBuf::from(server.fact("config")).with_file_name("keys").join("root.key");
    let right = std::fs::read(&key).expect("the key");
    std::fs::write(&key, [7; 32]).expect("replaced");
    let found = odd(&server);
    assert!(
        found.len() == 1 && found[0].contains("not the one that"),
        "a running server hides nothing: {found:?}"
    );
    server.end();
    let found = odd(&server);
    assert!(found.len() == 1 && found[0].contains("not the one that"), "{found:?}");
    let output = server.command(&["serve", "--config", server.fact("config")]).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("put back the copy of that key"), "{said}");
    std::fs::write(&key, right).expect("put back");
    assert_eq!(odd(&server), [""; 0], "stopped, and in order");
    let data = PathBuf::from(server.fact("data_dir"));
    for part in ["ledger", "blobs"] {
        std::fs::rename(data.join(part), data.join("elsewhere")).expect("ours");
        let found = odd(&server);
        assert!(found.iter().any(|finding| finding.contains(&format!("{part} is gone"))), "{found:?}");
        let output = server.command(&["serve", "--config", server.fact("config")]).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("nothing was changed"), "{said}");
        std::fs::rename(data.join("elsewhere"), data.join(part)).expect("put back");
    }
    assert_eq!(odd(&server), [""; 0], "whole again");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("ours");
    let found = odd(&server);
    assert!(found.iter().any(|finding| finding.contains("chmod 600")), "{found:?}");
    assert!(found.iter().all(|finding| !finding.contains("backup")), "{found:?}");
}
