//! The disk of the power-cut file system: files and folders, each as it is and as it was synced.
//! Knows no FUSE.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The number of a file or folder.
pub type Inode = u64;

/// The folder that is mounted.
pub const ROOT: Inode = 1;

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// A part of it is lost, chosen by this seed.
    Some(u64),
}

/// Why an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    Exists,
    NotFolder,
    IsFolder,
    NotEmpty,
    Full,
    Broken,
}

/// Everything on the disk. Removed files are kept: a cut may bring them back.
pub struct Disk {
    pub fail_syncs: bool,
    nodes: HashMap<Inode, Node>,
    next: Inode,
    free_pages: Option<u64>,
}

#[derive(Clone)]
pub struct Node {
    pub mode: u32,
    pub modified: SystemTime,
    pub content: Content,
}

#[derive(Clone)]
pub enum Content {
    File(File),
    Folder(Folder),
    /// A socket: a name and nothing more.
    Socket,
}

#[derive(Clone, Default)]
pub struct File {
    now: Image,
    synced: Image,
    /// Pages that differ, perhaps, between the two.
    dirty: BTreeSet<u64>,
}

#[derive(Clone, Default)]
struct Image {
    length: u64,
    /// Absent pages are zero.
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

#[derive(Clone, Default)]
pub struct Folder {
    now: BTreeMap<OsString, Inode>,
    synced: BTreeMap<OsString, Inode>,
}

impl Disk {
    pub fn new() -> Self {
        let root = Node::new(0o700, Content::Folder(Folder::default()));
        Self { fail_syncs: false, nodes: HashMap::from([(ROOT, root)]), next: ROOT + 1, free_pages: None }
    }

    pub fn leave_room(&mut self, bytes: Option<u64>) {
        self.free_pages = bytes.map(|bytes| bytes / PAGE as u64);
    }

    pub fn node(&self, inode: Inode) -> Result<&Node, Refusal> {
        self.nodes.get(&inode).ok_or(Refusal::NotFound)
    }

    pub fn node_mut(&mut self, inode: Inode) -> Result<&mut Node, Refusal> {
        self.nodes.get_mut(&inode).ok_or(Refusal::NotFound)
    }

    pub fn find(&self, folder: Inode, name: &OsStr) -> Result<Inode, Refusal> {
        self.node(folder)?.folder()?.now.get(name).copied().ok_or(Refusal::NotFound)
    }

    /// Names and numbers of what is in a folder.
    pub fn list(&self, folder: Inode) -> Result<impl Iterator<Item = (&OsString, Inode)>, Refusal> {
        Ok(self.node(folder)?.folder()?.now.iter().map(|(name, inode)| (name, *inode)))
    }

    pub fn create(
        &mut self,
        folder: Inode,
        name: &OsStr,
        mode: u32,
        content: Content,
    ) -> Result<Inode, Refusal> {
        let inode = self.next;
        self.link(folder, name, inode)?;
        self.nodes.insert(inode, Node::new(mode, content));
        self.next += 1;
        Ok(inode)
    }

    pub fn link(&mut self, folder: Inode, name: &OsStr, inode: Inode) -> Result<(), Refusal> {
        let entries = &mut self.node_mut(folder)?.folder_mut()?.now;
        if entries.contains_key(name) {
            return Err(Refusal::Exists);
        }
        entries.insert(name.to_owned(), inode);
        Ok(())
    }

    pub fn remove(&mut self, folder: Inode, name: &OsStr) -> Result<(), Refusal> {
        let inode = self.find(folder, name)?;
        match &self.node(inode)?.content {
            Content::Folder(inner) if !inner.now.is_empty() => return Err(Refusal::NotEmpty),
            _ => {}
        }
        self.node_mut(folder)?.folder_mut()?.now.remove(name);
        Ok(())
    }

