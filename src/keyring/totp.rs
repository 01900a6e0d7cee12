//! TOTP (RFC 6238): the second factor, and the share of the user slot's key that it releases.
//!
//! A code is good for one time step on either side of now and a step is good once (RFC 6238 §5.2).
//! A code of another time of the day is told apart from a wrong one: then a clock is off (§6).
//! Keeps no state: the caller stores the used step durably before it asks for the share.

use subtle::ConstantTimeEq;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::KeyringError;
use super::secret::secret_bytes;
use crate::clock::Timestamp;

secret_bytes! {
    /// The secret that the user's authenticator holds too: 160 bits, as RFC 4226 §4 recommends.
    TotpSeed, 20
}
secret_bytes! {
    /// Half of the user slot's key; released for a valid code.
    TotpShare, 32
}

impl TotpSeed {
    /// The `otpauth://` URI of an enrolment, for a QR code. Neither name may hold a colon.
    pub fn enrolment_uri(&self, issuer: &str, account: &str) -> Result<Zeroizing<String>, KeyringError> {
        let totp = self.builder().with_issuer(Some(issuer)).with_account_name(account);
        let totp = totp.build().map_err(|_| KeyringError::Form)?;
        totp.to_url().map(Zeroizing::new).map_err(|_| KeyringError::Form)
    }

    /// Checks six digits at `now`, as people type them; `used` are the steps that count no more. Tries
    /// every step of the window in the same time, whichever matches.
    pub fn check(&self, code: &str, now: Timestamp, used: UsedSteps<'_>) -> CodeCheck<u64> {
        let (Some(code), Ok(now)) = (parse(code), u64::try_from(now.unix())) else { return CodeCheck::Wrong };
        let (now, totp) = (now / STEP, self.builder().build_noncompliant());
        let matches = |step: u64| bool::from(digits(&totp, step).ct_eq(&code));
        let mut found = CodeCheck::Wrong;
        for step in now.saturating_sub(SKEW)..=now.saturating_add(SKEW) {
            match matches(step) {
                true if used.is_fresh(step, now) => found = CodeCheck::Fresh(step),
                true if matches!(found, CodeCheck::Wrong) => found = CodeCheck::Used,
                _ => {}
            }
        }
        if matches!(found, CodeCheck::Wrong) { elsewhen(now, used, matches) } else { found }
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .with_secret(totp_rs::Secret::new(self.expose().as_slice().into()))
            .with_digits(DIGITS as u8)
            .with_step_duration(STEP)
    }
}

/// What a code is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCheck<T> {
    /// It is valid now, and was not used.
    Fresh(T),
    /// It is valid now, or was, and was used.
    Used,
    /// It belongs to another time: the clock of the phone, or of this machine, is off.
    Elsewhen {
        /// The step of the code.
        step: u64,
        /// How far the phone is ahead, in seconds; behind is negative.
        ahead: i64,
    },
    /// It is none of ours.
    Wrong,
}

/// Which steps count no more.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsedSteps<'a> {
    /// The newest one that was used.
    pub last: Option<u64>,
    /// Those that were used lately, or told to belong to a time to come.
    pub recent: &'a [u64],
}

impl UsedSteps<'_> {
    /// Whether a code of this step counts while the clock is at step `now`. A newest step that lies
    /// beyond the window was used while the clock was ahead: it bars itself and none before it.
    fn is_fresh(&self, step: u64, now: u64) -> bool {
        let last = self.last.filter(|last| *last <= now.saturating_add(SKEW));
        last.is_none_or(|last| step > last) && self.last != Some(step) && !self.recent.contains(&step)
    }
}

/// Looks for the code at other times, nearest first: what a phone with a wrong clock or a wrong time
/// zone shows (RFC 6238 §6).
fn elsewhen(now: u64, used: UsedSteps<'_>, matches: impl Fn(u64) -> bool) -> CodeCheck<u64> {
    let far = SKEW + 1..=FAR;
    let mut steps = far.flat_map(|away| [now.checked_sub(away), now.checked_add(away)]).flatten();
    match steps.find(|step| matches(*step)) {
        Some(step) if used.last == Some(step) || used.recent.contains(&step) => CodeCheck::Used,
        Some(step) => {
            let steps = i64::try_from(step).unwrap_or(i64::MAX) - i64::try_from(now).unwrap_or(i64::MAX);
            CodeCheck::Elsewhen { step, ahead: steps.saturating_mul(STEP as i64) }
        }
        None => CodeCheck::Wrong,
    }
}

