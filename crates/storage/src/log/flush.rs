//! Syncs in two steps: a plan that any thread carries out, and the news that it was. While one is under way,
//! appends go on; all of them share the next one (group commit).

use std::path::PathBuf;
use std::sync::Arc;

use platform::{File, FileSystem, OpenMode};
use types::Offset;

use super::Log;
use crate::checkpoint::{self, LEADER_EPOCH};
use crate::error::{At, Error, Result, if_room};
use crate::names::SNAPSHOT;
use crate::partition_metadata;
use crate::segment::{Segment, rewrite};

/// How far a plan reaches. Given back to the log when the plan is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushedTo {
    /// Records below are synced.
    pub offset: Offset,
    /// And the indexes.
    indexed: Offset,
    truncations: u32,
}

/// What is to be synced: files, then names. If it fails, the log directory has failed. One at a time for a log.
#[derive(Clone, Debug)]
pub struct FlushPlan {
    pub files: Vec<Arc<dyn File>>,
    pub directories: Vec<PathBuf>,
    pub to: FlushedTo,
    log_directory: PathBuf,
}

impl FlushPlan {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }

    /// Syncs everything. Blocks; for a disk worker. Never tried again.
    pub fn run(&self, file_system: &dyn FileSystem) -> Result<()> {
        let failed = |error| Error::DirectoryFailed { path: self.log_directory.clone(), error };
        self.files.iter().try_for_each(|file| file.sync()).map_err(failed)?;
        self.directories
            .iter()
            .try_for_each(|path| file_system.sync_directory_if_exists(path))
            .map_err(failed)
    }
}

impl Log {
    /// Whether `flush.messages` or `flush.ms` asks for a sync.
    pub fn flush_due(&self, now_ms: i64) -> bool {
        let unflushed = self.end_offset.0.saturating_sub(self.flushed_offset.0);
        unflushed > 0
            && (unflushed >= self.config.flush_messages
                || now_ms.saturating_sub(self.last_flush_ms) >= self.config.flush_ms)
    }

    /// Bytes past the recovery point: what a background flush with `checkpoint_plan` would save recovery.
    pub fn unchecked_bytes(&mut self) -> u64 {
        let first = self.segment_of(self.recovery_point);
        let whole: u64 = self.segments.iter().skip(first + 1).map(|segment| u64::from(segment.size)).sum();
        let (recovery_point, end) = (self.recovery_point, self.end_offset);
        if recovery_point >= end {
            return whole;
        }
        let Ok((segment, place)) = self.segment(first) else { return whole };
        let found = segment.find(place, recovery_point).ok().flatten();
        whole + u64::from(segment.size - found.map_or(segment.size, |found| found.position.min(segment.size)))
    }

    /// What makes all records up to the end last. Also due after a roll: the recovery point then moves to the
    /// active segment's base.
    pub fn flush_plan(&mut self, now_ms: i64) -> Result<FlushPlan> {
        self.plan(now_ms, false)
    }

    /// As `flush_plan`, with the active segment's indexes and a producer snapshot, so that recovery reads no more
    /// than what comes after. For a background flush that moves the recovery point on.
    pub fn checkpoint_plan(&mut self, now_ms: i64) -> Result<FlushPlan> {
        let with_snapshot = if_room(self.take_snapshot())?;
        self.plan(now_ms, with_snapshot)
    }

    fn plan(&mut self, now_ms: i64, with_active_indexes: bool) -> Result<FlushPlan> {
        let mut files = Vec::new();
        let active = self.segments.len() - 1;
        let mut indexed = if with_active_indexes { self.end_offset } else { self.active_segment_base() };
        let mut first = self.segment_of(self.recovery_point);
        // recovery may have cut off the end of a segment whose last good record is just before the recovery point:
        // unsynced, the bad bytes would be back after the next crash, where nobody looks for them
        while let Some(before) = first.checked_sub(1)
            && self.segments.get(before).is_some_and(Segment::is_unsynced)
        {
            first = before;
        }
        for index in first..=active {
            let mut indexes = with_active_indexes || index < active;
            let (segment, place) = self.segment(index)?;
            let base = segment.base;
            if indexes && !if_room(segment.write_indexes(place))? {
                // the records are synced all the same; recovery will have to read them
                indexed = indexed.min(base);
                indexes = false;
            }
            let (segment, place) = self.segment(index)?;
            segment.take_unsynced(place, indexes, &mut files)?;
        }
        if !if_room(self.write_epochs())? {
            indexed = self.recovery_point;
        }
        if std::mem::take(&mut self.unsynced_before) {
            self.add_files_from_before(&mut files)?;
        }
        files.append(&mut self.unsynced_files);
        let mut directories = Vec::new();
        if std::mem::take(&mut self.unsynced_names) {
            directories.push(self.place.directory.clone());
        }
        if std::mem::take(&mut self.unsynced_directory) {
            directories.extend(self.place.directory.parent().map(PathBuf::from));
        }
        self.last_flush_ms = now_ms;
        let to = FlushedTo { offset: self.end_offset, indexed, truncations: self.truncations };
        Ok(FlushPlan { files, directories, to, log_directory: self.place.directory.clone() })
    }

