//! The rows that the ledger keeps about tenants, users, addresses, views and mail, and their keys.
//!
//! Keys are a table letter and opaque identifiers or keyed hashes; values are CBOR (RFC 8949),
//! sealed by `records` before the ledger sees them. Fields are numbered and never renumbered.

mod addresses;
mod folders;
mod leaving;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

pub use addresses::{
    AddressListRow, AddressRow, ArrivalEntry, ArrivalsRow, DomainRow, Off, Person, RefusalsRow,
};
pub use folders::{FolderRow, MarkRow};
pub use leaving::{Heir, Leaving};

use crate::names::{ContainerName, CredentialId, EpochId, MessageId, Reader, TenantId, UserId, ViewId};

/// A kind of row: the letter its keys begin with.
pub trait Row: Encode<()> + for<'b> Decode<'b, ()> {
    /// The first octet of the key.
    const TABLE: u8;
}

macro_rules! rows {
    ($($letter:literal => $name:ident),* $(,)?) => {
        $(impl Row for $name { const TABLE: u8 = $letter; })*
        #[cfg(test)]
        const LETTERS: &[u8] = &[$($letter),*];
    };
}

rows! {
    b'T' => TenantRow, b'N' => TenantNameRow, b'U' => UserRow, b'l' => SoftlockRow,
    b'A' => AddressRow, b'a' => AddressListRow, b'D' => DomainRow, b'W' => ArrivalsRow, b'w' => RefusalsRow, b'V' => ViewRow, b'R' => RecipientRow,
    b'y' => PasskeyRow,
    b'C' => CredentialRow, b'c' => CredentialListRow, b'u' => LastUsedRow, b'P' => PolicyRow,
    b'M' => MessageRow, b'F' => PlaceRow, b'f' => FolderRow, b'K' => MailboxRow, b'H' => HiddenRow,
    b'S' => SeedRow, b'z' => StaleSizeRow, b's' => SummaryRow, b'i' => ListingRow,
    b'L' => AuditEntryRow, b'n' => AuditHeadRow, b'k' => CheckpointRow,
    b'X' => ApiTokenRow, b'x' => ApiTokenListRow, b'r' => RemovedTenantRow,
    b'g' => AttemptsRow, b'o' => UsedCodesRow,
    b'v' => StandingRow,
}

/// A tenant, under its identifier.
#[derive(Clone, Encode, Decode)]
pub struct TenantRow {
    /// Its name among the tenants of this server.
    #[n(0)]
    pub name: String,
    /// When it was made, Unix seconds.
    #[n(1)]
    pub created: i64,
    /// Whether an unlock needs a reason.
    #[n(2)]
    pub reason_required: bool,
    /// Set while the tenant is being removed: its keys are gone, its rows may still be there.
    #[n(3)]
    pub removing: bool,
    /// Whether every single message needs a fresh code, even while the whole is open; none is no.
    #[n(4)]
    pub step_up: Option<bool>,
    /// After how many minutes without use an unlock ends; none is what the server says.
    #[n(5)]
    pub unlock_minutes: Option<u32>,
    /// After how many minutes it ends in any case; none is what the server says.
    #[n(6)]
    pub unlock_longest_minutes: Option<u32>,
}

/// A tenant that is gone but for its audit log, under its identifier.
#[derive(Clone, Encode, Decode)]
pub struct RemovedTenantRow {
    /// The name that it had.
    #[n(0)]
    pub name: String,
    /// When it was removed, Unix seconds.
    #[n(1)]
    pub removed: i64,
    /// When its log goes too, Unix seconds.
    #[n(2)]
    pub until: i64,
}

/// How often what a tenant is has changed (users, roles, views, policies, settings, addresses), under the
/// tenant; for addresses of all tenants under zeros. Whoever looked at a list of them commits on this.
#[derive(Clone, Encode, Decode)]
pub struct StandingRow {
    /// Grows with each change.
    #[n(0)]
    pub changes: u64,
}

/// Which tenant has a name, under the keyed hash of the name.
#[derive(Clone, Encode, Decode)]
pub struct TenantNameRow {
    /// The tenant.
    #[n(0)]
    #[cbor(with = "id")]
    pub tenant: TenantId,
}

