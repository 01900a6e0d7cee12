//! The clock jumps, back and forth, under the running server (libfaketime).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use veilpost::clock::Clock;

use super::clients::{ADDRESS, Way};
use super::letters::{letter, number};
use super::world::{SAMPLES, Server, World, skip, words};

const DAY: i64 = 86_400;

#[test]
fn a_clock_that_jumps_stops_nothing() {
    let Some(library) = library() else {
        return skip("the clock test needs libfaketime (Debian package faketime)");
    };
    let mut world = World::new();
    world.configure("[unlock]\nminutes = 5\n");
    let setting = world.root.with_extension("clock");
    let jump = |seconds: i64| {
        // Replaced whole: the server reads it at any moment.
        fs::write(setting.with_extension("new"), format!("{seconds:+}s\n")).expect("written");
        fs::rename(setting.with_extension("new"), &setting).expect("renamed");
    };
    jump(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_veilpost"));
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &setting).env("FAKETIME_NO_CACHE", "1");
    // Timeouts and schedules go by the monotonic clock, which does not jump.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut server = world.serve_by(command);
    let mut letters = 0;
    let mut mail_flows = |server: &Server| {
        letters += 1;
        let reply = server.sender(Way::Lmtp).deliver(&letter(letters, 200)).expect("it answers");
        assert!(reply.starts_with("250"), "{reply}");
        let served = server.fetch_all(&world, "everything");
        let numbers: Vec<_> = served.iter().flatten().filter_map(|message| number(message)).collect();
        assert_eq!((served.len(), numbers), (SAMPLES + letters as usize, (1..=letters).collect()));
    };
    world.unlock();
    assert!(world.run(&["mail", "list"]).status.success(), "the session is open");
    for seconds in [DAY, 400 * DAY, 0, -DAY] {
        jump(seconds);
        mail_flows(&server);
        let over = world.run(&["mail", "list"]);
        assert_eq!(over.status.code(), Some(1), "the session ended with its time, or with the clock");
        let now = Clock::system().now().unix() + seconds;
        // When the clock comes back, the code of that moment may have been used already.
        let code = if seconds == 0 { world.code() } else { world.code_at(now.unsigned_abs()) };
        // A code that was used while the clock was ahead bars itself, and none of those before it.
        let unlock = world.run(&["unlock", ADDRESS, "--code", &code]);
        assert!(unlock.status.success(), "{seconds}: {}", words(&unlock));
        assert!(world.run(&["mail", "list"]).status.success());
        let again = world.run(&["unlock", ADDRESS, "--code", &code]);
        assert!(!again.status.success() && words(&again).contains("used before"), "{}", words(&again));
    }
    let renewed = world.json(&["user", "totp", ADDRESS, "--recovery"]);
    world.facts.totp_seed = renewed["totp_seed"].as_str().expect("a seed").to_owned();
    let now = Clock::system().now().unix() - DAY;
    let unlock = world.run(&["unlock", ADDRESS, "--code", &world.code_at(now.unsigned_abs())]);
    assert!(unlock.status.success(), "{}", words(&unlock));
    world.audited();
    server.is_well();
}

fn library() -> Option<PathBuf> {
    let folders =
        ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];
    folders.iter().map(|folder| Path::new(folder).join("libfaketime.so.1")).find(|library| library.exists())
}