/// Proof that a code of one enrolment was valid, for a step not used before, and the way to its share.
/// Made only by [`TotpEnrolment::check`].
pub struct TotpPassed {
    step: u64,
    share: TotpShare,
}

impl TotpPassed {
    /// The step to store as used, durably, before the share is released.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The share, once the step is stored as used.
    pub fn release(self) -> TotpShare {
        self.share
    }
}

/// What the ledger keeps of a user's second factor, sealed under the root key: seed and share.
pub struct TotpEnrolment {
    seed: TotpSeed,
    share: TotpShare,
}

impl TotpEnrolment {
    /// A new enrolment. Its share is readable until it is stored, to wrap the user slot.
    pub fn generate() -> (Self, TotpShare) {
        let share = TotpShare::generate();
        let kept = TotpShare::from_bytes(share.expose());
        (Self { seed: TotpSeed::generate(), share: kept }, share)
    }

    /// Another seed for the same share: a new authenticator, the slots untouched.
    pub fn with_new_seed(self) -> Self {
        Self { seed: TotpSeed::generate(), share: self.share }
    }

    /// Another share for the same seed: the phone keeps working, and the user slot is wrapped anew.
    pub fn with_new_share(self) -> (Self, TotpShare) {
        let share = TotpShare::generate();
        let kept = TotpShare::from_bytes(share.expose());
        (Self { seed: self.seed, share: kept }, share)
    }

    /// The seed, to show the enrolment URI.
    pub fn seed(&self) -> &TotpSeed {
        &self.seed
    }

    /// Checks a code as [`TotpSeed::check`] does.
    pub fn check(&self, code: &str, now: Timestamp, used: UsedSteps<'_>) -> CodeCheck<TotpPassed> {
        match self.seed.check(code, now, used) {
            CodeCheck::Fresh(step) => {
                CodeCheck::Fresh(TotpPassed { step, share: TotpShare::from_bytes(self.share.expose()) })
            }
            CodeCheck::Used => CodeCheck::Used,
            CodeCheck::Elsewhen { step, ahead } => CodeCheck::Elsewhen { step, ahead },
            CodeCheck::Wrong => CodeCheck::Wrong,
        }
    }

    /// For the ledger, to be sealed: version, seed, share.
    pub fn expose(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(RECORD));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.seed.expose());
        bytes.extend_from_slice(self.share.expose());
        bytes
    }

    /// Reads [`TotpEnrolment::expose`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyringError> {
        let (&version, rest) = bytes.split_first().ok_or(KeyringError::Form)?;
        if version != VERSION {
            return Err(KeyringError::Version);
        }
        let (seed, share) = rest.split_first_chunk().ok_or(KeyringError::Form)?;
        let share = share.try_into().map_err(|_| KeyringError::Form)?;
        Ok(Self { seed: TotpSeed::from_bytes(seed), share: TotpShare::from_bytes(share) })
    }
}

/// The code of the moment for a seed in base32 or an `otpauth://` URI, as an authenticator shows it.
pub fn code_for(seed: &str, now: Timestamp) -> Result<String, KeyringError> {
    let text = seed.split_once("secret=").map_or(seed, |(_, rest)| rest.split('&').next().unwrap_or(rest));
    let octets = data_encoding::BASE32_NOPAD
        .decode(text.trim().trim_end_matches('=').to_ascii_uppercase().as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| KeyringError::Form)?;
    let seed = TotpSeed::from_bytes(octets.as_slice().try_into().map_err(|_| KeyringError::Form)?);
    let step = u64::try_from(now.unix()).map_err(|_| KeyringError::Form)? / STEP;
    let code = digits(&seed.builder().build_noncompliant(), step);
    Ok(code.iter().map(|digit| char::from(*digit)).collect())
}

