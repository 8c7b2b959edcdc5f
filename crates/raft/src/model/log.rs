//! A log of a few entries for the model: values small enough to compare and hash whole, and what of them a crash
//! leaves. Bytes on the wire are the entries themselves, so that a fetch may carry them late or twice.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use types::{LeaderEpoch, NodeId, Offset};

use super::settings::{voter_mask, voters_of};
use crate::control::ControlRecord;
use crate::history::Quorum;
use crate::log::{EpochEnd, RaftLog, SnapshotId};
use crate::voters::VoterSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub epoch: i32,
    pub payload: Payload,
}

/// Voters are a bit for each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payload {
    Data(u8),
    LeaderChange(u8),
    KraftVersion,
    Voters(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelLog {
    pub start: i64,
    /// The newest, at the start, and the voters in it.
    pub snapshot: (SnapshotId, u8),
    pub entries: Vec<Entry>,
    pub durable_end: i64,
    assigned: Option<i32>,
    download: Option<SnapshotId>,
    downloaded: Vec<u8>,
}

impl Payload {
    fn of(record: &ControlRecord) -> Payload {
        match record {
            ControlRecord::LeaderChange { leader, .. } => Payload::LeaderChange(leader.0 as u8),
            ControlRecord::Voters(voters) => Payload::Voters(voter_mask(voters)),
            _ => Payload::KraftVersion,
        }
    }

    pub fn control(self) -> Option<ControlRecord> {
        match self {
            Payload::Data(_) => None,
            Payload::LeaderChange(leader) => Some(ControlRecord::LeaderChange {
                leader: NodeId(leader.into()),
                voters: Vec::new(),
                granting: Vec::new(),
            }),
            Payload::KraftVersion => Some(ControlRecord::KraftVersion(1)),
            Payload::Voters(mask) => Some(ControlRecord::Voters(voters_of(mask))),
        }
    }

    fn bytes(self) -> [u8; 2] {
        match self {
            Payload::Data(number) => [0, number],
            Payload::LeaderChange(leader) => [1, leader],
            Payload::KraftVersion => [2, 0],
            Payload::Voters(mask) => [3, mask],
        }
    }

    fn from_bytes([tag, value]: [u8; 2]) -> Payload {
        match tag {
            0 => Payload::Data(value),
            1 => Payload::LeaderChange(value),
            2 => Payload::KraftVersion,
            _ => Payload::Voters(value),
        }
    }
}

impl ModelLog {
    /// A log on disk, with the checkpoint that names the first voters.
    pub fn new(entries: Vec<Entry>, voters: u8) -> ModelLog {
        let durable_end = entries.len() as i64;
        ModelLog {
            start: 0,
            snapshot: (SnapshotId::BOOTSTRAP, voters),
            entries,
            durable_end,
            assigned: None,
            download: None,
            downloaded: Vec::new(),
        }
    }

    pub fn end(&self) -> i64 {
        self.start + self.entries.len() as i64
    }

    pub fn get(&self, offset: i64) -> Option<Entry> {
        let at = usize::try_from(offset - self.start).ok()?;
        self.entries.get(at).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, Entry)> + '_ {
        (self.start..).zip(self.entries.iter().copied())
    }

    /// Of the record before `end`.
    pub fn epoch_before(&self, end: i64) -> i32 {
        self.get(end - 1).map_or(self.snapshot.0.epoch.0, |entry| entry.epoch)
    }

    pub fn quorum(&self) -> Quorum {
        let mut quorum = Quorum::new(VoterSet::default());
        let (id, mask) = self.snapshot;
        quorum.add_snapshot(id, &[ControlRecord::KraftVersion(1), ControlRecord::Voters(voters_of(mask))]);
        for (offset, entry) in self.iter() {
            if let Some(record) = entry.payload.control() {
                quorum.add(Offset(offset), &record);
            }
        }
        quorum
    }

    /// What was not flushed is gone, or by luck all of it is there.
    pub fn crash(&mut self, keeps_unflushed: bool) {
        if !keeps_unflushed {
            self.cut(self.durable_end);
        }
        self.durable_end = self.end();
        self.download = None;
        self.downloaded.clear();
    }

    /// The state machine's snapshot at `end`, and the log cut there.
    pub fn take_snapshot(&mut self, end: i64, voters: u8) {
        let id = SnapshotId { end_offset: Offset(end), epoch: LeaderEpoch(self.epoch_before(end)) };
        self.entries.drain(..(end - self.start) as usize);
        self.start = end;
        self.snapshot = (id, voters);
        self.durable_end = self.durable_end.max(end);
    }

    fn cut(&mut self, end: i64) {
        self.entries.truncate(usize::try_from(end - self.start).unwrap_or(0));
    }

    fn push(&mut self, epoch: LeaderEpoch, payload: Payload) {
        self.assigned = None;
        self.entries.push(Entry { epoch: epoch.0, payload });
    }

    /// Known epochs with their first offsets.
    fn epochs(&self) -> Vec<(i32, i64)> {
        let mut epochs = Vec::new();
        let (id, _) = self.snapshot;
        if id != SnapshotId::BOOTSTRAP {
            epochs.push((id.epoch.0, self.start));
        }
        for (offset, entry) in self.iter() {
            if epochs.last().is_none_or(|(last, _)| *last < entry.epoch) {
                epochs.push((entry.epoch, offset));
            }
        }
        epochs
    }
}