/// A user, under tenant and user.
#[derive(Clone, Encode, Decode)]
pub struct UserRow {
    /// The name they sign in with: their first address.
    #[n(0)]
    pub login: String,
    /// When the user was made, Unix seconds.
    #[n(1)]
    pub created: i64,
    /// A disabled user can neither sign in nor unlock; their views are closed too.
    #[n(2)]
    pub disabled: bool,
    /// The keyslot of the owner key, which password and TOTP share open together.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub owner_slot: Vec<u8>,
    /// The TOTP seed, and the share that a valid code releases.
    #[n(4)]
    #[cbor(with = "secret")]
    pub totp: Zeroizing<Vec<u8>>,
    /// The last TOTP step that was used, in rows of earlier versions; now [`UsedCodesRow`] has it.
    #[n(5)]
    pub totp_last_step: Option<u64>,
    /// What the password alone opens: the view that the dashboard lists. None for users from
    /// before there was a dashboard, until their next unlock.
    #[n(6)]
    pub dashboard: Option<DashboardAccess>,
    /// What the user may do besides reading; none is a member.
    #[n(7)]
    pub role: Option<Role>,
    /// What is left to do at the first sign-in, as bits of [`pending`]; none is nothing.
    #[n(8)]
    pub pending: Option<u8>,
    /// What placeholders say to the user besides, so that a forged one is told apart: a secret between
    /// the vault and this person. None until they choose one.
    #[n(9)]
    pub phrase: Option<String>,
    /// Set while the user is being removed: their keys are gone, their mail may still be there.
    #[n(20)]
    pub leaving: Option<Leaving>,
    /// How many octets of mail the mailbox takes; none is as many as there is room for.
    #[n(21)]
    pub quota: Option<u64>,
}

impl UserRow {
    /// What the user may do besides reading.
    pub fn role(&self) -> Role {
        self.role.unwrap_or(Role::Member)
    }

    /// Whether this part of the first sign-in is still to be done.
    pub fn awaits(&self, step: u8) -> bool {
        self.pending.unwrap_or(0) & step != 0
    }
}

/// Parts of the first sign-in that can be still to be done.
pub mod pending {
    /// The password was chosen by somebody else.
    pub const PASSWORD: u8 = 1;
    /// No authenticator app has shown a right code yet.
    pub const AUTHENTICATOR: u8 = 2;
    /// The tenant's recovery code has not been shown and confirmed yet.
    pub const RECOVERY: u8 = 4;
}

/// What a user may do besides reading their own mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Nothing more.
    #[n(0)]
    Member,
    /// Looks after the tenant: users, addresses, policies.
    #[n(1)]
    Administrator,
    /// Looks after the server: all tenants.
    #[n(2)]
    Operator,
}

/// The view that a password alone opens.
#[derive(Clone, Encode, Decode)]
pub struct DashboardAccess {
    /// The view.
    #[n(0)]
    #[cbor(with = "id")]
    pub view: ViewId,
    /// The keyslot that holds the view's identity.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub slot: Vec<u8>,
}

/// A passkey of a user, under user and passkey.
#[derive(Clone, Encode, Decode)]
pub struct PasskeyRow {
    /// What the person called it.
    #[n(0)]
    pub label: String,
    /// When it was added, Unix seconds.
    #[n(1)]
    pub created: i64,
    /// When it last unlocked, Unix seconds.
    #[n(2)]
    pub last_used: Option<i64>,
    /// Credential identifier, public key and signature counter, as JSON of `webauthn-rs`.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub passkey: Vec<u8>,
    /// What the passkey's pseudo-random function is asked for.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub prf_salt: [u8; 32],
    /// The share that a verified assertion releases; empty if the pseudo-random function gives the
    /// passkey's half.
    #[n(5)]
    #[cbor(with = "secret")]
    pub share: Zeroizing<Vec<u8>>,
    /// The keyslot of the owner key, which password and passkey open together; empty after a new
    /// password that it could not be wrapped under.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub slot: Vec<u8>,
}

