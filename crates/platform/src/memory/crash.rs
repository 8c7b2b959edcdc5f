//! What a crash leaves behind. Files: each unsynced write is there, gone, or there in some of its 512-byte blocks
//! (zeros in the others). Names: a journal in order, of which each directory keeps some first part.

use super::tree::{DirectoryNode, FileNode, NameChange, Node, Tree, Unsynced};
use crate::Random;

const BLOCK: usize = 512;

/// How much of one file's unsynced writes is there after the crash.
#[derive(Clone, Copy)]
enum Kept {
    Nothing,
    All,
    /// The first writes, the last of them in part.
    Prefix,
    /// Any blocks of any writes.
    Blocks,
}

pub(super) fn crash(tree: &mut Tree, random: &mut Random) {
    for node in &mut tree.nodes {
        match node {
            Node::File(file) => crash_file(file, random),
            Node::Directory(directory) => crash_directory(directory, random),
        }
    }
}

/// Everything unsynced is gone: the least that a file system may keep.
pub(super) fn crash_keeping_nothing(tree: &mut Tree) {
    for node in &mut tree.nodes {
        match node {
            Node::File(file) => {
                let _ = take_unsynced(file);
                take_lost(file);
            }
            Node::Directory(directory) => undo_names(directory, 0),
        }
    }
}

fn crash_file(file: &mut FileNode, random: &mut Random) {
    if file.unsynced.is_empty() && file.lost.is_empty() {
        return;
    }
    let writes = take_unsynced(file);
    take_lost(file);
    let kept = match random.below(4) {
        0 => Kept::Nothing,
        1 => Kept::All,
        2 => Kept::Prefix,
        _ => Kept::Blocks,
    };
    let whole = match kept {
        Kept::Nothing => 0,
        Kept::All | Kept::Blocks => writes.len(),
        Kept::Prefix => random.below(writes.len() as u64 + 1) as usize,
    };
    for (index, (write, bytes)) in writes.iter().enumerate() {
        if index > whole || matches!(kept, Kept::Nothing) {
            break;
        }
        let Some(bytes) = bytes else {
            file.content.resize(write.position as usize, 0);
            continue;
        };
        match kept {
            Kept::Blocks => redo_blocks(file, write.position as usize, bytes, random),
            _ if index == whole => {
                let part = random.below(bytes.len() as u64 + 1) as usize;
                redo(file, write.position as usize, &bytes[..part]);
            }
            _ => redo(file, write.position as usize, bytes),
        }
    }
}

/// Goes back to what was synced, and gives the writes since with their bytes.
fn take_unsynced(file: &mut FileNode) -> Vec<(Unsynced, Option<Vec<u8>>)> {
    let mut writes = Vec::new();
    for write in std::mem::take(&mut file.unsynced).into_iter().rev() {
        let start = write.position as usize;
        let bytes = write.written.map(|size| {
            let end = (start + size as usize).min(file.content.len());
            file.content.get(start..end).unwrap_or(&[]).to_vec()
        });
        file.content.resize(write.size_before as usize, 0);
        let end = (start + write.replaced.len()).min(file.content.len());
        if let Some(target) = file.content.get_mut(start..end) {
            target.copy_from_slice(&write.replaced[..target.len()]);
        }
        writes.push((write, bytes));
    }
    writes.reverse();
    writes
}

fn redo(file: &mut FileNode, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if file.content.len() < end {
        file.content.resize(end, 0);
    }
    file.content[position..end].copy_from_slice(bytes);
}

fn redo_blocks(file: &mut FileNode, position: usize, bytes: &[u8], random: &mut Random) {
    let mut at = 0;
    while at < bytes.len() {
        // blocks are the disk's, not the write's
        let size = (BLOCK - (position + at) % BLOCK).min(bytes.len() - at);
        if random.one_in(2) {
            redo(file, position + at, &bytes[at..at + size]);
        }
        at += size;
    }
}

/// Where a sync has failed, what the disk has comes to light.
fn take_lost(file: &mut FileNode) {
    for lost in std::mem::take(&mut file.lost).into_iter().rev() {
        let start = usize::try_from(lost.position).unwrap_or(usize::MAX).min(file.content.len());
        for (byte, on_disk) in file.content[start..].iter_mut().zip(lost.on_disk) {
            *byte = on_disk;
        }
    }
}

fn crash_directory(directory: &mut DirectoryNode, random: &mut Random) {
    let kept = random.below(directory.unsynced.len() as u64 + 1) as usize;
    undo_names(directory, kept);
}

fn undo_names(directory: &mut DirectoryNode, kept: usize) {
    for change in directory.unsynced.drain(..).skip(kept).collect::<Vec<_>>().into_iter().rev() {
        match change {
            NameChange::Link { name, replaced } => restore(directory, name, replaced),
            NameChange::Unlink { name, node } => restore(directory, name, Some(node)),
            NameChange::Rename { from, to, replaced } => {
                let node = directory.names.remove(&to);
                restore(directory, from, node);
                restore(directory, to, replaced);
            }
        }
    }
}

fn restore(directory: &mut DirectoryNode, name: String, node: Option<usize>) {
    match node {
        Some(node) => directory.names.insert(name, node),
        None => directory.names.remove(&name),
    };
}
