//! The one door that seals (law 5): a message and the views of a mailbox become a stored container.
//! Reception comes through it with what arrived, the owner with what is sealed again.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::future::try_join_all;

use super::{PolicyUnavailable, Vault};
use crate::clock::Timestamp;
use crate::keyring::{KeyringError, Recipient};
use crate::message::{Anatomy, Plaintext, dissect};
use crate::names::{Address, ContainerName, MessageId, Reader, ViewId};
use crate::net::budget::Lease;
use crate::plan::{self, Composition};
use crate::policy::Policy;
use crate::records::RecordError;
use crate::seal::{
    AtomSpan, EnvelopeFacts, EpochHold, InputPiece, MessageKeyGrant, SealError, SealInput, SealedMessage,
    ViewInput,
};
use crate::store::blobs::{BlobError, BlobName};
use crate::store::ledger::Committed;
use crate::store::sweep::Hold;
use crate::structure::structure_of_masked;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{MessageRow, RecipientRow, Rendering, ViewEntry, ViewRow};
use crate::wipe::Wiped;

/// A message for one mailbox.
pub struct Arrival {
    /// Whose mailbox.
    pub user: UserRef,
    /// The message's identifier.
    pub message: MessageId,
    /// Its octets, with our trace header.
    pub content: Plaintext,
    /// When it was received.
    pub received: Timestamp,
    /// What the envelope said.
    pub envelope: EnvelopeFacts,
    /// The view whose client uploaded it: that one shows it as it came, for it had it already.
    pub uploader: Option<ViewId>,
    /// What it takes in memory until it is stored.
    pub room: Room,
}

