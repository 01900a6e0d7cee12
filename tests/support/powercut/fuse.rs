//! The power-cut disk as the kernel sees it: every request becomes one call of [`Disk`].

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::disk::{Content, Disk, File, Folder, Inode, Node, ROOT, Refusal};

/// The disk behind a mount.
pub struct Mounted(pub Arc<Mutex<Disk>>);

impl Mounted {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no file operation panics")
    }

    fn create_node(&self, folder: INodeNo, name: &OsStr, mode: u32, content: Content) -> Found {
        let mut disk = self.disk();
        let inode = disk.create(folder.0, name, mode, content)?;
        Ok(attributes(inode, disk.node(inode)?))
    }
}

type Found = Result<FileAttr, Refusal>;

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = self.disk();
        let found = disk.find(folder.0, name);
        entry(found.and_then(|inode| Ok(attributes(inode, disk.node(inode)?))), reply);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attribute(self.disk().node(inode.0).map(|node| attributes(inode.0, node)), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        length: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = |disk: &mut Disk| {
            if let Some(length) = length {
                disk.set_length(inode.0, length)?;
            }
            let node = disk.node_mut(inode.0)?;
            node.mode = mode.map_or(node.mode, |mode| mode & 0o7777);
            match modified {
                Some(TimeOrNow::SpecificTime(time)) => node.modified = time,
                Some(TimeOrNow::Now) => node.modified = SystemTime::now(),
                None => {}
            }
            Ok(attributes(inode.0, node))
        };
        attribute(change(&mut self.disk()), reply);
    }

    fn mknod(
        &self,
        _: &Request,
        folder: INodeNo,
        name: &OsStr,
        mode: u32,
        mask: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let is_socket = mode & KIND == SOCKET;
        let content = if is_socket { Content::Socket } else { Content::File(File::default()) };
        entry(self.create_node(folder, name, mode & !mask, content), reply);
    }

    fn mkdir(&self, _: &Request, folder: INodeNo, name: &OsStr, mode: u32, mask: u32, reply: ReplyEntry) {
        entry(self.create_node(folder, name, mode & !mask, Content::Folder(Folder::default())), reply);
    }

    fn create(
        &self,
        _: &Request,
        folder: INodeNo,
        name: &OsStr,
        mode: u32,
        mask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.create_node(folder, name, mode & !mask, Content::File(File::default())) {
            Ok(found) => {
                reply.created(&KEPT, &found, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn link(&self, _: &Request, inode: INodeNo, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        let linked = disk.link(folder.0, name, inode.0);
        entry(linked.and_then(|()| Ok(attributes(inode.0, disk.node(inode.0)?))), reply);
    }

    fn unlink(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.disk().remove(folder.0, name), reply);
    }

    fn rmdir(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.disk().remove(folder.0, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        folder: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        match flags.is_empty() {
            true => done(self.disk().rename(folder.0, name, to.0, new_name), reply),
            false => reply.error(Errno::EINVAL),
        }
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().read(inode.0, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(inode.0, offset, bytes) {
            Ok(()) => reply.written(bytes.len() as u32),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.disk().sync(inode.0), reply);
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.disk().sync(inode.0), reply);
    }

    fn readdir(&self, _: &Request, folder: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let disk = self.disk();
        let Ok(entries) = disk.list(folder.0) else { return reply.error(Errno::ENOTDIR) };
        // Resumed by number, not by position: entries may go while they are read.
        let mut entries: Vec<_> = entries.filter(|(_, inode)| *inode > offset).collect();
        entries.sort_by_key(|(_, inode)| *inode);
        for (name, inode) in entries {
            let kind = disk.node(inode).map_or(FileType::RegularFile, kind);
            if reply.add(INodeNo(inode), inode, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(MANY, MANY, MANY, MANY, MANY, 4096, 255, 4096);
    }
}

fn entry(found: Found, reply: ReplyEntry) {
    match found {
        Ok(found) => reply.entry(&KEPT, &found, Generation(0)),
        Err(refusal) => reply.error(errno(refusal)),
    }
}

fn attribute(found: Found, reply: ReplyAttr) {
    match found {
        Ok(found) => reply.attr(&KEPT, &found),
        Err(refusal) => reply.error(errno(refusal)),
    }
}

fn done(outcome: Result<(), Refusal>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(refusal) => reply.error(errno(refusal)),
    }
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::NotFound => Errno::ENOENT,
        Refusal::Exists => Errno::EEXIST,
        Refusal::NotFolder => Errno::ENOTDIR,
        Refusal::IsFolder => Errno::EISDIR,
        Refusal::NotEmpty => Errno::ENOTEMPTY,
        Refusal::Full => Errno::ENOSPC,
        Refusal::Broken => Errno::EIO,
    }
}

fn kind(node: &Node) -> FileType {
    match node.content {
        Content::File(_) => FileType::RegularFile,
        Content::Folder(_) => FileType::Directory,
        Content::Socket => FileType::Socket,
    }
}

fn attributes(inode: Inode, node: &Node) -> FileAttr {
    FileAttr {
        ino: INodeNo(inode),
        size: node.length(),
        blocks: node.length().div_ceil(512),
        atime: node.modified,
        mtime: node.modified,
        ctime: node.modified,
        crtime: node.modified,
        kind: kind(node),
        perm: node.mode as u16,
        nlink: if inode == ROOT { 2 } else { 1 },
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// Only this process changes the disk, so the kernel may keep what it was told.
const KEPT: Duration = Duration::from_secs(3600);
/// `S_IFMT` and `S_IFSOCK` of inode(7).
const KIND: u32 = 0o170_000;
const SOCKET: u32 = 0o140_000;
/// Blocks and files that are said to be free.
const MANY: u64 = 1 << 30;
