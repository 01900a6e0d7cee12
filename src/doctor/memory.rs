//! Memory: whether what the configuration lets the server take is there, and within the unit's bound.

use super::unit::Unit;
use super::{Case, Finding};

/// The budgets of the configuration against the machine's memory and the unit's MemoryMax.
pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let wanted = case.config.limits.memory_in_flight.saturating_add(BESIDE);
    let text = std::fs::read_to_string(case.system.at("/proc/meminfo")).unwrap_or_default();
    let machine = total(&text).map(|total| (total, "this machine has"));
    let unit = Unit::of(case);
    let bound =
        unit.as_ref().and_then(|unit| size(unit.last("MemoryMax")?)).map(|max| (max, "the unit allows"));
    machine.into_iter().chain(bound).min().map(|there| judge(wanted, there)).into_iter().collect()
}

fn judge(wanted: u64, (there, whose): (u64, &str)) -> Finding {
    let mb = |octets: u64| octets / 1_000_000;
    let what = format!("{whose} {} MB of memory; the server takes up to {} MB", mb(there), mb(wanted));
    match wanted <= there {
        true => Finding::ok(CHECK, what),
        false => {
            let fits = mb(there.saturating_sub(BESIDE)).max(64);
            let remedy = format!("[limits] memory_in_flight = \"{fits} MB\", or give it more");
            Finding::warn(CHECK, format!("{what}, and is killed beyond it"), remedy)
        }
    }
}

/// proc_meminfo(5): kibibytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// systemd.resource-control(5): octets, with K, M, G or T to the base of 1024. Shares and "infinity" are none.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let power = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << power)
}

/// Beside mail under way: containers being read (256 MiB), pictures of mailboxes, stores, the program.
const BESIDE: u64 = 384 * 1024 * 1024;
const CHECK: &str = "memory";

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    #[test]
    fn budgets_are_held_against_machine_and_unit() {
        let mut fresh = Fresh::new();
        assert!(fresh.look(check).is_empty(), "nothing is known");
        let state = |fresh: &Fresh| fresh.look(check)[0].state;
        fresh.system_file("/proc/meminfo", "MemTotal:        4000000 kB\nMemFree: 1 kB\n");
        assert_eq!(state(&fresh), State::Ok);
        fresh.system_file("/proc/meminfo", "MemTotal:         500000 kB\n");
        assert_eq!(state(&fresh), State::Warn);
        fresh.config.limits.memory_in_flight = 100_000_000;
        assert_eq!(state(&fresh), State::Ok);
        fresh.install_unit();
        fresh.system_file("/etc/systemd/system/veilpost.service.d/m.conf", "[Service]\nMemoryMax=256M\n");
        assert_eq!(state(&fresh), State::Warn);
        assert!(fresh.look(check)[0].what.contains("the unit allows 268 MB"));
    }

    #[test]
    fn sizes_of_units_are_understood() {
        assert_eq!(
            (size("2G"), size("100"), size("infinity"), size("50%")),
            (Some(2 << 30), Some(100), None, None)
        );
    }
}
