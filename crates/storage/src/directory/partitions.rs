//! The partitions' directories of a log directory: listing, opening, making, renaming, removing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use types::{Offset, TopicPartition, Uuid};

use super::LogDirectory;
use crate::config::LogConfig;
use crate::error::{At, Error, Result};
use crate::log::{FlushPlan, Log, LogOptions, Opened};
use crate::names::{DirectoryKind, LOG, parse_partition_directory, partition_directory};
use crate::partition_metadata;

/// A partition's directory, not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDirectory {
    pub partition: TopicPartition,
    pub kind: DirectoryKind,
    /// Of `partition.metadata`; None where there is none, or the directory is neither current nor future.
    pub topic_id: Option<Uuid>,
    pub path: PathBuf,
}

impl LogDirectory {
    /// All partitions' directories but `__cluster_metadata`, which is the quorum's.
    pub fn partitions(&self) -> Result<Vec<PartitionDirectory>> {
        let mut found = Vec::new();
        for entry in self.file_system.read_directory(&self.path).at(|| self.path.clone())? {
            let Some((partition, kind)) = parse_partition_directory(&entry.name) else { continue };
            if !entry.is_directory || &*partition.topic == "__cluster_metadata" {
                continue;
            }
            let path = self.path.join(&entry.name);
            let topic_id = match kind {
                DirectoryKind::Current | DirectoryKind::Future => {
                    partition_metadata::read(&*self.file_system, &path)?
                }
                _ => None,
            };
            found.push(PartitionDirectory { partition, kind, topic_id, path });
        }
        Ok(found)
    }

