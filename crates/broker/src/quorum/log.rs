//! `__cluster_metadata`-0: the raft crate's log over `storage::Log` and snapshot files.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use platform::{FileSystem, OpenMode};
use raft::{ControlRecord, EpochEnd, RaftLog, SnapshotId};
use storage::{FlushPlan, FlushedTo, Log, LogConfig, LogOptions};
use types::{LeaderEpoch, Offset, TopicPartition, Uuid};

use super::batches;
use super::reserve::Reserve;
use super::snapshot::{self, Download};

pub(crate) const TOPIC: &str = "__cluster_metadata";
const QUORUM_STATE: &str = "quorum-state";
/// Bytes enough for a change that frees room.
const SMALL_CHANGE: u64 = 16 << 10;

#[derive(Debug)]
pub(crate) struct MetadataLog {
    file_system: Arc<dyn FileSystem>,
    directory: PathBuf,
    log: Log,
    /// Ascending; 0-0 among them.
    snapshots: Vec<SnapshotId>,
    download: Option<Download>,
    reserve: Reserve,
    now_ms: i64,
}

fn failed(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}

pub(crate) fn directory_of(metadata_log_directory: &Path) -> PathBuf {
    metadata_log_directory.join(format!("{TOPIC}-0"))
}

impl MetadataLog {
    /// Opens or makes the log. Everything in it is durable afterwards.
    pub fn open(
        file_system: Arc<dyn FileSystem>,
        metadata_log_directory: &Path,
        config: LogConfig,
        now_ms: i64,
    ) -> io::Result<MetadataLog> {
        let directory = directory_of(metadata_log_directory);
        let options = LogOptions {
            file_system: Arc::clone(&file_system),
            directory: directory.clone(),
            partition: TopicPartition { topic: TOPIC.into(), partition: 0 },
            config: Arc::new(config),
            recovery_point: Offset(0),
            start_offset: Offset(0),
            clean: false,
            now_ms,
            seed: 0,
        };
        let mut reserve = Reserve::find(&file_system, &directory)?;
        let mut log = reserve.spend(|| Ok(Log::create(options.clone(), Some(Uuid::METADATA_TOPIC))?))?;
        reserve.fill();
        let snapshots = snapshot::list(&*file_system, &directory)?;
        if let Some(latest) = snapshots.last()
            && (latest.epoch, latest.end_offset)
                > (log.latest_epoch().unwrap_or(LeaderEpoch(0)), log.end_offset())
        {
            // a crash after a download: the snapshot is there, the log was not cleared yet. A longer log of earlier
            // epochs counts too: its tail was never committed, and a leader would name this snapshot for ever
            log.truncate_fully_and_start_at(latest.end_offset, now_ms).map_err(failed)?;
        }
        let covered = snapshots.last().is_some_and(|latest| latest.end_offset >= log.start_offset());
        if log.start_offset() > Offset(0) && !covered {
            return Err(failed(format!(
                "the metadata log starts at {} without a snapshot",
                log.start_offset()
            )));
        }
        log.flush(now_ms).map_err(failed)?;
        Ok(MetadataLog { file_system, directory, log, snapshots, download: None, reserve, now_ms })
    }

