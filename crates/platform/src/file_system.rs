//! Files as the core sees them: positioned reads and writes, and the few metadata calls that a log needs.
//! What is not synced may be lost in a crash; a rename or a new name lasts only after `sync_directory`.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// How `FileSystem::open` treats a file that exists, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reads only.
    Read,
    /// Must exist.
    ReadWrite,
    /// Made if it does not exist.
    CreateOrOpen,
    /// Must not exist.
    CreateNew,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    pub name: String,
    pub is_directory: bool,
}

/// Held for a directory as long as the process uses it; dropped, it is free.
pub trait Lock: Send + Sync + Debug {}

/// Syncs files and names one by one.
pub(crate) fn sync_below<F: FileSystem + ?Sized>(system: &F, path: &Path) -> io::Result<()> {
    for entry in system.read_directory(path)? {
        let inner = path.join(&entry.name);
        if entry.is_directory {
            sync_below(system, &inner)?;
        } else {
            system.open(&inner, OpenMode::Read)?.sync()?;
        }
    }
    system.sync_directory(path)
}

pub trait FileSystem: Send + Sync + Debug {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Entries sorted by name.
    fn read_directory(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    fn create_directory_all(&self, path: &Path) -> io::Result<()>;
    fn exists(&self, path: &Path) -> bool;
    /// Bytes.
    fn file_size(&self, path: &Path) -> io::Result<u64>;
    /// Milliseconds since the Unix epoch.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    fn set_modified_ms(&self, path: &Path, wall_ms: i64) -> io::Result<()>;
    /// Atomic; replaces a file that has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_directory_all(&self, path: &Path) -> io::Result<()>;
    /// Makes names made, renamed and removed in this directory last.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// As `sync_directory`, where a directory that was renamed or removed meanwhile has nothing left to be synced.
    fn sync_directory_if_exists(&self, path: &Path) -> io::Result<()> {
        match self.sync_directory(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
    /// Makes every file and name below this directory last, one by one where the system cannot do it at once. What
    /// else its volume holds may be waited for too.
    fn sync_everything(&self, path: &Path) -> io::Result<()> {
        sync_below(self, path)
    }
    /// Exclusive for the process; `WouldBlock` where another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
    /// Total and usable bytes of the volume that holds the path.
    fn space(&self, path: &Path) -> io::Result<(u64, u64)>;

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; file.size()? as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// The whole content or the old one, whatever happens: written beside, synced, renamed, directory synced.
    fn write_atomically(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".tmp");
        let beside = Path::new(&beside);
        let file = self.open(beside, OpenMode::CreateOrOpen)?;
        file.set_size(0)?;
        file.write_at(&mut [IoSlice::new(bytes)], 0)?;
        file.sync()?;
        self.rename(beside, path)?;
        match path.parent() {
            Some(parent) => self.sync_directory(parent),
            None => Ok(()),
        }
    }
}

/// An open file. Shared: a reader keeps it alive after its name is gone.
pub trait File: Send + Sync + Debug {
    /// Bytes read; fewer than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// All buffers in order (`pwritev`), or an error with any part of them written. The slices may be advanced.
    fn write_at(&self, buffers: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;
    fn size(&self) -> io::Result<u64>;
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Makes the file at least this large, of blocks that are its own.
    fn allocate(&self, size: u64) -> io::Result<()> {
        write_zeros(self, size)
    }
    /// Content and size survive a crash from here on. An error means that the log directory has failed: never tried again.
    fn sync(&self) -> io::Result<()>;
    /// For `sendfile`; none in memory.
    fn raw_fd(&self) -> Option<std::os::fd::RawFd>;
}

/// The way to allocate where the file system knows no better.
pub(crate) fn write_zeros(file: &(impl File + ?Sized), size: u64) -> io::Result<()> {
    let zeros = [0; 16 << 10];
    let mut end = file.size()?;
    while end < size {
        let part = zeros.get(..usize::try_from(size - end).unwrap_or(usize::MAX)).unwrap_or(&zeros);
        file.write_at(&mut [IoSlice::new(part)], end)?;
        end += part.len() as u64;
    }
    Ok(())
}

/// A range of a file that a response carries without its bytes being read. Keeps the file alive.
#[derive(Clone, Debug)]
pub struct FileSlice {
    pub file: Arc<dyn File>,
    pub position: u64,
    pub size: u64,
}

impl FileSlice {
    /// Reads the whole range; `UnexpectedEof` where the file is shorter.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size as usize];
        let read = self.file.read_at(&mut bytes, self.position)?;
        if read < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}
