//! The container: the stored object of one message. A plain table of lengths, readers and counters,
//! then strata, then manifests, nothing between and nothing after.
//!
//! Decodes foreign bytes without panic and within their length. The whole table is associated data
//! of every manifest, so no reader accepts a container whose table was touched. Big-endian;
//! `docs/format.md`, "Container".

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{UnsealError, stream};
use crate::names::{EpochId, MessageId, Reader, TenantId, ViewId};

/// Which message key a manifest is sealed under. Plain in the container's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestRef {
    /// Whose manifest.
    pub reader: Reader,
    /// The reader's epoch.
    pub epoch: EpochId,
    /// The key's place in the epoch.
    pub counter: u32,
}

/// A container's table, checked against its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    message: MessageId,
    tenant: TenantId,
    strata: Vec<Range<usize>>,
    manifests: Vec<(ManifestRef, Range<usize>)>,
    length: usize,
}

/// A container, its table checked, its contents not yet.
#[derive(Clone)]
pub struct Container {
    octets: Octets,
    table: Table,
}

/// Where a container's octets are.
#[derive(Clone)]
enum Octets {
    /// All of them here.
    Here(Bytes),
    /// Table and manifests here, the strata where they are stored.
    Apart { table: Bytes, manifests: Bytes, stored: Arc<dyn Stored> },
}

/// Reads a stored container by ranges, so that a large one need not be in memory. Blocks.
pub trait Stored: Send + Sync {
    /// The octets of `range`, all of them.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;
}

impl Container {
    /// Reads the table of a container.
    pub fn decode(bytes: Bytes) -> Result<Self, UnsealError> {
        let table = decode(&bytes)?;
        Ok(Self { octets: Octets::Here(bytes), table })
    }

    /// Reads the table and the manifests of a stored container of so many octets; what is opened of its
    /// strata later is read then. Blocks.
    pub fn open(stored: Arc<dyn Stored>, length: u64) -> Result<Self, OpenError> {
        let mut head = stored.read(0..length.min(HEAD))?;
        let wanted = declared_length(&head)? as u64;
        if wanted > head.len() as u64 && wanted <= length {
            head = stored.read(0..wanted)?;
        }
        let table = read_table(&head, usize::try_from(length).map_err(|_| UnsealError::Layout)?)?;
        let strata: usize = table.strata.iter().map(Range::len).sum();
        let manifests = stored.read((table.length + strata) as u64..length)?;
        let head = head.slice(..table.length);
        Ok(Self { octets: Octets::Apart { table: head, manifests, stored }, table })
    }

    /// Whether all of it is in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.octets, Octets::Here(_))
    }

    /// The message that it holds.
    pub fn message(&self) -> MessageId {
        self.table.message
    }

    /// The tenant that owns it.
    pub fn tenant(&self) -> TenantId {
        self.table.tenant
    }

    /// SHA-256 of the table and the manifests. It names this sealing of the message and no other:
    /// the manifests hold the strata's keys, which are fresh for each sealing, and every chunk of a
    /// stratum opens under its key alone. So a reader who checks it need not hash the strata.
    pub fn digest(&self) -> [u8; 32] {
        match &self.octets {
            Octets::Here(bytes) => {
                let strata = self.table.strata.iter().map(Range::len).sum();
                digest(bytes, self.table.length, strata)
            }
            Octets::Apart { table, manifests, .. } => digest_of(table, manifests),
        }
    }

    /// Its manifests, the owner's first.
    pub fn manifests(&self) -> impl Iterator<Item = ManifestRef> {
        self.table.manifests.iter().map(|(about, _)| *about)
    }

    /// Where the manifest of `reader` is, if it has one.
    pub fn manifest_of(&self, reader: Reader) -> Option<ManifestRef> {
        self.manifests().find(|about| about.reader == reader)
    }

    /// The sealed manifest of `reader` and its associated data.
    pub(super) fn sealed_manifest(&self, reader: Reader) -> Option<(&[u8], Vec<u8>)> {
        let mut manifests = self.table.manifests.iter().enumerate();
        let (index, (_, place)) = manifests.find(|(_, (about, _))| about.reader == reader)?;
        match &self.octets {
            Octets::Here(bytes) => {
                Some((&bytes[place.clone()], associated(&bytes[..self.table.length], index)))
            }
            Octets::Apart { table, manifests, .. } => {
                let first = self.table.manifests.first().map_or(0, |(_, place)| place.start);
                let place = place.start.checked_sub(first)?..place.end.checked_sub(first)?;
                Some((manifests.get(place)?, associated(table, index)))
            }
        }
    }

    /// The sealed bytes of a stratum.
    pub(super) fn sealed_stratum(&self, index: u16) -> Option<SealedStratum<'_>> {
        let place = self.table.strata.get(usize::from(index))?.clone();
        Some(match &self.octets {
            Octets::Here(bytes) => SealedStratum::Here(&bytes[place]),
            Octets::Apart { stored, .. } => SealedStratum::Stored(&**stored, place),
        })
    }
}