/// Room in memory for sealing one message: only [`make_room`] gives it. It goes along with the work, whoever
/// waits for that, and is given back when the last octet is written.
#[derive(Clone)]
pub struct Room(#[expect(dead_code, reason = "held, never looked at")] Option<Arc<Lease>>);

/// Waits for room to seal a message of so many octets. It takes several times its size until it is stored: with
/// its trace, sealed, as its views. Small ones are not worth a thought; of the others each mailbox's has a
/// permit, so that what all take together stays near the budget, and nobody's mail waits for one mailbox.
pub async fn make_room(vault: &Vault, user: UserRef, octets: usize) -> Room {
    match octets < LARGE {
        true => Room(None),
        false => Room(Some(Arc::new(vault.sealing.take(user.user, octets as u64 * COPIES).await))),
    }
}

/// A message whose container and epoch seeds are durable. It is nobody's until its row is committed;
/// until then the sweeper leaves it alone.
pub struct Stored {
    /// Its row.
    pub row: MessageRow,
    hold: Hold,
    /// The seeds of its epochs stay, too.
    epochs: Vec<EpochHold>,
}

impl Stored {
    /// Lets go of the container: the ledger refers to it now.
    pub fn release(self, _proof: Committed) {
        drop((self.hold, self.epochs));
    }
}

#[cfg(test)]
impl Stored {
    /// One whose container a test has put there.
    pub(in crate::vault) fn of(vault: &Vault, row: MessageRow) -> Self {
        let hold = vault.in_flight.hold(BlobName::of_container(row.container));
        Self { row, hold, epochs: Vec::new() }
    }
}

/// Why a message was not sealed or not stored. None of it is visible then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// A view's policy does not load: the mail waits.
    #[error(transparent)]
    Policy(#[from] PolicyUnavailable),
    /// The tenant or a view was removed in the meantime.
    #[error("a reader of the mailbox is gone")]
    ReaderGone,
    /// A key is not what it should be.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The mailbox has no room for the message.
    #[error("the mailbox has no room for it")]
    NoRoom,
    /// Sealing ended early: the server is shutting down, or a message was too much for it.
    #[error("sealing ended early")]
    Ended,
}

/// Seals a message for the owner and for the views of its mailbox, and stores it durably.
pub async fn seal(vault: &Arc<Vault>, arrival: Arrival) -> Result<Stored, SealingError> {
    let container = ContainerName::random();
    let hold = vault.in_flight.hold(BlobName::of_container(container));
    let room = arrival.room.clone();
    let (sealed, row, epochs) = seal_aside(vault, arrival, container).await?;
    vault.metrics.sealed_bytes.inc_by(sealed.bytes.len() as u64);
    store(vault, container, sealed, room).await?;
    Ok(Stored { row, hold, epochs })
}

/// A container, its row, and what keeps its epochs' seeds.
type Sealing = (SealedMessage, MessageRow, Vec<EpochHold>);

/// Small messages are sealed at once, large ones where they hold up no other session.
async fn seal_aside(
    vault: &Arc<Vault>,
    arrival: Arrival,
    container: ContainerName,
) -> Result<Sealing, SealingError> {
    if arrival.content.expose().len() < ASIDE {
        return seal_now(vault, &arrival, container);
    }
    let vault = vault.clone();
    // Nothing ends it early, so the room for it is in there too.
    let sealing = tokio::task::spawn_blocking(move || seal_now(&vault, &arrival, container));
    sealing.await.map_err(|_| SealingError::Ended)?
}

/// Anatomy, one composition per view, strata, container: all the work on plaintext there is.
fn seal_now(vault: &Vault, arrival: &Arrival, container: ContainerName) -> Result<Sealing, SealingError> {
    let bytes = arrival.content.expose();
    let anatomy = dissect(bytes);
    let views = registry::views(&vault.records, arrival.user)?;
    let user = registry::user(&vault.records, arrival.user)?;
    let user = user.filter(|user| user.leaving.is_none()).ok_or(SealingError::ReaderGone)?;
    let phrase = user.phrase.as_deref();
    let scene = Scene { bytes, anatomy: &anatomy, phrase, arrival };
    let mut entries = Vec::with_capacity(views.len());
    let mut compositions = Vec::with_capacity(views.len());
    for (view, row) in &views {
        let policy = vault.policies.find(&vault.records, arrival.user.tenant, &row.policy)?;
        let own = arrival.uploader == Some(*view);
        let composed = match own {
            true => Some(Composition::original(&anatomy)),
            false => compose(vault, &policy, *view, &scene),
        };
        if let Some(composition) = composed {
            entries.push(entry(*view, row.generation, own, &composition));
            compositions.push((*view, composition));
        }
    }
    let plan = plan::plan(&anatomy, compositions);
    let grants = grants(vault, arrival.user, &entries)?;
    let holds = grants.iter().map(|grant| grant.hold.clone()).collect();
    // The owner's is the last one of them, and the first in the row.
    let epochs = grants.iter().rev().take(1).chain(&grants[..entries.len()]);
    let epochs = epochs.flat_map(|grant| *grant.epoch.as_bytes()).collect();
    let sealed = seal_plan(arrival, &anatomy, &plan, &views, grants)?;
    let row = MessageRow {
        message: arrival.message,
        container,
        digest: sealed.digest,
        sealed: sealed.bytes.len() as u64,
        received: arrival.received.unix(),
        octets: bytes.len() as u64,
        trashed: false,
        views: entries,
        mod_seq: None,
        copy: None,
        epochs: Some(epochs),
    };
    Ok((sealed, row, holds))
}

/// What the row says of a view of the message.
fn entry(view: ViewId, generation: u32, own: bool, composition: &Composition) -> ViewEntry {
    let own = if own { ViewEntry::OWN } else { 0 };
    let sealed = if composition.listing.text_sealed { ViewEntry::TEXT_SEALED } else { 0 };
    ViewEntry { view, generation, octets: composition.size(), nature: Some(own | sealed) }
}

/// What the compositions of all views have in common.
struct Scene<'a> {
    bytes: &'a [u8],
    anatomy: &'a Anatomy,
    /// The user's phrase against phishing.
    phrase: Option<&'a str>,
    arrival: &'a Arrival,
}

/// A message as a view shows it; none when its policy leaves the message out.
fn compose(vault: &Vault, policy: &Policy, view: ViewId, scene: &Scene<'_>) -> Option<Composition> {
    let Scene { bytes, anatomy, phrase, arrival } = *scene;
    let addressee = Address::parse(&arrival.envelope.addressee).map(|address| address.reveal());
    let age = vault.clock.now().since(arrival.received);
    let facts = plan::facts(bytes, anatomy, addressee.into_iter().collect(), age);
    let about = About { message: arrival.message, received: arrival.received, phrase, rendering: None };
    render(vault, policy.rules_for(&facts), view, bytes, anatomy, about)
}

/// What a rendering knows of its message besides the octets.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The message.
    pub message: MessageId,
    /// When it was received.
    pub received: Timestamp,
    /// The user's phrase against phishing, where placeholders show it.
    pub phrase: Option<&'a str>,
    /// What the view was rendered with when its policy changed; none for today's settings.
    pub rendering: Option<&'a Rendering>,
}

