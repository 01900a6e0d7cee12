//! When to ask for a certificate. Pure: times and chance are arguments.

use std::time::Duration;

use crate::clock::Timestamp;

/// When to renew what is valid from `from` until `until`: with a third of its life left, up to a
/// thirtieth earlier as `chance` (0 to 1) has it, so that not every server comes at once.
pub(super) fn renewal(from: Timestamp, until: Timestamp, chance: f64) -> Timestamp {
    let life = until.since(from);
    from.plus(life.mul_f64(2.0 / 3.0 - chance.clamp(0.0, 1.0) / 30.0))
}

/// How long to wait after `failures` in a row: 5 minutes doubled up to 6 hours, a tenth more or less by
/// `chance`. Four attempts in the first hour stay below Let's Encrypt's limit of five failed validations.
pub(super) fn backoff(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(0.9 + chance.clamp(0.0, 1.0) / 5.0)
}

/// Between two certificates, even if the authority's expire at once.
pub(super) const LEAST_PAUSE: Duration = Duration::from_secs(3600);
const FIRST_PAUSE: Duration = Duration::from_secs(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn ninety_days_are_renewed_after_sixty() {
        let (from, until) = (Timestamp::from_unix(0), Timestamp::from_unix(90 * DAY));
        assert_eq!(renewal(from, until, 0.0).unix() / DAY, 60);
        assert_eq!(renewal(from, until, 1.0).unix() / DAY, 57);
        assert_eq!(renewal(until, from, 0.5), until, "a validity that ends before it starts is due at once");
    }

    #[test]
    fn pauses_double_up_to_six_hours() {
        let minutes: Vec<u64> = (1..9).map(|failures| backoff(failures, 0.5).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360]);
    }

    proptest! {
        #[test]
        fn a_renewal_is_within_the_life(from in 0_i64..1 << 40, life in 1_i64..1 << 32, chance in -1.0..2.0) {
            let (from, until) = (Timestamp::from_unix(from), Timestamp::from_unix(from + life));
            let due = renewal(from, until, chance);
            prop_assert!(from <= due && due < until);
        }

        #[test]
        fn a_pause_is_never_short_nor_endless(failures: u32, chance in -1.0..2.0) {
            let pause = backoff(failures, chance);
            prop_assert!(pause >= FIRST_PAUSE.mul_f64(0.89) && pause <= LONGEST_PAUSE.mul_f64(1.11));
        }
    }
}
