//! The process's own figures, read from `/proc/self` (proc(5)) when somebody asks.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Memory, processor time and descriptors; a figure the system does not tell stays as it was.
#[derive(Clone, Default)]
pub(super) struct Gauges {
    resident_bytes: Gauge,
    cpu_seconds: Counter<f64, AtomicU64>,
    open_files: Gauge,
}

impl Gauges {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register("process_resident_memory_bytes", "Memory in use", self.resident_bytes.clone());
        all.register("process_cpu_seconds", "Processor time used", self.cpu_seconds.clone());
        all.register("process_open_fds", "Open descriptors", self.open_files.clone());
    }

    pub(super) fn refresh(&self) {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        if let Some(bytes) = read("status").and_then(|text| resident(&text)) {
            self.resident_bytes.set(bytes);
        }
        if let Some(seconds) = read("stat").and_then(|text| cpu(&text)) {
            self.cpu_seconds.inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
        }
    }
}

fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn cpu(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets and may hold blanks and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u32>().ok());
    Some((f64::from(times.next()?) + f64::from(times.next()?)) / TICKS)
}

/// Clock ticks a second that Linux shows to programs (USER_HZ), whatever it uses itself.
const TICKS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1_263_616));
        assert_eq!(resident("VmRSS:\t lots\n"), None);
        let stat = "1 (a) b (c) S 1 1 1 0 -1 4194560 100 200 0 0 150 50 0 0 20 0 1 0 5 1 1";
        assert_eq!(cpu(stat), Some(2.0));
        assert_eq!(cpu("1 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_some() {
        let gauges = Gauges::default();
        gauges.refresh();
        assert!(gauges.resident_bytes.get() > 1024 * 1024);
        assert!(gauges.open_files.get() > 2);
    }
}