/// Composes a view of a message under `rules`.
pub fn render(
    vault: &Vault,
    rules: &crate::policy::Rules,
    view: ViewId,
    bytes: &[u8],
    anatomy: &Anatomy,
    about: About<'_>,
) -> Option<Composition> {
    with_context(vault, view, about, |context| plan::compose(rules, bytes, anatomy, context))
}

/// What becomes of every atom of a message in a view under `rules`.
pub fn explain(
    vault: &Vault,
    rules: &crate::policy::Rules,
    view: ViewId,
    bytes: &[u8],
    anatomy: &Anatomy,
    about: About<'_>,
) -> Vec<plan::explain::Fate> {
    with_context(vault, view, about, |context| plan::explain::explain(rules, bytes, anatomy, context))
}

fn with_context<T>(
    vault: &Vault,
    view: ViewId,
    About { message, received, phrase, rendering }: About<'_>,
    act: impl FnOnce(&plan::Context<'_>) -> T,
) -> T {
    let settings = &vault.settings;
    let link = rendering.map_or(settings.public_url.as_deref(), |fixed| fixed.link.as_deref());
    act(&plan::Context {
        message,
        link: link.map(|base| format!("{}/m/{message}", base.trim_end_matches('/'))),
        phrase: phrase.map(str::to_owned),
        pseudonyms: &|name| pseudonym(vault, view, name),
        mail_domain: rendering.map_or(&settings.hostname, |fixed| &fixed.domain),
        received,
    })
}

/// A stable token for a name, another one in each view, so that views cannot be joined by it.
fn pseudonym(vault: &Vault, view: ViewId, name: &str) -> String {
    let keyed = [&view.as_bytes()[..], name.as_bytes()].concat();
    let hash = vault.records.root().lookup("pseudonym", &keyed);
    data_encoding::BASE32_NOPAD.encode(&hash[..10]).to_ascii_lowercase()
}

/// One message key for the owner and for each view.
fn grants(vault: &Vault, user: UserRef, views: &[ViewEntry]) -> Result<Vec<MessageKeyGrant>, SealingError> {
    let now = Instant::now();
    let readers = views.iter().map(|entry| Reader::View(entry.view)).chain([Reader::Owner(user.tenant)]);
    readers.map(|reader| vault.epochs.next(reader, || recipient(vault, reader), now)).collect()
}

fn recipient(vault: &Vault, reader: Reader) -> Result<Recipient, SealingError> {
    let row: Option<RecipientRow> = vault.records.system().get(&[&reader.to_bytes()])?;
    Ok(Recipient::from_bytes(&row.ok_or(SealingError::ReaderGone)?.recipient)?)
}

/// Puts anatomy and plan into the form that sealing takes.
fn seal_plan(
    arrival: &Arrival,
    anatomy: &Anatomy,
    plan: &plan::Plan,
    views: &[(ViewId, ViewRow)],
    grants: Vec<MessageKeyGrant>,
) -> Result<SealedMessage, SealingError> {
    let atoms = atom_spans(anatomy, plan);
    let strata: Vec<&[ViewId]> = plan.strata().iter().map(|stratum| stratum.views.as_slice()).collect();
    let pieces: Vec<Vec<InputPiece<'_>>> =
        plan.views().iter().map(|(_, composition)| input_pieces(anatomy, composition)).collect();
    let generation =
        |view| views.iter().find(|(id, _)| *id == view).map_or(0, |(_, row)| u64::from(row.generation));
    let structures = structures(arrival.content.expose(), anatomy, plan);
    let inputs: Vec<ViewInput<'_>> = plan
        .views()
        .iter()
        .zip(&pieces)
        .zip(&structures)
        .map(|(((view, _), pieces), structure)| ViewInput {
            view: *view,
            pieces,
            policy_generation: generation(*view),
            structure,
        })
        .collect();
    let input = SealInput {
        message: arrival.message,
        bytes: arrival.content.expose(),
        atoms: &atoms,
        strata: &strata,
        views: &inputs,
        received: arrival.received,
        envelope: EnvelopeFacts {
            reverse_path: arrival.envelope.reverse_path.clone(),
            addressee: arrival.envelope.addressee.clone(),
            protocol: arrival.envelope.protocol.clone(),
        },
    };
    Ok(crate::seal::seal(&input, grants)?)
}

/// What IMAP listings tell of each view, made from its rendering, and from whether the rules made its subject
/// (law 2).
fn structures(bytes: &[u8], anatomy: &Anatomy, plan: &plan::Plan) -> Vec<Wiped> {
    let structure = |composition: &Composition| {
        let is_made = composition.listing.subject_is_made;
        match composition.verbatim(bytes, anatomy) {
            Some(view) => structure_of_masked(view, is_made),
            None => structure_of_masked(&Wiped::from(composition.render(bytes, anatomy)), is_made),
        }
    };
    plan.views().iter().map(|(_, composition)| structure(composition).into()).collect()
}

fn atom_spans(anatomy: &Anatomy, plan: &plan::Plan) -> Vec<AtomSpan> {
    let mut spans: Vec<AtomSpan> = anatomy
        .atoms()
        .iter()
        .map(|atom| AtomSpan { end: atom.span.end, kind: atom.kind as u8, stratum: 0 })
        .collect();
    for (number, stratum) in (0_u16..).zip(plan.strata()) {
        for range in &stratum.atoms {
            let atoms = &mut spans[range.start as usize..range.end as usize];
            atoms.iter_mut().for_each(|span| span.stratum = number);
        }
    }
    spans
}

fn input_pieces<'a>(anatomy: &Anatomy, composition: &'a Composition) -> Vec<InputPiece<'a>> {
    let source = |atoms: &std::ops::Range<u32>| {
        let atoms = &anatomy.atoms()[atoms.start as usize..atoms.end as usize];
        match (atoms.first(), atoms.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => 0..0,
        }
    };
    let piece = |piece: &'a plan::Piece| match piece {
        plan::Piece::Literal(bytes) => InputPiece::Literal(bytes),
        plan::Piece::Atoms(atoms) => InputPiece::Source(source(atoms)),
    };
    composition.pieces.iter().map(piece).collect()
}

