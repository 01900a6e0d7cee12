//! Browsers in which a person has signed in before. What such a browser carries opens nothing: it lets
//! an attempt pass the counts that strangers fill, and gives it a count of its own. So nobody keeps an
//! owner out of the browser that they use.
//!
//! A token says whose it is, which browser, since when, and whether the whole was unlocked in it (with
//! the code, not the password alone), under a keyed hash. It outlives passwords on purpose: an owner
//! who changes theirs because somebody guesses still comes in.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;

use crate::clock::Timestamp;
use crate::names::{MessageId, TenantId, UserId};
use crate::tenant::registry::UserRef;
use crate::vault::Vault;

/// A browser that somebody has signed in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Familiar {
    /// Who.
    pub user: UserRef,
    /// Which browser; not secret.
    pub browser: [u8; 16],
    /// Whether they unlocked in it, too.
    pub unlocked: bool,
}

impl Familiar {
    /// What its failed attempts are counted under.
    pub(super) fn name(&self) -> Vec<u8> {
        [self.user.user.as_bytes(), &self.browser[..]].concat()
    }
}

/// The browser, if one of the tokens that it carries is this user's.
pub fn find(vault: &Vault, carried: &str, user: UserRef) -> Option<Familiar> {
    let known = carried.split(BETWEEN).take(MOST).filter_map(|token| read(vault, token));
    known.into_iter().find(|familiar| familiar.user == user)
}

/// What the browser carries from now on: this user's token first, then those of others who use it.
pub fn remember(vault: &Vault, carried: &str, user: UserRef, unlocked: bool) -> String {
    let before = find(vault, carried, user);
    let browser = before.map_or_else(|| *MessageId::random().as_bytes(), |before| before.browser);
    let unlocked = unlocked || before.is_some_and(|before| before.unlocked);
    let ours = write(vault, Familiar { user, browser, unlocked });
    let others = carried.split(BETWEEN).take(MOST).filter(|token| {
        let known = read(vault, token);
        known.is_some_and(|known| known.user != user)
    });
    let all: Vec<&str> = std::iter::once(ours.as_str()).chain(others).take(MOST).collect();
    all.join(BETWEEN)
}

/// How long a browser stays known without a sign-in: as long as browsers keep cookies (RFC 6265bis
/// §5.5).
pub const LASTS: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Version, tenant, user, browser, unlocked, time, keyed hash of all before.
fn write(vault: &Vault, Familiar { user, browser, unlocked }: Familiar) -> String {
    let mut octets = Vec::with_capacity(OCTETS);
    octets.push(VERSION);
    octets.extend_from_slice(user.tenant.as_bytes());
    octets.extend_from_slice(user.user.as_bytes());
    octets.extend_from_slice(&browser);
    octets.push(u8::from(unlocked));
    octets.extend_from_slice(&vault.clock.now().unix().to_be_bytes());
    let proof = vault.records.root().lookup(KIND, &octets);
    octets.extend_from_slice(&proof);
    BASE64URL_NOPAD.encode(&octets)
}

fn read(vault: &Vault, token: &str) -> Option<Familiar> {
    let octets = BASE64URL_NOPAD.decode(token.as_bytes()).ok().filter(|octets| octets.len() == OCTETS)?;
    let (said, proof) = octets.split_last_chunk::<32>()?;
    if !bool::from(vault.records.root().lookup(KIND, said).ct_eq(proof)) {
        return None;
    }
    let (version, said) = said.split_first()?;
    let (tenant, said) = said.split_first_chunk()?;
    let (user, said) = said.split_first_chunk()?;
    let (browser, said) = said.split_first_chunk()?;
    let (unlocked, since) = said.split_first()?;
    let since = Timestamp::from_unix(i64::from_be_bytes(since.try_into().ok()?));
    let user = UserRef { tenant: TenantId::from_bytes(*tenant), user: UserId::from_bytes(*user) };
    let lives = vault.clock.now() < since.plus(LASTS);
    (*version == VERSION && lives).then_some(Familiar { user, browser: *browser, unlocked: *unlocked == 1 })
}

const VERSION: u8 = 1;
const KIND: &str = "familiar-browser";
const OCTETS: usize = 1 + 16 + 16 + 16 + 1 + 8 + 32;
/// Between the tokens of people who share a browser; base64url has no dot.
const BETWEEN: &str = ".";
/// People who share a browser.
const MOST: usize = 4;