    /// What stands beside the records and was there at the start. Written again, for a sync may have failed.
    fn add_files_from_before(&self, files: &mut Vec<Arc<dyn File>>) -> Result<()> {
        let snapshots = self.snapshots.iter().map(|offset| self.place.path(*offset, SNAPSHOT));
        let named = [partition_metadata::FILE, LEADER_EPOCH].map(|name| self.place.directory.join(name));
        for path in named.into_iter().chain(snapshots) {
            if self.place.file_system.exists(&path) {
                let bytes = self.place.file_system.read(&path).at(|| path.clone())?;
                let file = self.place.file_system.open(&path, OpenMode::ReadWrite).at(|| path.clone())?;
                rewrite(&file, &bytes, 0).at(|| path)?;
                files.push(file);
            }
        }
        Ok(())
    }

    /// The plan was carried out.
    pub fn flushed(&mut self, to: FlushedTo) {
        if to.truncations == self.truncations {
            self.flushed_offset = self.flushed_offset.max(to.offset);
            self.recovery_point = self.recovery_point.max(to.indexed);
        }
    }

    /// Plans, syncs and takes note: for tests, tools and the end.
    pub fn flush(&mut self, now_ms: i64) -> Result<()> {
        let plan = self.flush_plan(now_ms)?;
        plan.run(&*self.place.file_system)?;
        self.flushed(plan.to);
        Ok(())
    }

    /// The epochs' checkpoint, if it is behind. Recovery finds the epochs of records past the recovery point in
    /// them, so that the file need not be written whenever a leader changes.
    fn write_epochs(&mut self) -> Result<()> {
        if self.epochs.is_dirty() {
            let path = self.place.directory.join(LEADER_EPOCH);
            let file = checkpoint::replace_epochs(&*self.place.file_system, &path, self.epochs.entries())?;
            self.epochs.set_clean();
            self.unsynced_files.push(file);
            self.unsynced_names = true;
        }
        Ok(())
    }

    /// Closes files that nothing has used since the last call. Readers' slices keep theirs open.
    pub fn close_idle_files(&mut self) -> Result<()> {
        let place = &self.place;
        self.segments.iter_mut().try_for_each(|segment| segment.close_if_idle(place))
    }

    /// Everything is written and synced as a clean stop needs it; the caller then writes checkpoints and the
    /// clean-shutdown file.
    pub fn close(&mut self, now_ms: i64) -> Result<()> {
        let file_system = Arc::clone(&self.place.file_system);
        self.close_with(now_ms, |plan| plan.run(&*file_system))
    }

    /// As `close`, synced by the caller: at once, or with the whole log directory before any checkpoint is written.
    pub fn close_with(&mut self, now_ms: i64, sync: impl FnOnce(&FlushPlan) -> Result<()>) -> Result<()> {
        let place = &self.place;
        let active = self.segments.back_mut().expect("a log has a segment");
        if active.has_surplus() {
            let size = active.size;
            active.cut(place, size)?;
        }
        active.write_indexes(place)?;
        for segment in self.segments.iter_mut().filter(|segment| segment.has_unwritten_entries()) {
            segment.write_indexes(place)?;
        }
        self.take_snapshot()?;
        if self.flushed_offset < self.end_offset {
            // a plan that was given out may still wait for its disk worker, who ends before it is done
            // the cut end of the segment before too
            let first = self.segment_of(self.flushed_offset).saturating_sub(1);
            self.segments.iter_mut().skip(first).for_each(Segment::set_unsynced);
            (self.unsynced_names, self.unsynced_directory, self.unsynced_before) = (true, true, true);
        }
        let plan = self.plan(now_ms, true)?;
        sync(&plan)?;
        self.flushed(plan.to);
        self.segments.iter_mut().for_each(|segment| segment.close());
        Ok(())
    }
}