/// The sealed octets of one stratum.
#[derive(Clone)]
pub(super) enum SealedStratum<'a> {
    /// In memory.
    Here(&'a [u8]),
    /// In this place of what is stored.
    Stored(&'a dyn Stored, Range<usize>),
}

impl<'a> SealedStratum<'a> {
    /// How many they are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Here(octets) => octets.len(),
            Self::Stored(_, place) => place.len(),
        }
    }

    /// Those of `range`, which must lie within.
    pub(super) fn get(&self, range: Range<usize>) -> Result<Cow<'a, [u8]>, UnsealError> {
        match self {
            Self::Here(octets) => octets.get(range).map(Cow::Borrowed).ok_or(UnsealError::Range),
            Self::Stored(stored, place) => {
                let (start, end) = (place.start + range.start, place.start + range.end);
                if range.start > range.end || end > place.end {
                    return Err(UnsealError::Range);
                }
                let octets = stored.read(start as u64..end as u64).map_err(|_| UnsealError::Unreadable)?;
                Ok(Cow::Owned(octets.into()))
            }
        }
    }
}

impl<'a> From<&'a [u8]> for SealedStratum<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Here(octets)
    }
}

/// Why a stored container does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not what it should be.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The digest of a container's first `table` octets and of what follows the `strata` octets behind them.
pub(super) fn digest(bytes: &[u8], table: usize, strata: usize) -> [u8; 32] {
    digest_of(&bytes[..table], &bytes[table + strata..])
}

fn digest_of(table: &[u8], manifests: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(table);
    hash.update(manifests);
    hash.finalize().into()
}

/// Reads and checks the table of a container. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Table, UnsealError> {
    read_table(bytes, bytes.len())
}

/// Reads the table of a container of `total` octets from its beginning.
fn read_table(bytes: &[u8], total: usize) -> Result<Table, UnsealError> {
    let mut input = Input { rest: bytes };
    let (message, strata, manifests) = input.preamble()?;
    let length = table_length(strata, manifests);
    let mut end = length;
    let strata = (0..strata).map(|_| input.stratum(&mut end)).collect::<Result<Vec<_>, _>>()?;
    let manifests = (0..manifests).map(|_| input.manifest(&mut end)).collect::<Result<Vec<_>, _>>()?;
    if end != total {
        return Err(UnsealError::Layout);
    }
    let tenant = owner_first(&manifests)?;
    Ok(Table { message, tenant, strata, manifests, length })
}

/// How long a container's first octets say that its table is.
fn declared_length(bytes: &[u8]) -> Result<usize, UnsealError> {
    let (_, strata, manifests) = Input { rest: bytes }.preamble()?;
    Ok(table_length(strata, manifests))
}

/// Exactly the first manifest is an owner's.
fn owner_first(manifests: &[(ManifestRef, Range<usize>)]) -> Result<TenantId, UnsealError> {
    let mut readers = manifests.iter().map(|(about, _)| about.reader);
    match readers.next() {
        Some(Reader::Owner(tenant)) if readers.all(|reader| matches!(reader, Reader::View(_))) => Ok(tenant),
        _ => Err(UnsealError::Layout),
    }
}