/// Failed attempts of a user or of an address in the network.
#[derive(Clone, Default, Encode, Decode)]
pub struct SoftlockRow {
    /// Failures since the last success.
    #[n(0)]
    pub failures: u32,
    /// No attempt is looked at before this time, Unix seconds.
    #[n(1)]
    pub until: i64,
}

/// Failed attempts at the sign-in page, those of names that nobody has too: one of a fixed number of
/// such rows, under the beginning of a keyed hash of what is counted.
#[derive(Clone, Default, Encode, Decode)]
pub struct AttemptsRow {
    /// What is counted, in no order.
    #[n(0)]
    pub counted: Vec<CountedRow>,
}

/// Failed attempts by one address, on one name, or by one on the other.
#[derive(Clone, Copy, Encode, Decode)]
pub struct CountedRow {
    /// What follows in the keyed hash.
    #[n(0)]
    pub tag: u64,
    /// Failures since the last success.
    #[n(1)]
    pub failures: u32,
    /// When it is paid off, Unix seconds.
    #[n(2)]
    pub until: i64,
}

/// Steps of a user's authenticator that count no more, under tenant and user.
#[derive(Clone, Default, Encode, Decode)]
pub struct UsedCodesRow {
    /// Those that were used lately, or said to belong to a time to come; newest last.
    #[n(0)]
    pub recent: Vec<u64>,
    /// The last one that was used.
    #[n(1)]
    pub last: Option<u64>,
}

/// A view, under user and view.
#[derive(Clone, Encode, Decode)]
pub struct ViewRow {
    /// Its name among the user's views.
    #[n(0)]
    pub name: String,
    /// The tenant.
    #[n(1)]
    #[cbor(with = "id")]
    pub tenant: TenantId,
    /// The name of its policy.
    #[n(2)]
    pub policy: String,
    /// Counts the renderings: it grows when the policy changes and when mail is resealed, and with
    /// it every unique identifier changes (RFC 9051 §2.3.1.1).
    #[n(3)]
    pub generation: u32,
    /// When it was made, Unix seconds.
    #[n(4)]
    pub created: i64,
    /// The view's identity, sealed to the owner as an age file.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub for_owner: Vec<u8>,
    /// What is added to the mailbox's UIDs to get this view's: it grows with every rendering, so that none
    /// of the view's UIDs ever stands for other content (law 6); none is 0.
    #[n(6)]
    pub uid_shift: Option<u32>,
    /// How messages are rendered that were sealed for an older policy; none where the view's policy has not
    /// changed since views keep it.
    #[n(7)]
    pub rendering: Option<Rendering>,
    /// Set while older mail is not sealed for this view: the generation whose sealing has begun, or 0. None
    /// when nothing is missing.
    #[n(8)]
    pub unfilled: Option<u32>,
}

/// What messages of an older policy are rendered with, fixed when the policy changed: what a client was
/// shown under a UID stays as it was when the server's settings change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rendering {
    /// What links of placeholders begin with.
    #[n(0)]
    pub link: Option<String>,
    /// The domain of tokens.
    #[n(1)]
    pub domain: String,
    /// What the policy means, and which renderer reads it so.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub meaning: [u8; 32],
}

/// The public half of a reader's key, under the reader; none when the reader is gone.
#[derive(Clone, Encode, Decode)]
pub struct RecipientRow {
    /// The recipient's octets.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub recipient: Vec<u8>,
}

/// A credential of a view, under the keyed hash of what the app password yields for lookup.
#[derive(Clone, Encode, Decode)]
pub struct CredentialRow {
    /// The credential.
    #[n(0)]
    #[cbor(with = "id")]
    pub credential: CredentialId,
    /// The tenant.
    #[n(1)]
    #[cbor(with = "id")]
    pub tenant: TenantId,
    /// The user.
    #[n(2)]
    #[cbor(with = "id")]
    pub user: UserId,
    /// The view it opens.
    #[n(3)]
    #[cbor(with = "id")]
    pub view: ViewId,
    /// The keyslot that holds the view's identity.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub slot: Vec<u8>,
}