    pub fn rename(
        &mut self,
        folder: Inode,
        name: &OsStr,
        to: Inode,
        new_name: &OsStr,
    ) -> Result<(), Refusal> {
        let inode = self.find(folder, name)?;
        if self.find(to, new_name).is_ok() {
            self.remove(to, new_name)?;
        }
        self.node_mut(folder)?.folder_mut()?.now.remove(name);
        self.link(to, new_name, inode)
    }

    pub fn read(&self, inode: Inode, offset: u64, size: usize) -> Result<Vec<u8>, Refusal> {
        Ok(self.node(inode)?.file()?.now.read(offset, size))
    }

    pub fn write(&mut self, inode: Inode, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let free = self.free_pages;
        let node = self.node_mut(inode)?;
        let taken = node.file_mut()?.write(offset, bytes, free)?;
        node.modified = SystemTime::now();
        self.free_pages = free.map(|free| free - taken);
        Ok(())
    }

    pub fn set_length(&mut self, inode: Inode, length: u64) -> Result<(), Refusal> {
        let node = self.node_mut(inode)?;
        node.modified = SystemTime::now();
        node.file_mut()?.set_length(length);
        Ok(())
    }

    pub fn sync(&mut self, inode: Inode) -> Result<(), Refusal> {
        if self.fail_syncs {
            return Err(Refusal::Broken);
        }
        match &mut self.node_mut(inode)?.content {
            Content::File(file) => file.sync(),
            Content::Folder(folder) => folder.synced = folder.now.clone(),
            Content::Socket => {}
        }
        Ok(())
    }

    /// What a power cut would leave.
    pub fn survivors(&self, loss: Loss) -> Survivors {
        let mut chance = Chance(loss);
        let nodes = self.nodes.iter().collect::<BTreeMap<_, _>>();
        let nodes = nodes.into_iter().map(|(inode, node)| (*inode, node.after_cut(&mut chance))).collect();
        Survivors(nodes)
    }
}

impl Node {
    fn new(mode: u32, content: Content) -> Self {
        Self { mode: mode & 0o7777, modified: SystemTime::now(), content }
    }

    pub fn length(&self) -> u64 {
        if let Content::File(file) = &self.content { file.now.length } else { 0 }
    }

    fn file(&self) -> Result<&File, Refusal> {
        if let Content::File(file) = &self.content { Ok(file) } else { Err(Refusal::IsFolder) }
    }

    fn file_mut(&mut self) -> Result<&mut File, Refusal> {
        if let Content::File(file) = &mut self.content { Ok(file) } else { Err(Refusal::IsFolder) }
    }

    fn folder(&self) -> Result<&Folder, Refusal> {
        if let Content::Folder(folder) = &self.content { Ok(folder) } else { Err(Refusal::NotFolder) }
    }

    fn folder_mut(&mut self) -> Result<&mut Folder, Refusal> {
        if let Content::Folder(folder) = &mut self.content { Ok(folder) } else { Err(Refusal::NotFolder) }
    }

