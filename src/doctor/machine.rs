//! The machine: a clock that TOTP codes and certificates can rely on, and descriptors.

use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::process::{Resource, getrlimit};

use super::unit::Unit;
use super::{Case, Finding, PATIENCE, within};
use crate::clock::Timestamp;

/// Whether the clock can be right, and whether somebody keeps it so.
pub(super) fn clock(case: &Case<'_>) -> Vec<Finding> {
    let witnesses =
        [std::env::current_exe().ok(), Some(case.file.to_owned()), Some(case.config.data_dir.clone())];
    let written = witnesses.into_iter().flatten().filter_map(|path| modified(&path)).max();
    let sane = plausible(case.now, written);
    if case.system.is_booted() {
        return vec![sane, synchronized(within(PATIENCE, timedatectl).flatten())];
    }
    vec![sane]
}

fn plausible(now: Timestamp, written: Option<Timestamp>) -> Finding {
    let earliest = written.map_or(RELEASED, |written| written.max(RELEASED));
    // Files may come from a machine whose clock is a little ahead.
    if now.plus(std::time::Duration::from_secs(3600)) >= earliest {
        return Finding::ok("clock", "the clock is not behind the files here");
    }
    let hours = earliest.since(now).as_secs() / 3600;
    let what = format!("the clock is {hours} hours behind the files here");
    Finding::fail("clock", what, "set the clock; TOTP codes and certificates depend on it")
}

fn modified(path: &Path) -> Option<Timestamp> {
    let time = std::fs::metadata(path).ok()?.modified().ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_unix(i64::try_from(seconds).ok()?))
}

fn timedatectl() -> Option<String> {
    let arguments = ["show", "--property=NTPSynchronized", "--value"];
    let output = std::process::Command::new("timedatectl").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

fn synchronized(answer: Option<String>) -> Finding {
    let remedy = "timedatectl set-ntp true, or run chrony: a TOTP code is good for half a minute";
    match answer.as_deref().map(str::trim) {
        Some("yes") => Finding::ok("clock", "the clock is kept by NTP"),
        Some("no") => Finding::warn("clock", "nobody keeps the clock", remedy),
        _ => Finding::warn("clock", "the system does not say whether NTP keeps the clock", remedy),
    }
}

/// Whether every permitted connection can have its descriptors.
pub(super) fn descriptors(case: &Case<'_>) -> Vec<Finding> {
    // The unit's limit is the server's; that of this shell is only ours.
    let by_unit = Unit::of(case).and_then(|unit| unit.last("LimitNOFILE")?.rsplit(':').next()?.parse().ok());
    let limit = by_unit.unwrap_or_else(|| getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX));
    vec![enough(limit, case.config.limits.connections.get())]
}

fn enough(limit: u64, connections: usize) -> Finding {
    // A connection has its socket and at times a container; the rest is for stores and listeners.
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(256);
    let what = format!("{limit} open files are allowed, {wanted} are needed for {connections} connections");
    match limit >= wanted {
        true => Finding::ok("descriptors", what),
        false => Finding::warn(
            "descriptors",
            what,
            format!("LimitNOFILE={wanted} in the unit, or fewer [limits] connections"),
        ),
    }
}

/// 2026-11-01: no clock was right before this program existed.
const RELEASED: Timestamp = Timestamp::from_unix(1_793_491_200);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    #[test]
    fn a_clock_behind_its_files_is_wrong() {
        let written = RELEASED.plus(Duration::from_secs(86_400));
        assert_eq!(plausible(written, Some(written)).state, State::Ok);
        assert_eq!(plausible(RELEASED, Some(written)).state, State::Fail);
        assert_eq!(plausible(Timestamp::from_unix(0), None).state, State::Fail);
        assert_eq!(plausible(RELEASED, None).state, State::Ok);
        let mut fresh = Fresh::new();
        fresh.now = Timestamp::from_unix(1 << 40);
        assert_eq!(fresh.look(clock)[0].state, State::Ok);
    }

    #[test]
    fn timedatectl_is_understood() {
        let state = |answer: &str| synchronized(Some(answer.to_owned())).state;
        assert_eq!((state("yes\n"), state("no\n"), state("")), (State::Ok, State::Warn, State::Warn));
        assert_eq!(synchronized(None).state, State::Warn);
    }

    #[test]
    fn descriptors_must_suffice() {
        assert_eq!(enough(1024, 4096).state, State::Warn);
        assert_eq!(enough(524_288, 4096).state, State::Ok);
        assert_eq!(enough(u64::MAX, usize::MAX).state, State::Ok);
        let fresh = Fresh::new();
        fresh.install_unit();
        assert_eq!(fresh.look(descriptors)[0].state, State::Ok, "the unit's limit, not this shell's");
        fresh.system_file(
            "/etc/systemd/system/veilpost.service.d/l.conf",
            "[Service]\nLimitNOFILE=512:1024\n",
        );
        assert_eq!(fresh.look(descriptors)[0].state, State::Warn);
    }
}
