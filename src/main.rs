//! The `veilpost` program: reads the command line, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Whatever this program writes is for its own user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    veilpost::cli::run()
}