/// What is left of the table to read.
struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], UnsealError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(UnsealError::Layout)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// What stands before the lists: the message, and how many strata and manifests there are.
    fn preamble(&mut self) -> Result<(MessageId, usize, usize), UnsealError> {
        if self.take::<8>()? != MAGIC {
            return Err(UnsealError::Magic);
        }
        if self.take::<1>()? != [VERSION] {
            return Err(UnsealError::Version);
        }
        let message = MessageId::from_bytes(self.take()?);
        let strata = usize::from(u16::from_be_bytes(self.take()?));
        let manifests = usize::from(u16::from_be_bytes(self.take()?));
        Ok((message, strata, manifests))
    }

    fn stratum(&mut self, end: &mut usize) -> Result<Range<usize>, UnsealError> {
        let length = usize::try_from(u64::from_be_bytes(self.take()?)).map_err(|_| UnsealError::Layout)?;
        stream::plain_length(length).ok_or(UnsealError::Layout)?;
        advance(end, length)
    }

    fn manifest(&mut self, end: &mut usize) -> Result<(ManifestRef, Range<usize>), UnsealError> {
        let reader = match self.take()? {
            [b'o'] => Reader::Owner(TenantId::from_bytes(self.take()?)),
            [b'v'] => Reader::View(ViewId::from_bytes(self.take()?)),
            _ => return Err(UnsealError::Layout),
        };
        let epoch = EpochId::from_bytes(self.take()?);
        let counter = u32::from_be_bytes(self.take()?);
        let length = usize::try_from(u32::from_be_bytes(self.take()?)).map_err(|_| UnsealError::Layout)?;
        Ok((ManifestRef { reader, epoch, counter }, advance(end, length)?))
    }
}

fn advance(end: &mut usize, length: usize) -> Result<Range<usize>, UnsealError> {
    let start = *end;
    *end = start.checked_add(length).ok_or(UnsealError::Layout)?;
    Ok(start..*end)
}

/// Writes the table of a container with these sealed lengths.
pub(super) fn encode(message: MessageId, strata: &[usize], manifests: &[(ManifestRef, u32)]) -> Vec<u8> {
    let mut table = Vec::with_capacity(table_length(strata.len(), manifests.len()));
    table.extend_from_slice(&MAGIC);
    table.push(VERSION);
    table.extend_from_slice(message.as_bytes());
    // The sealer refused more than MAX_COUNT of either.
    table.extend_from_slice(&(strata.len() as u16).to_be_bytes());
    table.extend_from_slice(&(manifests.len() as u16).to_be_bytes());
    for length in strata {
        table.extend_from_slice(&(*length as u64).to_be_bytes());
    }
    for (about, length) in manifests {
        table.extend_from_slice(&about.reader.to_bytes());
        table.extend_from_slice(about.epoch.as_bytes());
        table.extend_from_slice(&about.counter.to_be_bytes());
        table.extend_from_slice(&length.to_be_bytes());
    }
    table
}

/// What a manifest's tag covers besides the manifest: label, the whole table, and its place in it.
pub(super) fn associated(table: &[u8], index: usize) -> Vec<u8> {
    [MANIFEST_LABEL, table, &(index as u16).to_be_bytes()].concat()
}

/// Octets of a table.
pub(super) const fn table_length(strata: usize, manifests: usize) -> usize {
    8 + 1 + 16 + 2 + 2 + strata * 8 + manifests * (17 + 16 + 4 + 4)
}