/// A credential in the list of a view's credentials, under view and credential.
#[derive(Clone, Encode, Decode)]
pub struct CredentialListRow {
    /// What the person called the device.
    #[n(0)]
    pub label: String,
    /// When it was made, Unix seconds.
    #[n(1)]
    pub created: i64,
    /// The key of its [`CredentialRow`] without the table letter.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub lookup: Vec<u8>,
}

/// A token for the HTTP API, under the keyed hash of what the token yields for lookup.
#[derive(Clone, Encode, Decode)]
pub struct ApiTokenRow {
    /// The token's name in lists and in the audit log.
    #[n(0)]
    #[cbor(with = "id")]
    pub token: CredentialId,
    /// The tenant.
    #[n(1)]
    #[cbor(with = "id")]
    pub tenant: TenantId,
    /// The user on whose behalf it acts.
    #[n(2)]
    #[cbor(with = "id")]
    pub user: UserId,
}

/// A token in the list of a user's tokens, under user and token.
#[derive(Clone, Encode, Decode)]
pub struct ApiTokenListRow {
    /// What the person called the program.
    #[n(0)]
    pub label: String,
    /// What it may do, as the words of the API's documents.
    #[n(1)]
    pub scopes: Vec<String>,
    /// When it was made, Unix seconds.
    #[n(2)]
    pub created: i64,
    /// From when on it is worth nothing, Unix seconds.
    #[n(3)]
    pub expires: i64,
    /// The key of its [`ApiTokenRow`] without the table letter.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub lookup: Vec<u8>,
}

/// When a credential or a token was last used, or a user last signed in; under the one it is about.
#[derive(Clone, Encode, Decode)]
pub struct LastUsedRow {
    /// Unix seconds.
    #[n(0)]
    pub at: i64,
}

/// A policy of a tenant, under tenant and keyed hash of its name.
#[derive(Clone, Encode, Decode)]
pub struct PolicyRow {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its TOML.
    #[n(1)]
    pub text: String,
    /// When it was loaded, Unix seconds.
    #[n(2)]
    pub loaded: i64,
}

/// A message of a mailbox, under user and number. The number is the store's: given once, and kept wherever
/// the message is moved.
#[derive(Clone, Encode, Decode)]
pub struct MessageRow {
    /// The message.
    #[n(0)]
    #[cbor(with = "id")]
    pub message: MessageId,
    /// Where its container lies.
    #[n(1)]
    #[cbor(with = "id")]
    pub container: ContainerName,
    /// SHA-256 of the container's table and manifests: it tells this sealing from any other, and
    /// whatever the manifests open is authenticated under their keys.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub digest: [u8; 32],
    /// The container's octets.
    #[n(7)]
    pub sealed: u64,
    /// When it was received, Unix seconds.
    #[n(3)]
    pub received: i64,
    /// Its octets, with our trace header.
    #[n(4)]
    pub octets: u64,
    /// Whether it is in the trash, where it has no [`PlaceRow`]: rows from before there were folders.
    #[n(5)]
    pub trashed: bool,
    /// The views that have it.
    #[n(6)]
    pub views: Vec<ViewEntry>,
    /// The mod-sequence of its arrival (RFC 7162 §3.1.1); none is 1.
    #[n(8)]
    pub mod_seq: Option<u64>,
    /// Whether it was made as a copy of another row, which has the same message; none is no.
    #[n(9)]
    pub copy: Option<bool>,
    /// The epochs of the keys that its manifests are sealed under: the owner's, then one for each of `views`, 16
    /// octets each. Rows from before have none: it is in the container's table.
    #[n(12)]
    #[cbor(with = "minicbor::bytes")]
    pub epochs: Option<Vec<u8>>,
}

impl MessageRow {
    /// Which epochs have to stay so that the message can be opened; none where the row does not say.
    pub fn needs(&self, tenant: TenantId) -> Option<Vec<(Reader, EpochId)>> {
        let epochs = self.epochs.as_ref()?;
        let readers = [Reader::Owner(tenant)]
            .into_iter()
            .chain(self.views.iter().map(|entry| Reader::View(entry.view)));
        let (epochs, rest) = epochs.as_chunks::<16>();
        let fits = rest.is_empty() && epochs.len() == self.views.len() + 1;
        fits.then(|| readers.zip(epochs.iter().map(|octets| EpochId::from_bytes(*octets))).collect())
    }
}

