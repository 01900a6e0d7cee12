//! The trace: diagnostic lines on standard error, for operators. It is not the audit log.
//!
//! The rule, for every `tracing` call in this crate: a line carries identifiers (`names`), counts, sizes,
//! times, file paths and error kinds. It never carries a mail address, a host name of a peer, a
//! login name, a header, a subject, any content, or a key. Two kinds of line carry the address of a peer in
//! the network, because they are useless without: `veilpost::mail`, one for each addressee of each message,
//! with keyed tokens in the place of mail addresses (`pipeline`), and `veilpost::login`, one for each refused
//! login (`vault::logins`). An error that is traced keeps the same rule in its `Display`. What libraries trace is not ours to promise, so it is left out; and a panic is told
//! by its place alone, because its message may quote the text that caused it.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Log, LogFormat, LogLevel};

/// Another trace was started before in this process.
#[derive(Debug, thiserror::Error)]
#[error("the trace was started twice")]
pub struct AlreadyStarted;

/// Starts the trace of this process, panics included. Called once, by `main`.
pub fn start(settings: &Log) -> Result<(), AlreadyStarted> {
    let look = Look { colour: wants_colour(&std::io::stderr()), time: !under_journal() };
    let subscriber = subscriber(settings, look, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| AlreadyStarted)?;
    std::panic::set_hook(Box::new(trace_panic));
    Ok(())
}

/// Whether to write colours to `stream`: to a terminal, unless NO_COLOR (no-color.org) is set.
pub fn wants_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How text lines look.
struct Look {
    colour: bool,
    time: bool,
}

fn subscriber<W>(settings: &Log, look: Look, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // It would complain on standard error, and panic where nobody reads that either.
    let lines = tracing_subscriber::fmt::layer().log_internal_errors(false);
    let lines = lines.with_writer(writer).with_ansi(look.colour);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match (settings.format, look.time) {
        (LogFormat::Json, _) => Box::new(lines.json().flatten_event(true)),
        (LogFormat::Text, true) => Box::new(lines),
        (LogFormat::Text, false) => Box::new(lines.without_time()),
    };
    tracing_subscriber::registry().with(lines.with_filter(ours_only(settings.level)))
}

fn ours_only(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    EnvFilter::new(format!("off,{}={level}", env!("CARGO_CRATE_NAME")))
}

fn trace_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location();
    let (file, line) = place.map_or(("unknown", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "panic: a task ended where this program is wrong; please report the place");
}

/// systemd.exec(5): set when standard error goes to the journal, which knows the time itself.
fn under_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn traced(format: LogFormat, level: LogLevel, act: impl FnOnce()) -> String {
        let written = Written::default();
        let make = written.clone();
        let look = Look { colour: false, time: false };
        let subscriber = subscriber(&Log { format, level }, look, move || make.clone());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = written.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn json_lines_are_objects() {
        let text = traced(LogFormat::Json, LogLevel::Info, || tracing::info!(count = 3, "sealed"));
        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!((&line["count"], &line["message"]), (&3.into(), &"sealed".into()));
        assert!(line["timestamp"].is_string());
    }

    /// In a process of its own, because the hook is the process's.
    #[test]
    fn a_panic_is_told_by_its_place_alone() {
        const CHILD: &str = "VEILPOST_TEST_PANIC";
        if std::env::var_os(CHILD).is_some() {
            start(&Log::default()).expect("the first one here");
            let ended = std::thread::spawn(|| panic!("Subject: secret")).join();
            return assert!(ended.is_err());
        }
        let this = std::env::current_exe().expect("a test binary");
        let output = std::process::Command::new(this)
            .args(["--exact", "trace::tests::a_panic_is_told_by_its_place_alone", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert!(told.contains("src/trace.rs") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn the_level_holds_and_libraries_are_silent() {
        let text = traced(LogFormat::Text, LogLevel::Warn, || {
            tracing::warn!("kept");
            tracing::info!("below the level");
            tracing::error!(target: "hyper::proto", "of a library");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("kept"));
    }
}