/// Makes container and seeds durable, side by side; then the epochs need not repeat the seeds.
async fn store(
    vault: &Vault,
    container: ContainerName,
    sealed: SealedMessage,
    room: Room,
) -> Result<(), SealingError> {
    let seeds = sealed.seeds.iter().map(|seed| {
        let name = BlobName::of_seed(seed.reader, seed.epoch);
        async move { vault.blobs.put(&name, seed.age_file.clone()).await }
    });
    let name = BlobName::of_container(container);
    let octets = Bytes::from_owner(Roomed { octets: sealed.bytes, _room: room });
    let put = vault.blobs.put(&name, octets);
    futures::try_join!(put, try_join_all(seeds))?;
    sealed.seeds.iter().for_each(|seed| vault.epochs.confirm(seed.reader, seed.epoch));
    Ok(())
}

/// What is being written, by a thread that goes on when nobody waits for it any more.
struct Roomed {
    octets: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// From this size on, in octets, messages need room.
const LARGE: usize = 64 * 1024;
/// How often a message is in memory while it is sealed, besides its octets.
const COPIES: u64 = 4;
/// From this size on, in octets, a message is sealed in a thread of its own: a millisecond's work.
const ASIDE: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Listing, Piece};
    use crate::structure::structure_of;

    /// Views that render alike have the same structure, whatever message lies behind them (law 2).
    #[test]
    fn structures_are_those_of_the_renderings() {
        let bytes = b"Subject: shown\r\nTo: hidden@x.example\r\n\r\nhidden";
        let anatomy = dissect(bytes);
        let composition = |pieces| Composition { pieces, listing: Listing::default() };
        let original = composition(vec![Piece::Atoms(0..anatomy.atoms().len() as u32)]);
        let masked = composition(vec![Piece::Atoms(0..1), Piece::Literal(b"\r\nsealed".to_vec())]);
        assert_eq!(original.verbatim(bytes, &anatomy), Some(&bytes[..]));
        assert_eq!(masked.verbatim(bytes, &anatomy), None);
        let views = vec![(ViewId::random(), original), (ViewId::random(), masked)];
        let found = structures(bytes, &anatomy, &plan::plan(&anatomy, views));
        assert_eq!(&*found[0], structure_of(bytes));
        assert_eq!(&*found[1], structure_of(b"Subject: shown\r\n\r\nsealed"));
    }
}