    pub fn set_time(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    pub fn quorum_state(&self) -> io::Result<Option<Vec<u8>>> {
        let path = self.directory.join(QUORUM_STATE);
        if !self.file_system.exists(&path) {
            return Ok(None);
        }
        let bytes = self.file_system.read(&path)?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Durable on return.
    pub fn write_quorum_state(&mut self, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(QUORUM_STATE);
        self.reserve.spend(|| Ok(self.file_system.write_atomically(&path, bytes)?))
    }

    /// The newest snapshot and what it says.
    pub fn load_latest_snapshot(&self) -> io::Result<Option<(SnapshotId, snapshot::Content)>> {
        let Some(id) = self.latest_snapshot() else { return Ok(None) };
        let content = snapshot::read(&*self.file_system, &self.snapshot_path(id))?;
        Ok(Some((id, content)))
    }

    fn snapshot_path(&self, id: SnapshotId) -> PathBuf {
        self.directory.join(snapshot::file_name(id))
    }

    /// Takes a snapshot's bytes in. Durable on return.
    pub fn add_snapshot(&mut self, id: SnapshotId, bytes: &[u8]) -> io::Result<()> {
        self.file_system.write_atomically(&self.snapshot_path(id), bytes)?;
        self.snapshots.retain(|known| *known != id);
        self.snapshots.push(id);
        self.snapshots.sort();
        Ok(())
    }

    /// Whether decisions may still be written down: a metadata log that cannot be written ends its node, so requests
    /// are refused before the disk is quite full.
    pub fn has_room(&self, least: u64) -> bool {
        self.file_system.space(&self.directory).map_or(true, |(_, usable)| usable >= least)
    }

    /// The same for changes that help to free some: they may use the reserve.
    pub fn has_reserve(&self) -> bool {
        !self.reserve.is_empty() || self.has_room(SMALL_CHANGE)
    }

    /// Bytes of the log and of all snapshots.
    pub fn size(&self) -> u64 {
        let snapshots = self.snapshots.iter().filter_map(|id| self.snapshot_size(*id));
        self.log.size() + snapshots.sum::<u64>()
    }

    pub fn snapshots(&self) -> &[SnapshotId] {
        &self.snapshots
    }

    pub fn snapshot_timestamp(&self, id: SnapshotId) -> io::Result<i64> {
        let head = snapshot::read_range(&*self.file_system, &self.snapshot_path(id), 0, 4096)?;
        let controls = batches::controls(&head).map_err(failed)?;
        Ok(controls.iter().find_map(|(_, record)| header_timestamp(record)).unwrap_or(i64::MAX))
    }

    /// Removes the oldest snapshot; the log starts at the next one's end, whole segments below it go.
    pub fn drop_oldest_snapshot(&mut self) -> io::Result<()> {
        if self.snapshots.len() < 2 {
            return Ok(());
        }
        let oldest = self.snapshots.remove(0);
        let path = self.snapshot_path(oldest);
        self.file_system.remove_file(&path)?;
        if let Some(next) = self.snapshots.first() {
            self.log.delete_records(next.end_offset, self.log.end_offset()).map_err(failed)?;
            self.log.retention(self.now_ms, next.end_offset).map_err(failed)?;
        }
        Ok(())
    }

    pub fn remove_deleted(&mut self) -> io::Result<()> {
        self.log.remove_deleted(self.now_ms).map_err(failed)
    }

    /// What is to be synced.
    pub fn flush_plan(&mut self) -> io::Result<FlushPlan> {
        self.reserve.fill();
        let mut plan = self.log.flush_plan(self.now_ms).map_err(failed)?;
        if let Some(filled) = self.reserve.take_unsynced() {
            plan.files.push(filled);
            plan.directories.push(self.directory.clone());
        }
        Ok(plan)
    }

    pub fn flushed(&mut self, to: FlushedTo) {
        self.log.flushed(to);
    }

    pub fn close(&mut self) -> io::Result<()> {
        self.reserve.spend(|| Ok(self.log.close(self.now_ms)?))
    }

    /// Epoch of the record before an offset.
    pub fn epoch_before(&self, end: Offset) -> LeaderEpoch {
        let epoch = self.log.epochs().epoch_of(Offset(end.0 - 1));
        let snapshot = self.snapshots.iter().rev().find(|id| id.end_offset <= end).map(|id| id.epoch);
        epoch.or(snapshot).unwrap_or(LeaderEpoch(0))
    }
}

fn header_timestamp(record: &ControlRecord) -> Option<i64> {
    match record {
        ControlRecord::SnapshotHeader { last_contained_log_timestamp } => Some(*last_contained_log_timestamp),
        _ => None,
    }
}

impl RaftLog for MetadataLog {
    fn start_offset(&self) -> Offset {
        self.log.start_offset()
    }

    fn end_offset(&self) -> Offset {
        self.log.end_offset()
    }

    fn last_epoch(&self) -> LeaderEpoch {
        let snapshot = self.latest_snapshot().map(|id| id.epoch);
        self.log.latest_epoch().or(snapshot).unwrap_or(LeaderEpoch(0))
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        let entries = self.log.epochs().entries();
        let end = self.end_offset();
        match entries.iter().rposition(|(known, _)| *known <= epoch) {
            None => EpochEnd { epoch, end_offset: entries.first().map_or(end, |(_, start)| *start) },
            Some(at) => {
                let end_offset = entries.get(at + 1).map_or(end, |(_, start)| *start);
                EpochEnd { epoch: entries.get(at).map_or(epoch, |(known, _)| *known), end_offset }
            }
        }
    }

    fn assign_epoch_start(&mut self, epoch: LeaderEpoch) -> io::Result<()> {
        self.log.begin_epoch(epoch);
        Ok(())
    }

    fn append_control(
        &mut self,
        epoch: LeaderEpoch,
        wall_ms: i64,
        records: &[ControlRecord],
    ) -> io::Result<()> {
        let batch = batches::control_batch(records, self.end_offset(), epoch, wall_ms).map_err(failed)?;
        self.reserve.spend(|| Ok(self.log.append_trusted(&batch, epoch, wall_ms)?))?;
        Ok(())
    }

    fn append_data(&mut self, epoch: LeaderEpoch, wall_ms: i64, batch: &Bytes) -> io::Result<Offset> {
        let followed = self.reserve.spend(|| Ok(self.log.append_trusted(batch, epoch, wall_ms)?))?;
        Ok(Offset(followed.end_offset.0 - 1))
    }

    fn append_fetched(
        &mut self,
        epoch: LeaderEpoch,
        records: &Bytes,
    ) -> io::Result<Vec<(Offset, ControlRecord)>> {
        let before = self.end_offset();
        let now_ms = self.now_ms;
        match self.reserve.spend(|| Ok(self.log.append_as_follower(records, epoch, now_ms)?)) {
            Ok(_) => {}
            // what a peer sent is not believed; it is asked again
            Err(error) if self.end_offset() == before => {
                drop(error);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        }
        let after = self.end_offset();
        let found = batches::controls(records).map_err(failed)?;
        Ok(found.into_iter().filter(|(offset, _)| *offset >= before && *offset < after).collect())
    }

    fn truncate_to(&mut self, end: Offset) -> io::Result<()> {
        self.log.truncate_to(end, self.now_ms).map_err(failed)?;
        Ok(())
    }

    fn read(&mut self, offset: Offset, bytes_max: usize) -> io::Result<Bytes> {
        let end = self.end_offset();
        let read = self.log.read(offset, bytes_max as u64, end, true).map_err(failed)?;
        let Some(slice) = read.slice else { return Ok(Bytes::new()) };
        slice.read().map(Bytes::from)
    }

    fn earliest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots.first().copied()
    }

    fn latest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots.last().copied()
    }

    fn snapshot_size(&self, id: SnapshotId) -> Option<u64> {
        let known = self.snapshots.contains(&id);
        known.then(|| self.file_system.file_size(&self.snapshot_path(id)).ok()).flatten()
    }

    fn read_snapshot(&self, id: SnapshotId, position: u64, bytes_max: usize) -> io::Result<Bytes> {
        snapshot::read_range(&*self.file_system, &self.snapshot_path(id), position, bytes_max)
    }

    fn begin_download(&mut self, id: SnapshotId) -> io::Result<()> {
        self.drop_download()?;
        let path = snapshot::part_path(&self.directory, id);
        self.file_system.open(&path, OpenMode::CreateOrOpen)?.set_size(0)?;
        self.download = Some(Download { id, path });
        Ok(())
    }

    fn write_download(&mut self, position: u64, bytes: &Bytes) -> io::Result<()> {
        let Some(download) = &self.download else { return Err(failed("no download was begun")) };
        let file = self.file_system.open(&download.path, OpenMode::ReadWrite)?;
        file.write_at(&mut [IoSlice::new(bytes)], position)
    }

    fn drop_download(&mut self) -> io::Result<()> {
        match self.download.take() {
            Some(download) => self.file_system.remove_file(&download.path),
            None => Ok(()),
        }
    }

    fn finish_download(&mut self) -> io::Result<Vec<ControlRecord>> {
        let Some(download) = self.download.take() else { return Err(failed("no download was begun")) };
        self.file_system.open(&download.path, OpenMode::ReadWrite)?.sync()?;
        let content = snapshot::read(&*self.file_system, &download.path)?;
        let path = self.snapshot_path(download.id);
        self.file_system.rename(&download.path, &path)?;
        self.file_system.sync_directory(&self.directory)?;
        self.log.truncate_fully_and_start_at(download.id.end_offset, self.now_ms).map_err(failed)?;
        self.log.flush(self.now_ms).map_err(failed)?;
        for old in std::mem::replace(&mut self.snapshots, vec![download.id]) {
            self.file_system.remove_file(&self.snapshot_path(old))?;
        }
        Ok(content.controls)
    }
}

#[cfg(test)]
mod tests {
    use platform::memory::MemoryFileSystem;
    use types::NodeId;