    /// Where a partition's log is or would be.
    pub fn partition_path(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition_directory(partition, DirectoryKind::Current, Uuid::ZERO))
    }

    /// Options for a log that starts at 0.
    pub fn log_options(&self, partition: &TopicPartition, config: Arc<LogConfig>, now_ms: i64) -> LogOptions {
        LogOptions {
            file_system: Arc::clone(&self.file_system),
            directory: self.partition_path(partition),
            partition: partition.clone(),
            config,
            recovery_point: Offset::ZERO,
            start_offset: Offset::ZERO,
            clean: false,
            now_ms,
            seed: now_ms as u64 ^ u64::from(partition.partition.unsigned_abs()).rotate_left(32),
        }
    }

    /// Opens the log of a directory that `partitions` has found. May be called from several threads.
    pub fn open_log(
        &self,
        partition: &TopicPartition,
        config: Arc<LogConfig>,
        points: &super::StartPoints,
        clean: bool,
        now_ms: i64,
    ) -> Result<(Log, Opened)> {
        let options = LogOptions {
            recovery_point: points.recovery_points.get(partition).copied().unwrap_or(Offset::ZERO),
            start_offset: points.start_offsets.get(partition).copied().unwrap_or(Offset::ZERO),
            clean,
            ..self.log_options(partition, config, now_ms)
        };
        Log::open(options)
    }

    /// Makes a log; refused where the name is still taken by another topic's records, or by nobody knows whose.
    pub fn create_log(
        &self,
        partition: &TopicPartition,
        topic_id: Option<Uuid>,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Log> {
        let path = self.partition_path(partition);
        if topic_id.is_some() && self.file_system.exists(&path) {
            let found = partition_metadata::read(&*self.file_system, &path)?;
            let is_free = match found {
                Some(_) => found == topic_id,
                None => !self.has_records(&path)?,
            };
            if !is_free {
                let whose = found.map_or("an unknown topic".to_owned(), |id| format!("topic {id}"));
                return Err(Error::unreadable(&path, format!("the directory belongs to {whose}")));
            }
        }
        Log::create(self.log_options(partition, config, now_ms), topic_id)
    }

    /// Makes the log that a replica is copied to which moves here from another log directory.
    pub fn create_future_log(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: Arc<LogConfig>,
        unique: Uuid,
        now_ms: i64,
    ) -> Result<Log> {
        let directory = self.path.join(partition_directory(partition, DirectoryKind::Future, unique));
        let options = LogOptions { directory, ..self.log_options(partition, config, now_ms) };
        Log::create(options, Some(topic_id))
    }

    /// Opens the log of a move that a stop has interrupted.
    pub fn open_future_log(
        &self,
        found: &PartitionDirectory,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Log> {
        let options = LogOptions {
            directory: found.path.clone(),
            ..self.log_options(&found.partition, config, now_ms)
        };
        Log::open(options).map(|(log, _)| log)
    }

    /// What a crash has left under a replica's name is renamed for deletion, and its new path given. Refused where it is
    /// another topic's.
    pub fn free_name(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        unique: Uuid,
    ) -> Result<Option<PathBuf>> {
        let path = self.partition_path(partition);
        if !self.file_system.exists(&path) {
            return Ok(None);
        }
        match partition_metadata::read(&*self.file_system, &path)? {
            Some(id) if id != topic_id => {
                Err(Error::unreadable(&path, format!("the directory belongs to topic {id}")))
            }
            _ => self.rename(partition, &path, DirectoryKind::Delete, unique).map(Some),
        }
    }

    /// The same of what was only just made when the power went: it has no records, and says not even whose it is.
    pub fn free_unused_name(&self, partition: &TopicPartition, unique: Uuid) -> Result<Option<PathBuf>> {
        let path = self.partition_path(partition);
        let is_unused = self.file_system.exists(&path)
            && partition_metadata::read(&*self.file_system, &path)?.is_none()
            && !self.has_records(&path)?;
        match is_unused {
            true => self.rename(partition, &path, DirectoryKind::Delete, unique).map(Some),
            false => Ok(None),
        }
    }

    /// A future log has everything: it takes the replica's name, which has to be free.
    pub fn promote(&self, log: &mut Log) -> Result<()> {
        let to = self.partition_path(log.partition());
        let from = log.directory().to_owned();
        self.file_system.rename(&from, &to).at(|| from)?;
        log.set_directory(to);
        Ok(())
    }

    /// As `promote`, for one that is not opened. Gives it under its new name.
    pub fn promote_directory(&self, found: &PartitionDirectory) -> Result<PartitionDirectory> {
        let path = self.partition_path(&found.partition);
        self.file_system.rename(&found.path, &path).at(|| found.path.clone())?;
        Ok(PartitionDirectory { path, kind: DirectoryKind::Current, ..found.clone() })
    }

    /// Whether there is a record in a partition's directory that is not opened.
    pub fn has_records(&self, path: &Path) -> Result<bool> {
        let entries = self.file_system.read_directory(path).at(|| path.to_owned())?;
        for entry in entries.iter().filter(|entry| entry.name.ends_with(LOG)) {
            let file = path.join(&entry.name);
            if self.file_system.file_size(&file).at(|| file.clone())? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Renames a partition's directory so that its name is free: to be deleted, or stray. Readers' slices stay
    /// good. `unique` keeps names apart.
    pub fn rename_partition(&self, log: Log, kind: DirectoryKind, unique: Uuid) -> Result<PathBuf> {
        let (partition, from) = (log.partition().clone(), log.directory().to_owned());
        drop(log);
        self.rename(&partition, &from, kind, unique)
    }

    /// As `rename_partition`, for one that is not opened.
    pub fn rename_directory(
        &self,
        directory: &PartitionDirectory,
        kind: DirectoryKind,
        unique: Uuid,
    ) -> Result<PathBuf> {
        self.rename(&directory.partition, &directory.path, kind, unique)
    }

    fn rename(
        &self,
        partition: &TopicPartition,
        from: &Path,
        kind: DirectoryKind,
        unique: Uuid,
    ) -> Result<PathBuf> {
        let to = self.path.join(partition_directory(partition, kind, unique));
        self.file_system.rename(from, &to).at(|| from.to_owned())?;
        Ok(to)
    }

    /// Removes a directory that was renamed for deletion, with all its files.
    pub fn remove_directory(&self, path: &Path) -> Result<()> {
        match self.file_system.remove_directory_all(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.at(|| path.to_owned()),
        }
    }

    /// Syncs what the plan of one of its logs names.
    pub fn sync(&self, plan: &FlushPlan) -> Result<()> {
        plan.run(&*self.file_system)
    }

    /// Makes all that was written below this directory last. Never tried again.
    pub fn sync_everything(&self) -> Result<()> {
        let failed = |error| Error::DirectoryFailed { path: self.path.clone(), error };
        self.file_system.sync_everything(&self.path).map_err(failed)
    }

    /// Makes the names in this directory last: renames, new partitions.
    pub fn sync_names(&self) -> Result<()> {
        self.file_system.sync_directory(&self.path).at(|| self.path.clone())
    }
}
