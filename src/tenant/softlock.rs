//! The soft lock: failed attempts make the next one wait, ever longer, never for good.
//!
//! ```text
//!            failure (1..FREE)            failure
//!   open ─────────────────────▶ open ─────────────▶ waiting(until)
//!     ▲                                                  │ time passes
//!     └──────────────── success ◀──── attempt ◀──────────┘ (a failure doubles the wait)
//! ```
//!
//! An attempt is written down as a failure before it is looked at, and wiped out by success, so
//! that killing the server in between wins nothing. Time is an argument.

use std::time::Duration;

use super::rows::SoftlockRow;
use crate::clock::Timestamp;

/// Says whether an attempt at `now` is looked at; if not, how long to wait.
pub fn admit(row: &SoftlockRow, now: Timestamp) -> Result<(), Duration> {
    let wait = Timestamp::from_unix(row.until).since(now);
    // A clock that jumped back must not lock anybody out for longer than the longest wait.
    if wait.is_zero() || wait > LONGEST { Ok(()) } else { Err(wait) }
}

/// The row after one more failure at `now`.
pub fn after_failure(row: &SoftlockRow, now: Timestamp) -> SoftlockRow {
    let failures = row.failures.saturating_add(1);
    SoftlockRow { failures, until: now.plus(wait_after(failures)).unix() }
}

/// How long the next attempt waits after so many failures in a row.
fn wait_after(failures: u32) -> Duration {
    let doublings = failures.checked_sub(FREE).map_or(0, |beyond| (beyond + 1).min(10));
    if doublings == 0 { Duration::ZERO } else { (FIRST * 2_u32.pow(doublings - 1)).min(LONGEST) }
}

/// Failures that cost no wait: people mistype.
const FREE: u32 = 4;
/// The first wait; it doubles with every further failure.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait: six guesses of a code an hour, so that a million codes take 19 years.
const LONGEST: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn failed(times: u32) -> SoftlockRow {
        (0..times).fold(SoftlockRow::default(), |row, _| after_failure(&row, NOW))
    }

    #[test]
    fn the_first_failures_are_free_then_waits_double() {
        assert_eq!(admit(&failed(3), NOW), Ok(()));
        assert_eq!(admit(&failed(4), NOW), Err(Duration::from_secs(5)));
        assert_eq!(admit(&failed(5), NOW), Err(Duration::from_secs(10)));
        assert_eq!(admit(&failed(6), NOW), Err(Duration::from_secs(20)));
        assert_eq!(admit(&failed(4), NOW.plus(Duration::from_secs(5))), Ok(()));
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        assert_eq!(admit(&failed(400), NOW), Err(LONGEST));
    }

    #[test]
    fn a_clock_that_jumped_back_locks_nobody_out() {
        let years_back = Timestamp::from_unix(NOW.unix() - 100_000_000);
        assert_eq!(admit(&failed(400), years_back), Ok(()));
    }
}