    fn after_cut(&self, chance: &mut Chance) -> Self {
        let content = match &self.content {
            Content::File(file) => Content::File(file.after_cut(chance)),
            Content::Folder(folder) => Content::Folder(folder.after_cut(chance)),
            Content::Socket => Content::Socket,
        };
        Self { content, ..*self }
    }
}

impl File {
    /// Writes, and says how many pages it took that were not taken before.
    fn write(&mut self, offset: u64, bytes: &[u8], free: Option<u64>) -> Result<u64, Refusal> {
        let touched = || offset / PAGE as u64..(offset + bytes.len() as u64).div_ceil(PAGE as u64);
        let taken = touched().filter(|page| !self.now.pages.contains_key(page)).count() as u64;
        if free.is_some_and(|free| taken > free) {
            return Err(Refusal::Full);
        }
        for page in touched() {
            let start = page * PAGE as u64;
            let target = Arc::make_mut(self.now.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE])));
            let from = offset.saturating_sub(start) as usize;
            let source = start.saturating_sub(offset) as usize;
            let count = (PAGE - from).min(bytes.len() - source);
            target[from..from + count].copy_from_slice(&bytes[source..source + count]);
            self.dirty.insert(page);
        }
        self.now.length = self.now.length.max(offset + bytes.len() as u64);
        Ok(taken)
    }

    fn set_length(&mut self, length: u64) {
        let first_gone = length.div_ceil(PAGE as u64);
        self.dirty.extend(self.now.pages.split_off(&first_gone).into_keys());
        let (last, kept) = (length / PAGE as u64, (length % PAGE as u64) as usize);
        if let Some(page) = self.now.pages.get_mut(&last) {
            Arc::make_mut(page)[kept..].fill(0);
            self.dirty.insert(last);
        }
        self.now.length = length;
    }

    fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            match self.now.pages.get(&page) {
                Some(bytes) => drop(self.synced.pages.insert(page, Arc::clone(bytes))),
                None => drop(self.synced.pages.remove(&page)),
            }
        }
        self.synced.length = self.now.length;
    }

    fn after_cut(&self, chance: &mut Chance) -> Self {
        let mut image = self.synced.clone();
        if chance.is_kept() {
            image.length = self.now.length;
        }
        for page in &self.dirty {
            let mut mixed = self.synced.pages.get(page).map_or([0; PAGE], |bytes| **bytes);
            let now = self.now.pages.get(page).map_or([0; PAGE], |bytes| **bytes);
            for (old, new) in mixed.chunks_mut(SECTOR).zip(now.chunks(SECTOR)) {
                if chance.is_kept() {
                    old.copy_from_slice(new);
                }
            }
            image.pages.insert(*page, Arc::new(mixed));
        }
        Self { now: image.clone(), synced: image, dirty: BTreeSet::new() }
    }
}

impl Image {
    fn read(&self, offset: u64, size: usize) -> Vec<u8> {
        let end = self.length.min(offset.saturating_add(size as u64));
        let mut bytes = vec![0; end.saturating_sub(offset) as usize];
        let mut at = offset;
        while at < end {
            let (page, from) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let count = (PAGE - from).min((end - at) as usize);
            if let Some(source) = self.pages.get(&page) {
                let to = (at - offset) as usize;
                bytes[to..to + count].copy_from_slice(&source[from..from + count]);
            }
            at += count as u64;
        }
        bytes
    }
}

impl Folder {
    fn after_cut(&self, chance: &mut Chance) -> Self {
        let mut entries = self.synced.clone();
        let names: BTreeSet<_> = self.synced.keys().chain(self.now.keys()).collect();
        for name in names {
            let now = self.now.get(name);
            if now != self.synced.get(name) && chance.is_kept() {
                match now {
                    Some(inode) => drop(entries.insert(name.clone(), *inode)),
                    None => drop(entries.remove(name)),
                }
            }
        }
        Self { now: entries.clone(), synced: entries }
    }
}

/// What a power cut left.
pub struct Survivors(HashMap<Inode, Node>);

impl Survivors {
    /// Writes everything into `folder`.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        self.write_node(ROOT, folder)
    }

    fn write_node(&self, inode: Inode, path: &Path) -> io::Result<()> {
        let node = &self.0[&inode];
        match &node.content {
            Content::Socket => return Ok(()),
            Content::File(file) => write_file(&file.now, path)?.set_modified(node.modified)?,
            Content::Folder(folder) => {
                if inode != ROOT {
                    std::fs::create_dir(path)?;
                }
                for (name, inner) in &folder.now {
                    self.write_node(*inner, &path.join(name))?;
                }
            }
        }
        std::fs::set_permissions(path, PermissionsExt::from_mode(node.mode))
    }
}

