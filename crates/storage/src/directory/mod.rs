//! One entry of `log.dirs`: its lock, identity, checkpoints, and the partitions' directories in it.

mod clean_shutdown;
mod meta_properties;
mod partitions;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{FileSystem, Lock};
use types::{Offset, TopicPartition, Uuid};

pub use clean_shutdown::CleanShutdown;
pub use meta_properties::MetaProperties;
pub use partitions::PartitionDirectory;

use crate::checkpoint::{self, HIGH_WATERMARK, LOG_START_OFFSET, PartitionOffset, RECOVERY_POINT};
use crate::error::{At, Error, Result};

const LOCK: &str = ".lock";

/// Why a log directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("Failed to acquire lock on file .lock in {}. A Kafka instance in another process or thread is using this directory.", path.display())]
    Locked { path: PathBuf },
    /// There is nothing in it that could be served.
    #[error("{error}; the directory is not formatted yet")]
    NotFormatted { error: Error },
    /// Other directories may work.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// What the checkpoints of a directory say; partitions that are not there start at 0.
#[derive(Clone, Debug, Default)]
pub struct StartPoints {
    pub recovery_points: BTreeMap<TopicPartition, Offset>,
    pub start_offsets: BTreeMap<TopicPartition, Offset>,
    pub high_watermarks: BTreeMap<TopicPartition, Offset>,
    /// Texts of checkpoint files that could not be read, and are taken for empty; for a warning.
    pub unreadable: Vec<String>,
}

#[derive(Debug)]
pub struct LogDirectory {
    file_system: Arc<dyn FileSystem>,
    path: PathBuf,
    meta: Option<MetaProperties>,
    #[expect(dead_code, reason = "held, not read")]
    lock: Box<dyn Lock>,
}

impl LogDirectory {
    /// Reads `meta.properties`, makes the directory if need be, and locks it.
    pub fn open(
        file_system: Arc<dyn FileSystem>,
        path: &Path,
    ) -> std::result::Result<LogDirectory, OpenError> {
        let meta = MetaProperties::read(&*file_system, path)?;
        let lock = lock(&*file_system, path).map_err(|error| match (error, &meta) {
            (OpenError::Storage(error), None) => OpenError::NotFormatted { error },
            (error, _) => error,
        })?;
        Ok(LogDirectory { file_system, path: path.to_owned(), meta, lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.file_system
    }

    /// None where the directory is not formatted.
    pub fn meta(&self) -> Option<&MetaProperties> {
        self.meta.as_ref()
    }

    /// The directory's id; zero where it has none.
    pub fn id(&self) -> Uuid {
        self.meta.as_ref().and_then(|meta| meta.directory_id).unwrap_or(Uuid::ZERO)
    }

    pub fn write_meta(&mut self, meta: MetaProperties) -> Result<()> {
        meta.write(&*self.file_system, &self.path)?;
        self.meta = Some(meta);
        Ok(())
    }

    /// Whether the last stop was clean; asked once, before any log is opened.
    pub fn take_clean_shutdown(&self) -> Result<Option<CleanShutdown>> {
        clean_shutdown::take(&*self.file_system, &self.path)
    }

    /// The last act of a clean stop, when all logs are closed and the checkpoints written.
    pub fn write_clean_shutdown(&self, broker_epoch: i64) -> Result<()> {
        clean_shutdown::write(&*self.file_system, &self.path, broker_epoch)
    }

    /// Total and usable bytes of the volume.
    pub fn space(&self) -> Result<(u64, u64)> {
        self.file_system.space(&self.path).at(|| self.path.clone())
    }

    pub fn start_points(&self) -> Result<StartPoints> {
        let mut points = StartPoints::default();
        let mut read = |name: &str| -> Result<BTreeMap<TopicPartition, Offset>> {
            match checkpoint::read_offsets(&*self.file_system, &self.path.join(name)) {
                Ok(entries) => Ok(entries.into_iter().map(|entry| (entry.partition, entry.offset)).collect()),
                Err(error @ Error::Unreadable { .. }) => {
                    points.unreadable.push(error.to_string());
                    Ok(BTreeMap::new())
                }
                Err(error) => Err(error),
            }
        };
        let (recovery, start, high) = (read(RECOVERY_POINT)?, read(LOG_START_OFFSET)?, read(HIGH_WATERMARK)?);
        points.recovery_points = recovery;
        points.start_offsets = start;
        points.high_watermarks = high;
        Ok(points)
    }

    /// All partitions' recovery points. Blocks for a sync; for a disk worker, as are the two below.
    pub fn write_recovery_points(&self, entries: &[PartitionOffset]) -> Result<()> {
        checkpoint::write_offsets(&*self.file_system, &self.path.join(RECOVERY_POINT), entries)
    }

    /// The start offsets of the partitions whose start is above their first segment's base.
    pub fn write_start_offsets(&self, entries: &[PartitionOffset]) -> Result<()> {
        checkpoint::write_offsets(&*self.file_system, &self.path.join(LOG_START_OFFSET), entries)
    }

    pub fn write_high_watermarks(&self, entries: &[PartitionOffset]) -> Result<()> {
        checkpoint::write_offsets(&*self.file_system, &self.path.join(HIGH_WATERMARK), entries)
    }
}

fn lock(file_system: &dyn FileSystem, path: &Path) -> std::result::Result<Box<dyn Lock>, OpenError> {
    file_system.create_directory_all(path).at(|| path.to_owned())?;
    match file_system.lock(&path.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(OpenError::Locked { path: path.to_owned() })
        }
        locked => Ok(locked.at(|| path.join(LOCK))?),
    }
}
