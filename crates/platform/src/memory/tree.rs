//! Directories and files as nodes. Each keeps what it takes to go back to what was last synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

/// Index into `Tree::nodes`; never used again.
pub(super) type NodeId = usize;

#[derive(Debug)]
pub(super) enum Node {
    File(FileNode),
    Directory(DirectoryNode),
}

/// A write or a change of size since the last sync, with what it replaced.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) position: u64,
    /// Bytes written; none: the size was set to `position`.
    pub(super) written: Option<u64>,
    pub(super) size_before: u64,
    /// The bytes that were there from `position` on.
    pub(super) replaced: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct FileNode {
    pub(super) content: Vec<u8>,
    pub(super) unsynced: Vec<Unsynced>,
    /// What a failed sync has lost, in order: memory shows it until a crash.
    pub(super) lost: Vec<Lost>,
    pub(super) modified_ms: i64,
}

/// Bytes that only memory has, and no later sync of their file writes: what the disk has in their place.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) position: u64,
    pub(super) on_disk: Vec<u8>,
}

impl FileNode {
    /// The disk has everything but what an earlier sync has lost and nobody has written again.
    pub(super) fn sync(&mut self) {
        for write in std::mem::take(&mut self.unsynced) {
            match write.written {
                Some(size) => self.regain(write.position, write.position.saturating_add(size)),
                None => self.regain(write.position, u64::MAX),
            }
        }
    }

    /// As Linux does: the pages are clean now, the disk never had them, and the next sync succeeds.
    pub(super) fn fail_sync(&mut self) {
        for write in std::mem::take(&mut self.unsynced) {
            let mut on_disk = write.replaced;
            on_disk.resize(usize::try_from(write.written.unwrap_or(0)).unwrap_or(0), 0);
            if !on_disk.is_empty() {
                self.lost.push(Lost { position: write.position, on_disk });
            }
        }
    }

    /// The disk has this range after all, or it is no more.
    fn regain(&mut self, start: u64, end: u64) {
        for lost in std::mem::take(&mut self.lost) {
            let (from, to) = (lost.position, lost.position.saturating_add(lost.on_disk.len() as u64));
            for (position, stop) in [(from, to.min(start)), (from.max(end), to)] {
                if position < stop {
                    let kept = lost.on_disk.get((position - from) as usize..(stop - from) as usize);
                    self.lost.push(Lost { position, on_disk: kept.unwrap_or_default().to_vec() });
                }
            }
        }
    }
}

/// One change of a directory's names since its last sync, with what it replaced.
#[derive(Debug)]
pub(super) enum NameChange {
    Link { name: String, replaced: Option<NodeId> },
    Unlink { name: String, node: NodeId },
    Rename { from: String, to: String, replaced: Option<NodeId> },
}

impl NameChange {
    fn touches(&self, name: &str) -> bool {
        match self {
            NameChange::Link { name: other, .. } | NameChange::Unlink { name: other, .. } => other == name,
            NameChange::Rename { from, to, .. } => from == name || to == name,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct DirectoryNode {
    pub(super) names: BTreeMap<String, NodeId>,
    pub(super) unsynced: Vec<NameChange>,
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree { nodes: vec![Node::Directory(DirectoryNode::default())] }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = 0;
        for name in names(path) {
            let names = &self.directory(at)?.names;
            at = *names.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The directory that holds the path, and its last name.
    pub(super) fn parent<'a>(&self, path: &'a Path) -> io::Result<(NodeId, &'a str)> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("/")))?;
        self.directory(parent)?;
        Ok((parent, name))
    }

    pub(super) fn directory(&self, id: NodeId) -> io::Result<&DirectoryNode> {
        match self.nodes.get(id) {
            Some(Node::Directory(directory)) => Ok(directory),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn directory_mut(&mut self, id: NodeId) -> io::Result<&mut DirectoryNode> {
        match self.nodes.get_mut(id) {
            Some(Node::Directory(directory)) => Ok(directory),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file(&self, id: NodeId) -> io::Result<&FileNode> {
        match self.nodes.get(id) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(id) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn link(&mut self, parent: NodeId, name: &str, node: Node) -> io::Result<NodeId> {
        let id = self.nodes.len();
        self.nodes.push(node);
        let directory = self.directory_mut(parent)?;
        let replaced = directory.names.insert(name.to_owned(), id);
        directory.unsynced.push(NameChange::Link { name: name.to_owned(), replaced });
        Ok(id)
    }

    pub(super) fn unlink(&mut self, parent: NodeId, name: &str) -> io::Result<()> {
        let directory = self.directory_mut(parent)?;
        let node = directory.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        directory.unsynced.push(NameChange::Unlink { name: name.to_owned(), node });
        Ok(())
    }

    /// Within one directory it lasts with that directory's sync; between two it lasts at once.
    pub(super) fn rename(&mut self, from: (NodeId, &str), to: (NodeId, &str)) -> io::Result<()> {
        let node = *self.directory(from.0)?.names.get(from.1).ok_or(io::ErrorKind::NotFound)?;
        if let Some(&replaced) = self.directory(to.0)?.names.get(to.1)
            && matches!(self.nodes.get(replaced), Some(Node::Directory(d)) if !d.names.is_empty())
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.directory_mut(from.0)?.names.remove(from.1);
        let target = self.directory_mut(to.0)?;
        let replaced = target.names.insert(to.1.to_owned(), node);
        if from.0 == to.0 {
            let change = NameChange::Rename { from: from.1.to_owned(), to: to.1.to_owned(), replaced };
            target.unsynced.push(change);
        } else {
            target.unsynced.clear();
            self.directory_mut(from.0)?.unsynced.clear();
        }
        Ok(())
    }

    /// See `MemoryFileSystem::durable_size`.
    pub(super) fn durable_size(&self, path: &Path) -> Option<u64> {
        let mut at = 0;
        for name in names(path) {
            let directory = self.directory(at).ok()?;
            if directory.unsynced.iter().any(|change| change.touches(name)) {
                return None;
            }
            at = *directory.names.get(name)?;
        }
        let file = self.file(at).ok()?;
        let unsynced = file.unsynced.iter().map(|write| write.position);
        let lost = file.lost.iter().map(|lost| lost.position);
        Some(unsynced.chain(lost).min().unwrap_or(u64::MAX).min(file.content.len() as u64))
    }

    /// Bytes in all files that have a name.
    pub(super) fn used(&self, from: NodeId) -> u64 {
        match self.nodes.get(from) {
            Some(Node::File(file)) => file.content.len() as u64,
            Some(Node::Directory(directory)) => directory.names.values().map(|&id| self.used(id)).sum(),
            None => 0,
        }
    }
}

/// The names of a path, from the root; `.` and the root itself give none.
fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}
