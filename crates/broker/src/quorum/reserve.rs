//! Room that nobody else gets: a file of nothing beside the metadata log. Where the disk is full it is given up piece by
//! piece for the few bytes that a start, or a change that frees room, must write. Filled again when there is plenty.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{File, FileSystem, OpenMode};

const NAME: &str = "reserve";
const BYTES: u64 = 1 << 20;
const PIECE: u64 = 64 << 10;
/// Usable bytes that must be on the disk before some go into the reserve.
const PLENTY: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct Reserve {
    file_system: Arc<dyn FileSystem>,
    directory: PathBuf,
    bytes: u64,
    /// Filled since it was synced.
    unsynced: Option<Arc<dyn File>>,
}

impl Reserve {
    /// What the last process has left of it.
    pub fn find(file_system: &Arc<dyn FileSystem>, directory: &Path) -> io::Result<Reserve> {
        let path = directory.join(NAME);
        let bytes = if file_system.exists(&path) { file_system.file_size(&path)? } else { 0 };
        let (file_system, directory) = (Arc::clone(file_system), directory.to_owned());
        Ok(Reserve { file_system, directory, bytes, unsynced: None })
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Does what is refused where there is no room, with a piece of the reserve more each time.
    pub fn spend<T>(&mut self, mut act: impl FnMut() -> Result<T, NoRoom>) -> io::Result<T> {
        loop {
            match act() {
                Ok(done) => return Ok(done),
                Err(NoRoom(error, false)) => return Err(error),
                Err(NoRoom(error, true)) => {
                    if !self.give_piece()? {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn give_piece(&mut self) -> io::Result<bool> {
        let Some(left) = self.bytes.checked_sub(1).map(|bytes| bytes / PIECE * PIECE) else {
            return Ok(false);
        };
        self.file_system.open(&self.directory.join(NAME), OpenMode::ReadWrite)?.set_size(left)?;
        self.bytes = left;
        Ok(true)
    }

    /// Takes room where there is plenty. No failure is of interest: the disk is as full as it was.
    pub fn fill(&mut self) {
        let has_plenty = || self.file_system.space(&self.directory).is_ok_and(|(_, usable)| usable >= PLENTY);
        if self.bytes >= BYTES || !has_plenty() {
            return;
        }
        let path = self.directory.join(NAME);
        let filled = self.file_system.open(&path, OpenMode::CreateOrOpen).and_then(|file| {
            file.allocate(BYTES)?;
            Ok(file)
        });
        if let Ok(file) = filled {
            (self.bytes, self.unsynced) = (BYTES, Some(file));
        }
    }

    /// To be synced, with the directory's names.
    pub fn take_unsynced(&mut self) -> Option<Arc<dyn File>> {
        self.unsynced.take()
    }
}

/// An error, and whether it is for lack of room.
pub(super) struct NoRoom(io::Error, bool);

impl From<io::Error> for NoRoom {
    fn from(error: io::Error) -> NoRoom {
        let is_full = storage::is_disk_full(&error);
        NoRoom(error, is_full)
    }
}

impl From<storage::Error> for NoRoom {
    fn from(error: storage::Error) -> NoRoom {
        let is_full = matches!(&error, storage::Error::NoRoom { error, .. } if storage::is_disk_full(error));
        NoRoom(io::Error::other(error.to_string()), is_full)
    }
}

impl From<storage::AppendError> for NoRoom {
    fn from(error: storage::AppendError) -> NoRoom {
        match error {
            storage::AppendError::Storage(error) => error.into(),
            other => NoRoom(io::Error::other(other.to_string()), false),
        }
    }
}