/// Zero, since a message key seals one manifest, ever.
pub(super) const MANIFEST_NONCE: [u8; 12] = [0; 12];
/// Strata, and manifests, in one container.
pub(super) const MAX_COUNT: usize = u16::MAX as usize;
/// What is read of a stored container first, in octets: the table of a message with some twenty views.
const HEAD: u64 = 1024;
const MAGIC: [u8; 8] = *b"VEILPOST";
const VERSION: u8 = 1;
const MANIFEST_LABEL: &[u8] = b"veilpost/v1/manifest";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest(reader: Reader) -> ManifestRef {
        ManifestRef { reader, epoch: EpochId::random(), counter: 7 }
    }

    fn sample() -> (Vec<u8>, ManifestRef, ManifestRef) {
        let owner = manifest(Reader::Owner(TenantId::random()));
        let view = manifest(Reader::View(ViewId::random()));
        let mut bytes = encode(MessageId::from_bytes([3; 16]), &[17, 30], &[(owner, 5), (view, 6)]);
        assert_eq!(bytes.len(), table_length(2, 2));
        bytes.resize(bytes.len() + 17 + 30 + 5 + 6, 0);
        (bytes, owner, view)
    }

    #[test]
    fn reads_what_it_wrote() {
        let (bytes, owner, view) = sample();
        let container = Container::decode(bytes.into()).unwrap();
        assert_eq!(container.message(), MessageId::from_bytes([3; 16]));
        assert_eq!(Reader::Owner(container.tenant()), owner.reader);
        assert_eq!(container.manifests().collect::<Vec<_>>(), [owner, view]);
        assert_eq!(container.manifest_of(view.reader), Some(view));
        assert_eq!(container.manifest_of(Reader::View(ViewId::random())), None);
        assert_eq!(container.sealed_stratum(1).map(|stratum| stratum.len()), Some(30));
        assert!(container.sealed_stratum(2).is_none());
    }

    struct InMemory(Vec<u8>);

    impl Stored for InMemory {
        fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
            let octets = self.0.get(range.start as usize..range.end as usize);
            octets.map(Bytes::copy_from_slice).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }

    #[test]
    fn a_stored_container_is_the_same_as_one_in_memory() {
        let owner = manifest(Reader::Owner(TenantId::random()));
        let views: Vec<_> = (0..40).map(|_| (manifest(Reader::View(ViewId::random())), 6)).collect();
        let manifests = [vec![(owner, 5)], views].concat();
        let mut bytes = encode(MessageId::from_bytes([3; 16]), &[17, 30], &manifests);
        assert!(bytes.len() as u64 > HEAD, "the table is longer than what is read first");
        let length = bytes.len() + 17 + 30 + 5 + 40 * 6;
        bytes.extend((0..length - bytes.len()).map(|at| at as u8));
        let here = Container::decode(bytes.clone().into()).unwrap();
        let apart = Container::open(Arc::new(InMemory(bytes.clone())), length as u64).unwrap();
        assert_eq!(apart.digest(), here.digest());
        for (about, _) in &manifests {
            assert_eq!(apart.sealed_manifest(about.reader), here.sealed_manifest(about.reader));
        }
        let stratum =
            |container: &Container, range| container.sealed_stratum(1).unwrap().get(range).unwrap().to_vec();
        assert_eq!(stratum(&apart, 3..30), stratum(&here, 3..30));
        assert!(apart.sealed_stratum(1).unwrap().get(3..31).is_err());
        let cut = Arc::new(InMemory(bytes[..length - 1].to_vec()));
        assert!(matches!(Container::open(cut.clone(), length as u64), Err(OpenError::Io(_))));
        assert!(matches!(Container::open(cut, length as u64 - 1), Err(OpenError::Unseal(_))));
    }

    #[test]
    fn cut_and_continued_containers_are_refused() {
        let (bytes, ..) = sample();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(decode(&[bytes.as_slice(), b"x"].concat()).is_err());
    }

    #[test]
    fn exactly_one_owner_and_first() {
        let (owner, view) =
            (manifest(Reader::Owner(TenantId::random())), manifest(Reader::View(ViewId::random())));
        for manifests in [vec![], vec![(view, 0)], vec![(view, 0), (owner, 0)], vec![(owner, 0), (owner, 0)]]
        {
            let bytes = encode(MessageId::random(), &[], &manifests);
            assert!(matches!(decode(&bytes), Err(UnsealError::Layout)));
        }
        assert!(decode(&encode(MessageId::random(), &[], &[(owner, 0)])).is_ok());
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        let owner = manifest(Reader::Owner(TenantId::random()));
        let bytes = encode(MessageId::random(), &[usize::MAX, usize::MAX], &[(owner, u32::MAX)]);
        assert!(matches!(decode(&bytes), Err(UnsealError::Layout)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(mut bytes: Vec<u8>, begins: bool) {
            if begins {
                bytes.splice(..0, *b"VEILPOST\x01");
            }
            let _ = decode(&bytes);
        }
    }
}
