//! The log as the machine sees it. The driver implements it over `storage::Log` and snapshot files, tests in
//! memory. Calls take effect at once (page cache); what must survive a crash is asked for by `Output::Flush`.

use std::io;

use bytes::Bytes;
use types::{LeaderEpoch, Offset};

use crate::control::ControlRecord;

/// A snapshot: all records below `end_offset`, the last of them of `epoch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    pub end_offset: Offset,
    pub epoch: LeaderEpoch,
}

impl SnapshotId {
    /// What `format` writes: the first voters. Never served to other nodes.
    pub const BOOTSTRAP: SnapshotId = SnapshotId { end_offset: Offset(0), epoch: LeaderEpoch(0) };
}

/// An epoch and the offset where it ends, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochEnd {
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

/// A step is sixteen functions of one log, so one trait; every failure of it ends the process.
pub trait RaftLog {
    fn start_offset(&self) -> Offset;
    fn end_offset(&self) -> Offset;
    /// Epoch of the last batch or of an epoch start assigned since; of an empty log its snapshot's, else 0.
    fn last_epoch(&self) -> LeaderEpoch;
    /// Known epoch: it and its end. Between known ones: the next lower one. Below all: the asked epoch and the
    /// start of the first. Above all: the last and the log's end.
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd;

    /// Remembers that `epoch` starts at the log's end, before anything of it is appended.
    fn assign_epoch_start(&mut self, epoch: LeaderEpoch) -> io::Result<()>;
    /// One control batch at the log's end.
    fn append_control(
        &mut self,
        epoch: LeaderEpoch,
        wall_ms: i64,
        records: &[ControlRecord],
    ) -> io::Result<()>;
    /// Batches of data made by the state machine; gives the offset of the last record.
    fn append_data(&mut self, epoch: LeaderEpoch, wall_ms: i64, batch: &Bytes) -> io::Result<Offset>;
    /// Batches as the leader sent them: a cut tail, corrupt ones, and those of an epoch above `epoch` with all
    /// after them are dropped. Gives the control records among what was appended.
    fn append_fetched(
        &mut self,
        epoch: LeaderEpoch,
        records: &Bytes,
    ) -> io::Result<Vec<(Offset, ControlRecord)>>;
    /// Drops everything at and above `end`.
    fn truncate_to(&mut self, end: Offset) -> io::Result<()>;
    /// Whole batches (the last may be cut) from `offset` on: at most `bytes_max`, but at least one batch.
    fn read(&mut self, offset: Offset, bytes_max: usize) -> io::Result<Bytes>;

    /// The oldest snapshot, 0-0 included.
    fn earliest_snapshot(&self) -> Option<SnapshotId>;
    fn latest_snapshot(&self) -> Option<SnapshotId>;
    fn snapshot_size(&self, id: SnapshotId) -> Option<u64>;
    fn read_snapshot(&self, id: SnapshotId, position: u64, bytes_max: usize) -> io::Result<Bytes>;
    /// Opens an empty partial file for a download, in place of any other.
    fn begin_download(&mut self, id: SnapshotId) -> io::Result<()>;
    fn write_download(&mut self, position: u64, bytes: &Bytes) -> io::Result<()>;
    fn drop_download(&mut self) -> io::Result<()>;
    /// Makes the download a snapshot, clears the log to start at its end, drops older snapshots. Durable on
    /// return. Gives the control records of the snapshot.
    fn finish_download(&mut self) -> io::Result<Vec<ControlRecord>>;
}