/// Six digits of any script, with what authenticators and keyboards put between them.
fn parse(text: &str) -> Option<[u8; DIGITS]> {
    let mut typed = text.chars().filter(|letter| !is_between(*letter));
    let mut code = [0; DIGITS];
    for digit in &mut code {
        *digit = b'0' + decimal(typed.next()?)?;
    }
    typed.next().is_none().then_some(code)
}

/// Blanks of all widths, dashes, and marks that show nothing.
fn is_between(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter,
            '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '\u{ad}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}')
}

/// The value of a decimal digit (Unicode general category Nd): each script has its ten in a row.
fn decimal(letter: char) -> Option<u8> {
    let letter = u32::from(letter);
    let zeros = ZEROS.partition_point(|zero| *zero <= letter);
    let value = letter - ZEROS.get(zeros.checked_sub(1)?)?;
    u8::try_from(value).ok().filter(|value| *value < 10)
}

fn digits(totp: &Totp, step: u64) -> [u8; DIGITS] {
    let text = totp.generate(step.saturating_mul(STEP)).to_string();
    text.as_bytes().try_into().expect("a code has DIGITS digits")
}

const VERSION: u8 = 1;
const RECORD: usize = 1 + 20 + 32;
const DIGITS: usize = 6;
/// Seconds (RFC 6238 §5.2).
const STEP: u64 = 30;
/// Steps allowed on either side (RFC 6238 §5.2: at most one for network delay; one for slow clocks).
const SKEW: u64 = 1;
/// How far away a code is looked for, in steps: 14 hours, the widest time zone. A typing error is taken
/// for one of these once in 300 times, which tells nobody anything: it opens nothing.
const FAR: u64 = 14 * 120;
/// The zeros of all scripts (Unicode 16, Nd), ascending.
const ZEROS: &[u32] = &[
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0,
    0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0,
    0x16b50, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1,
    0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(TotpSeed, TotpShare, TotpEnrolment, TotpPassed);

    fn seed() -> TotpSeed {
        TotpSeed::from_bytes(b"12345678901234567890")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn used(last: Option<u64>) -> UsedSteps<'static> {
        UsedSteps { last, recent: &[] }
    }

    fn step(code: &str, seconds: i64, last: Option<u64>) -> Option<u64> {
        match seed().check(code, at(seconds), used(last)) {
            CodeCheck::Fresh(step) => Some(step),
            _ => None,
        }
    }

    fn code(step: u64) -> String {
        let code = digits(&seed().builder().build_noncompliant(), step);
        code.iter().map(|digit| char::from(*digit)).collect()
    }

    #[test]
    fn agrees_with_rfc_6238_appendix_b() {
        // The RFC prints eight digits; six are its last six.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(code, seconds, None), Some(seconds as u64 / STEP), "{seconds}");
        }
    }

    #[test]
    fn one_step_of_skew_and_no_more() {
        for (seconds, expected) in [(0, Some(1)), (30, Some(1)), (60, Some(1)), (89, Some(1)), (90, None)] {
            assert_eq!(step("287082", seconds, None), expected, "{seconds}");
        }
    }

    #[test]
    fn a_step_counts_once() {
        assert_eq!(step("287082", 59, Some(0)), Some(1));
        assert_eq!(step("287082", 59, Some(1)), None);
        assert_eq!(step("287082", 59, Some(2)), None);
        let again = seed().check("287082", at(59), used(Some(1)));
        assert_eq!(again, CodeCheck::Used, "a replay is told apart from a wrong code");
        let spent = UsedSteps { last: None, recent: &[7, 1] };
        assert_eq!(seed().check("287082", at(59), spent), CodeCheck::Used);
    }

    #[test]
    fn a_code_of_another_time_of_day_is_told_apart() {
        let now = 100_000_u64;
        let seconds = now as i64 * 30;
        for away in [2, 20, 120, -2, -20, -FAR.cast_signed()] {
            let step = now.checked_add_signed(away).unwrap();
            let expected = CodeCheck::Elsewhen { step, ahead: away * 30 };
            assert_eq!(seed().check(&code(step), at(seconds), used(None)), expected, "{away}");
            let told = UsedSteps { last: None, recent: &[step] };
            assert_eq!(seed().check(&code(step), at(seconds), told), CodeCheck::Used, "{away}");
        }
        assert_eq!(seed().check(&code(now + FAR + 1), at(seconds), used(None)), CodeCheck::Wrong);
    }

    #[test]
    fn a_step_that_was_used_while_the_clock_was_ahead_bars_itself_alone() {
        let (now, ahead) = (100_000_u64, 100_120_u64);
        let seconds = now as i64 * 30;
        assert_eq!(step(&code(now), seconds, Some(ahead)), Some(now));
        assert_eq!(step(&code(ahead), ahead as i64 * 30, Some(ahead)), None);
        let later = UsedSteps { last: Some(now), recent: &[ahead] };
        assert_eq!(seed().check(&code(ahead), at(ahead as i64 * 30), later), CodeCheck::Used);
        // Within the window nothing changes: the newest bars those before it.
        assert_eq!(step(&code(now), seconds, Some(now + 1)), None);
    }

    #[test]
    fn only_six_digits_are_a_code() {
        assert_eq!(step("287 082", 59, None), Some(1));
        for typed in [
            "287\u{a0}082",
            "287\u{202f}082",
            "２８７０８２",
            "２８７　０８２",
            "٢٨٧٠٨٢",
            "२८७ ०८२",
            "\u{1d7d0}\u{1d7d6}\u{1d7d5}\u{1d7ce}\u{1d7d6}\u{1d7d0}",
            "287-082",
            " 287082\n",
            "\u{200e}287082\u{200f}",
            "2 8 7 0 8 2",
        ] {
            assert_eq!(step(typed, 59, None), Some(1), "{typed:?}");
        }
        for code in ["", "28708", "2870820", "28708a", "+287082", "²⁸⁷⁰⁸²", "②⑧⑦⓪⑧②", "287,082", "0x2870"]
        {
            assert_eq!(step(code, 59, None), None, "{code}");
        }
        assert_eq!(step("287082", -59, None), None);
    }

    #[test]
    fn the_enrolment_uri_is_as_authenticators_read_it() {
        let uri = seed().enrolment_uri("Veilpost", "ann@a.example").unwrap();
        assert!(uri.starts_with("otpauth://totp/Veilpost:ann%40a.example?"), "{}", uri.as_str());
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
        assert!(uri.contains("issuer=Veilpost"));
        assert!(seed().enrolment_uri("Veil:post", "ann").is_err());
    }

    #[test]
    fn a_passed_code_releases_the_share() {
        let (enrolment, share) = TotpEnrolment::generate();
        let stored = TotpEnrolment::from_bytes(&enrolment.expose()).unwrap();
        let totp = stored.seed().builder().build_noncompliant();
        let code = totp.generate(3000).to_string();
        let CodeCheck::Fresh(passed) = stored.check(&code, at(3000), used(None)) else {
            panic!("it is right")
        };
        assert_eq!(passed.step(), 100);
        assert!(matches!(stored.check(&code, at(3000), used(Some(passed.step()))), CodeCheck::Used));
        assert_eq!(passed.release().expose(), share.expose());
    }

    #[test]
    fn a_new_seed_keeps_the_share() {
        let (enrolment, share) = TotpEnrolment::generate();
        let before = *enrolment.seed().expose();
        let renewed = enrolment.with_new_seed();
        assert_ne!(renewed.seed().expose(), &before);
        assert_eq!(renewed.share.expose(), share.expose());
    }

    proptest! {
        #[test]
        fn foreign_records_do_not_panic(bytes: Vec<u8>) {
            let _ = TotpEnrolment::from_bytes(&bytes);
        }

        #[test]
        fn foreign_codes_do_not_panic(code: String, seconds: i64, last: Option<u64>) {
            let _ = seed().check(&code, at(seconds), UsedSteps { last, recent: &[] });
        }
    }
}