    use super::*;

    /// A log of four records of epoch 2 beside a snapshot: (its end, its epoch), then where the opened log is.
    #[test]
    fn a_newer_snapshot_clears_the_log() {
        let rows = [
            ((2, 2), (0, 4)),
            ((4, 2), (0, 4)),
            ((9, 2), (9, 9)),
            ((9, 3), (9, 9)),
            // a download that replaces a tail of an epoch that lost
            ((2, 3), (2, 2)),
            ((4, 1), (0, 4)),
        ];
        for ((end, epoch), expected) in rows {
            let disk: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new(1));
            let root = Path::new("/data");
            disk.create_directory_all(root).unwrap();
            let open = || MetadataLog::open(Arc::clone(&disk), root, LogConfig::default(), 1).unwrap();
            let mut log = open();
            log.assign_epoch_start(LeaderEpoch(2)).unwrap();
            let record =
                ControlRecord::LeaderChange { leader: NodeId(1), voters: Vec::new(), granting: Vec::new() };
            for _ in 0..4 {
                log.append_control(LeaderEpoch(2), 1, std::slice::from_ref(&record)).unwrap();
            }
            log.close().unwrap();
            let id = SnapshotId { end_offset: Offset(end), epoch: LeaderEpoch(epoch) };
            log.add_snapshot(id, b"").unwrap();
            drop(log);
            let log = open();
            assert_eq!((log.start_offset().0, log.end_offset().0), expected, "{id:?}");
        }
    }
}
