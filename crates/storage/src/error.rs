//! Errors by what the caller does about them: fail the log directory, refuse the client, refuse the partition.

use std::io;
use std::path::{Path, PathBuf};

use records::Refusal;
use rustix::io::Errno;
use types::Offset;

use crate::producer::ProducerRefusal;

/// What stands between a log and its disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed: the whole log directory is taken offline. Nothing is tried again.
    #[error("log directory failed at {}: {error}", path.display())]
    DirectoryFailed { path: PathBuf, error: io::Error },
    /// No space, or no file descriptor. Nothing was changed; the client is refused and may try again.
    #[error("no room at {}: {error}", path.display())]
    NoRoom { path: PathBuf, error: io::Error },
    /// Content that is not Kafka's or not of a version we read: this partition is not opened, and left as it is.
    #[error("{}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn is_directory_failed(&self) -> bool {
        matches!(self, Error::DirectoryFailed { .. })
    }

    pub(crate) fn unreadable(path: &Path, reason: impl Into<String>) -> Error {
        Error::Unreadable { path: path.to_owned(), reason: reason.into() }
    }
}

/// Names the path of a failed call and sorts the failure.
pub(crate) trait At<T> {
    fn at(self, path: impl FnOnce() -> PathBuf) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: impl FnOnce() -> PathBuf) -> Result<T> {
        self.map_err(|error| {
            let path = path();
            let no_room = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
            match Errno::from_io_error(&error) {
                Some(errno) if no_room.contains(&errno) => Error::NoRoom { path, error },
                _ => Error::DirectoryFailed { path, error },
            }
        })
    }
}

/// False where there was no room: what was to be written can wait.
pub(crate) fn if_room(written: Result<()>) -> Result<bool> {
    match written {
        Err(Error::NoRoom { .. }) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Whether a call was refused because the volume, or somebody's share of it, is full.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// What the client sent is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The producer's epoch, sequence or transaction is refused.
    #[error(transparent)]
    Producer(#[from] ProducerRefusal),
    /// RECORD_LIST_TOO_LARGE
    #[error("{size} bytes are more than a segment's {max}")]
    LargerThanSegment { size: usize, max: usize },
    /// A fetched or replayed batch that does not follow the log's end. Nothing was appended.
    #[error("offset {offset} does not follow the log's end {end}")]
    OutOfOrder { offset: Offset, end: Offset },
    /// A fetched or built batch that is damaged. Nothing was appended.
    #[error("{0}")]
    Corrupt(String),
    #[error(transparent)]
    Storage(#[from] Error),
}

impl AppendError {
    /// The number of Kafka's error.
    pub fn error_code(&self) -> i16 {
        match self {
            AppendError::Refused(refusal) => refusal.error_code(),
            AppendError::Producer(refusal) => refusal.error_code(),
            AppendError::LargerThanSegment { .. } => 18,
            AppendError::OutOfOrder { .. } => -1,
            AppendError::Corrupt(_) => 2,
            AppendError::Storage(_) => 56,
        }
    }
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// OFFSET_OUT_OF_RANGE
    #[error("offset {offset} is outside {start} to {end}")]
    OutOfRange { offset: Offset, start: Offset, end: Offset },
    /// The stored bytes are damaged: CORRUPT_MESSAGE.
    #[error("{0}")]
    Corrupt(String),
    #[error(transparent)]
    Storage(#[from] Error),
}

impl ReadError {
    /// The number of Kafka's error.
    pub fn error_code(&self) -> i16 {
        match self {
            ReadError::OutOfRange { .. } => 1,
            ReadError::Corrupt(_) => 2,
            ReadError::Storage(_) => 56,
        }
    }
}