/// Where a message is and which flags it has, under user and number. A message that was never moved nor
/// flagged has none: it is in INBOX, its UID is its number, and it was saved when it was received.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PlaceRow {
    /// The folder's number.
    #[n(0)]
    pub folder: u32,
    /// Its UID there. No two messages of a user ever have the same, in whatever folders.
    #[n(1)]
    pub uid: u32,
    /// The system flags, as bits of [`crate::mailbox::Flags`].
    #[n(2)]
    pub flags: u8,
    /// The keywords.
    #[n(3)]
    pub keywords: Vec<String>,
    /// When it last changed (RFC 7162 §3.1.1).
    #[n(4)]
    pub mod_seq: u64,
    /// When it came into the folder, Unix seconds.
    #[n(5)]
    pub saved: i64,
    /// What single views have of it for themselves; none is nothing.
    #[n(6)]
    pub apart: Option<Vec<ApartRow>>,
    /// When its shared keywords about junk last changed, and nothing else did; none is no later than `mod_seq`.
    #[n(7)]
    pub judged: Option<u64>,
}

/// What one masked view has of a message for itself: what its clients hold for junk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ApartRow {
    /// The view.
    #[n(0)]
    #[cbor(with = "id")]
    pub view: ViewId,
    /// When that last changed (RFC 7162 §3.1.1).
    #[n(1)]
    pub mod_seq: u64,
    /// Keywords about junk that its clients set; none if they have not said anything.
    #[n(2)]
    pub judged: Option<Vec<String>>,
    /// Where the view has the message; none if it is where all have it.
    #[n(3)]
    pub spots: Option<Vec<SpotRow>>,
}

/// A place where one view has a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SpotRow {
    /// The folder's number.
    #[n(0)]
    pub folder: u32,
    /// Its UID there, from the mailbox's counter.
    #[n(1)]
    pub uid: u32,
    /// When it came into the folder, Unix seconds.
    #[n(2)]
    pub saved: i64,
    /// Whether it is marked as deleted there.
    #[n(3)]
    pub deleted: bool,
}

/// A message as one view has it.
#[derive(Clone, Encode, Decode)]
pub struct ViewEntry {
    /// The view.
    #[n(0)]
    #[cbor(with = "id")]
    pub view: ViewId,
    /// The rendering its size belongs to.
    #[n(1)]
    pub generation: u32,
    /// The view's octets.
    #[n(2)]
    pub octets: u64,
    /// How the view has it, as bits of [`ViewEntry::OWN`] and [`ViewEntry::TEXT_SEALED`]; none where it was
    /// sealed before that was kept.
    #[n(3)]
    pub nature: Option<u8>,
}

impl ViewEntry {
    /// The view's own client uploaded it: it is shown as it came, whatever the policy says.
    pub const OWN: u8 = 1;
    /// Of its text the view has a placeholder at most.
    pub const TEXT_SEALED: u8 = 2;

    /// Whether a client of the view uploaded it.
    pub fn is_own(&self) -> bool {
        self.nature.is_some_and(|nature| nature & Self::OWN != 0)
    }

    /// Whether its text is sealed; none if that was not kept.
    pub fn is_text_sealed(&self) -> Option<bool> {
        self.nature.map(|nature| nature & Self::TEXT_SEALED != 0)
    }
}

/// A mailbox, under its user.
#[derive(Clone, Encode, Decode)]
pub struct MailboxRow {
    /// Every UID and number below this one may have been given out (RFC 9051 §2.3.1.1); it is moved ahead
    /// in steps, and after a restart numbering goes on from here.
    #[n(0)]
    pub reserved: u32,
    /// The same for mod-sequences (RFC 7162 §3.1.1); none where none was given out yet.
    #[n(1)]
    pub mod_seqs: Option<u64>,
    /// When this was written, every UID and number below this one may have been given out, and none from it
    /// on: what came later is in the rows of messages, for whatever else draws numbers writes this too. None
    /// from before it was kept.
    #[n(2)]
    pub next: Option<u32>,
    /// What UIDNEXT was at least, in every folder, before it was kept by folder; none is nothing.
    #[n(3)]
    pub floor: Option<u32>,
}