impl RaftLog for ModelLog {
    fn start_offset(&self) -> Offset {
        Offset(self.start)
    }

    fn end_offset(&self) -> Offset {
        Offset(self.end())
    }

    fn last_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.assigned.unwrap_or_else(|| self.epoch_before(self.end())))
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        let epochs = self.epochs();
        let end = |at: usize| Offset(epochs.get(at).map_or(self.end(), |(_, start)| *start));
        match epochs.iter().rposition(|(known, _)| *known <= epoch.0) {
            None => EpochEnd { epoch, end_offset: end(0) },
            Some(at) => EpochEnd { epoch: LeaderEpoch(epochs[at].0), end_offset: end(at + 1) },
        }
    }

    fn assign_epoch_start(&mut self, epoch: LeaderEpoch) -> io::Result<()> {
        self.assigned = Some(epoch.0);
        Ok(())
    }

    fn append_control(&mut self, epoch: LeaderEpoch, _: i64, records: &[ControlRecord]) -> io::Result<()> {
        records.iter().for_each(|record| self.push(epoch, Payload::of(record)));
        Ok(())
    }

    fn append_data(&mut self, epoch: LeaderEpoch, _: i64, batch: &Bytes) -> io::Result<Offset> {
        self.push(epoch, Payload::Data(batch[0]));
        Ok(Offset(self.end() - 1))
    }

    fn append_fetched(
        &mut self,
        epoch: LeaderEpoch,
        records: &Bytes,
    ) -> io::Result<Vec<(Offset, ControlRecord)>> {
        let (base, entries) = records.split_at(8);
        if base != self.end().to_be_bytes() {
            return Err(io::Error::other("records that do not begin at the log's end"));
        }
        let mut controls = Vec::new();
        for bytes in entries.chunks_exact(6) {
            let entry_epoch = LeaderEpoch(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            if entry_epoch > epoch {
                break;
            }
            let payload = Payload::from_bytes([bytes[4], bytes[5]]);
            controls.extend(payload.control().map(|record| (self.end_offset(), record)));
            self.push(entry_epoch, payload);
        }
        Ok(controls)
    }

    fn truncate_to(&mut self, end: Offset) -> io::Result<()> {
        self.cut(end.0);
        self.durable_end = self.durable_end.min(end.0);
        Ok(())
    }

    /// `bytes_max` counts entries.
    fn read(&mut self, offset: Offset, bytes_max: usize) -> io::Result<Bytes> {
        let mut bytes = BytesMut::new();
        bytes.put_i64(offset.0);
        for (_, entry) in self.iter().filter(|(at, _)| *at >= offset.0).take(bytes_max) {
            bytes.put_i32(entry.epoch);
            bytes.put_slice(&entry.payload.bytes());
        }
        Ok(bytes.freeze())
    }

    fn earliest_snapshot(&self) -> Option<SnapshotId> {
        Some(self.snapshot.0)
    }

    fn latest_snapshot(&self) -> Option<SnapshotId> {
        Some(self.snapshot.0)
    }

    fn snapshot_size(&self, id: SnapshotId) -> Option<u64> {
        (self.snapshot.0 == id).then_some(1)
    }

    fn read_snapshot(&self, _: SnapshotId, _: u64, _: usize) -> io::Result<Bytes> {
        Ok(Bytes::copy_from_slice(&[self.snapshot.1]))
    }

    fn begin_download(&mut self, id: SnapshotId) -> io::Result<()> {
        self.download = Some(id);
        self.downloaded.clear();
        Ok(())
    }

    fn write_download(&mut self, _: u64, bytes: &Bytes) -> io::Result<()> {
        self.downloaded.extend_from_slice(bytes);
        Ok(())
    }

    fn drop_download(&mut self) -> io::Result<()> {
        self.download = None;
        Ok(())
    }

    fn finish_download(&mut self) -> io::Result<Vec<ControlRecord>> {
        let (Some(id), Some(mask)) = (self.download.take(), self.downloaded.pop()) else {
            return Err(io::Error::other("nothing was downloaded"));
        };
        self.entries.clear();
        self.start = id.end_offset.0;
        self.durable_end = self.start;
        self.snapshot = (id, mask);
        Ok(vec![ControlRecord::KraftVersion(1), ControlRecord::Voters(voters_of(mask))])
    }
}