fn write_file(image: &Image, path: &Path) -> io::Result<std::fs::File> {
    let file = std::fs::File::create_new(path)?;
    file.set_len(image.length)?;
    for (page, bytes) in &image.pages {
        let start = page * PAGE as u64;
        let count = image.length.saturating_sub(start).min(PAGE as u64) as usize;
        file.write_all_at(&bytes[..count], start)?;
    }
    Ok(file)
}

/// Decides, change by change, what is kept.
struct Chance(Loss);

impl Chance {
    fn is_kept(&mut self) -> bool {
        match &mut self.0 {
            Loss::All => false,
            Loss::Some(state) => random(state).is_multiple_of(2),
        }
    }
}

/// SplitMix64: the same choices for the same seed.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(disk: &mut Disk, name: &str) -> Inode {
        disk.create(ROOT, name.as_ref(), 0o600, Content::File(File::default())).unwrap()
    }

    /// Names and contents that survive, sorted.
    fn survivors(disk: &Disk, loss: Loss) -> Vec<(String, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        disk.survivors(loss).write_to(folder.path()).unwrap();
        let mut found: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap_or_default())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn names_survive_from_the_sync_of_their_folder() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.write(inode, 0, b"x").unwrap();
        disk.sync(inode).unwrap();
        assert!(survivors(&disk, Loss::All).is_empty());
        disk.sync(ROOT).unwrap();
        disk.rename(ROOT, "a".as_ref(), ROOT, "b".as_ref()).unwrap();
        assert_eq!(survivors(&disk, Loss::All), [("a".to_owned(), b"x".to_vec())]);
        disk.sync(ROOT).unwrap();
        disk.remove(ROOT, "b".as_ref()).unwrap();
        assert_eq!(survivors(&disk, Loss::All), [("b".to_owned(), b"x".to_vec())]);
        disk.sync(ROOT).unwrap();
        assert!(survivors(&disk, Loss::All).is_empty());
    }

    #[test]
    fn bytes_survive_from_the_sync_of_their_file() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.sync(ROOT).unwrap();
        disk.write(inode, 4090, b"0123456789").unwrap();
        assert_eq!(survivors(&disk, Loss::All)[0].1, b"");
        disk.sync(inode).unwrap();
        let synced = survivors(&disk, Loss::All)[0].1.clone();
        assert_eq!((synced.len(), &synced[4089..]), (4100, &b"\x000123456789"[..]));
        disk.write(inode, 4095, b"ABC").unwrap();
        disk.set_length(inode, 4097).unwrap();
        assert_eq!(survivors(&disk, Loss::All)[0].1, synced);
        disk.sync(inode).unwrap();
        assert_eq!(&survivors(&disk, Loss::All)[0].1[4089..], b"\x0001234AB");
    }

    #[test]
    fn a_partial_loss_keeps_what_was_synced_and_differs_by_seed() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.write(inode, 0, &[1; 64 * SECTOR]).unwrap();
        disk.sync(inode).unwrap();
        disk.sync(ROOT).unwrap();
        disk.write(inode, 0, &[2; 32 * SECTOR]).unwrap();
        let kept = |seed| survivors(&disk, Loss::Some(seed))[0].1.clone();
        let bytes = kept(1);
        assert!(bytes.contains(&2) && bytes[..32 * SECTOR].contains(&1));
        assert!(bytes[32 * SECTOR..].iter().all(|byte| *byte == 1));
        assert!(bytes.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        assert_eq!(bytes, kept(1));
        assert_ne!(bytes, kept(2));
    }

    #[test]
    fn a_full_disk_refuses_new_pages_only() {
        let mut disk = Disk::new();
        let inode = file(&mut disk, "a");
        disk.write(inode, 0, &[1; PAGE]).unwrap();
        disk.leave_room(Some(0));
        disk.write(inode, 0, &[2; PAGE]).unwrap();
        assert_eq!(disk.write(inode, 1, &[2; PAGE]), Err(Refusal::Full));
        disk.leave_room(Some(PAGE as u64));
        disk.write(inode, 1, &[2; PAGE]).unwrap();
    }
}