/// A message that a client of the view deleted, under view and number.
#[derive(Clone, Encode, Decode)]
pub struct HiddenRow {
    /// When, Unix seconds.
    #[n(0)]
    pub at: i64,
}

/// An epoch seed that its reader has opened before, sealed once more under a key that only the
/// reader's identity yields; under reader and epoch.
#[derive(Clone, Encode, Decode)]
pub struct SeedRow {
    /// The sealed seed.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub seed: Vec<u8>,
}

/// What a list shows of a message, sealed once more under a key that only the reader's identity
/// yields; under reader and message.
#[derive(Clone, Encode, Decode)]
pub struct SummaryRow {
    /// The sealed summary.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub summary: Vec<u8>,
}

/// What IMAP lists of messages whose numbers are neighbours, sealed once more under a key that only the
/// reader's identity yields; under reader and number divided by the messages of a page.
#[derive(Clone, Encode, Decode)]
pub struct ListingRow {
    /// The sealed structures.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub page: Vec<u8>,
}

/// The size of an old message under a newer policy than it was sealed for, under view and number.
#[derive(Clone, Encode, Decode)]
pub struct StaleSizeRow {
    /// The generation the size belongs to.
    #[n(0)]
    pub generation: u32,
    /// The octets, or none when the newer policy leaves the message out.
    #[n(1)]
    pub octets: Option<u64>,
}

/// An entry of an audit log with the Merkle hashes that it completes, under tenant and number.
#[derive(Clone, Encode, Decode)]
pub struct AuditEntryRow {
    /// Its line.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub line: Vec<u8>,
    /// The hashes, 32 octets each, lowest level first.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub hashes: Vec<u8>,
}

/// How long an audit log is, under its tenant.
#[derive(Clone, Encode, Decode)]
pub struct AuditHeadRow {
    /// How many entries it has.
    #[n(0)]
    pub size: u64,
}

/// The newest signed checkpoint of an audit log, under its tenant.
#[derive(Clone, Encode, Decode)]
pub struct CheckpointRow {
    /// The signed note.
    #[n(0)]
    pub note: String,
}

/// Secrets as CBOR byte strings, wiped when the row is dropped.
mod secret {
    use minicbor::{Decoder, Encoder};
    use zeroize::Zeroizing;

    pub fn encode<C, W: minicbor::encode::Write>(
        value: &Zeroizing<Vec<u8>>,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.bytes(value)?.ok()
    }

    pub fn decode<C>(
        input: &mut Decoder<'_>,
        _: &mut C,
    ) -> Result<Zeroizing<Vec<u8>>, minicbor::decode::Error> {
        Ok(Zeroizing::new(input.bytes()?.to_vec()))
    }
}

/// Identifiers as CBOR byte strings of 16 octets.
mod id {
    use minicbor::{Decoder, Encoder};

    /// The 16 octets behind an identifier.
    pub trait Id: Sized {
        fn octets(&self) -> &[u8; 16];
        fn from_octets(octets: [u8; 16]) -> Self;
    }

    macro_rules! ids {
        ($($name:ident),*) => {$(impl Id for crate::names::$name {
            fn octets(&self) -> &[u8; 16] { self.as_bytes() }
            fn from_octets(octets: [u8; 16]) -> Self { Self::from_bytes(octets) }
        })*};
    }
    ids!(TenantId, UserId, ViewId, CredentialId, MessageId, ContainerName);

    pub fn encode<C, W: minicbor::encode::Write, T: Id>(
        value: &T,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.bytes(value.octets())?.ok()
    }

    pub fn decode<'b, C, T: Id>(input: &mut Decoder<'b>, _: &mut C) -> Result<T, minicbor::decode::Error> {
        let octets = input
            .bytes()?
            .try_into()
            .map_err(|_| minicbor::decode::Error::message("an identifier has 16 octets"))?;
        Ok(T::from_octets(octets))
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
