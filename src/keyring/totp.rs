//! TOTP (RFC 6238): the second factor, and the share of the user slot's key that it releases.
//!
//! A code is good for one time step on either side of now and a step is good once (RFC 6238 §5.2).
//! Keeps no state: the caller stores the last used step durably before it asks for the share.

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

    /// Checks six digits at `now`, blanks ignored; `last` is the newest step that was used. Tries
    /// every step of the window in the same time, whichever matches, and gives the step.
    pub fn check(&self, code: &str, now: Timestamp, last: Option<u64>) -> Option<u64> {
        let code = parse(code)?;
        let step = u64::try_from(now.unix()).ok()? / STEP;
        let totp = self.builder().build_noncompliant();
        let mut passed = None;
        for step in step.saturating_sub(SKEW)..=step.saturating_add(SKEW) {
            let matches = bool::from(digits(&totp, step).ct_eq(&code));
            if matches && last.is_none_or(|last| step > last) {
                passed = Some(step);
            }
        }
        passed
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .with_secret(totp_rs::Secret::new(self.expose().as_slice().into()))
            .with_digits(DIGITS as u8)
            .with_step_duration(STEP)
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
    pub fn check(&self, code: &str, now: Timestamp, last: Option<u64>) -> Option<TotpPassed> {
        let step = self.seed.check(code, now, last)?;
        Some(TotpPassed { step, share: TotpShare::from_bytes(self.share.expose()) })
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

/// Six digits, with blanks as people type them.
fn parse(text: &str) -> Option<[u8; DIGITS]> {
    let mut typed = text.bytes().filter(|byte| *byte != b' ');
    let mut code = [0; DIGITS];
    for digit in &mut code {
        *digit = typed.next().filter(u8::is_ascii_digit)?;
    }
    typed.next().is_none().then_some(code)
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

    fn step(code: &str, seconds: i64, last: Option<u64>) -> Option<u64> {
        seed().check(code, at(seconds), last)
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
    }

    #[test]
    fn only_six_digits_are_a_code() {
        assert_eq!(step("287 082", 59, None), Some(1));
        for code in ["", "28708", "2870820", "28708a", "+287082", "２８７０８２", "287082\n"] {
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
        let passed = stored.check(&code, at(3000), None).unwrap();
        assert_eq!(passed.step(), 100);
        assert!(stored.check(&code, at(3000), Some(passed.step())).is_none());
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
            let _ = seed().check(&code, at(seconds), last);
        }
    }
}
