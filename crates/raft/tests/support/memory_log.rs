//! A log in memory that forgets what was not flushed. Its bytes on the wire are indexes into an arena of entries
//! that all nodes of a test share, so that no format stands between the machine and its invariants.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use raft::{ControlRecord, EpochEnd, Quorum, RaftLog, SnapshotId};
use types::{LeaderEpoch, Offset};

pub const SNAPSHOT_BYTES: u64 = 2_500_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub offset: Offset,
    pub epoch: LeaderEpoch,
    pub payload: Payload,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Data(u64),
    Control(ControlRecord),
}

#[derive(Debug, Default)]
pub struct Arena {
    entries: Vec<Entry>,
    snapshots: Vec<(SnapshotId, Vec<ControlRecord>)>,
}

pub type SharedArena = Rc<RefCell<Arena>>;

#[derive(Clone, Debug)]
pub struct MemoryLog {
    arena: SharedArena,
    pub start: Offset,
    pub entries: Vec<Entry>,
    /// Epochs with their start offsets.
    pub epochs: Vec<(LeaderEpoch, Offset)>,
    pub snapshots: Vec<(SnapshotId, Vec<ControlRecord>)>,
    download: Option<(SnapshotId, Vec<u8>)>,
    /// What a crash leaves: the end of what was flushed.
    pub durable_end: Offset,
}

impl MemoryLog {
    pub fn new(arena: SharedArena) -> MemoryLog {
        MemoryLog {
            arena,
            start: Offset(0),
            entries: Vec::new(),
            epochs: Vec::new(),
            snapshots: Vec::new(),
            download: None,
            durable_end: Offset(0),
        }
    }

    pub fn with_bootstrap(mut self, records: Vec<ControlRecord>) -> MemoryLog {
        self.snapshots.push((SnapshotId::BOOTSTRAP, records));
        self
    }

    pub fn flush(&mut self, end: Offset) {
        self.durable_end = self.durable_end.max(end);
    }

    /// Keeps what was flushed and `more` entries of the rest.
    pub fn crash(&mut self, more: i64) {
        let end = self.durable_end.plus(more).min(self.end_offset());
        self.cut(end);
        self.download = None;
        self.durable_end = end;
        // a checkpoint of epochs may have gone: the entries tell it again
        self.epochs.clear();
        if let Some((id, _)) = self.snapshots.last().filter(|(id, _)| id.end_offset > Offset(0)) {
            self.epochs.push((id.epoch, id.end_offset));
        }
        for entry in &self.entries {
            note_epoch(&mut self.epochs, entry.epoch, entry.offset);
        }
    }

    fn cut(&mut self, end: Offset) {
        self.entries.retain(|entry| entry.offset < end);
        self.epochs.retain(|(_, start)| *start < end);
    }

    pub fn quorum(&self, configured: raft::VoterSet) -> Quorum {
        let mut quorum = Quorum::new(configured);
        if let Some((id, records)) = self.snapshots.last() {
            quorum.add_snapshot(*id, records);
        }
        for entry in &self.entries {
            if let Payload::Control(record) = &entry.payload {
                quorum.add(entry.offset, record);
            }
        }
        quorum
    }

    pub fn snapshot(&mut self, end: Offset, records: Vec<ControlRecord>) {
        let Some(last) = self.entries.iter().rfind(|entry| entry.offset < end) else { return };
        self.snapshots.push((SnapshotId { end_offset: end, epoch: last.epoch }, records));
        self.snapshots.retain(|(id, _)| id.end_offset >= end);
        self.start = end;
        self.entries.retain(|entry| entry.offset >= end);
        self.epochs.retain(|(_, start)| *start >= end);
        if self.epochs.first().is_none_or(|(_, start)| *start > end) {
            let epoch = self.snapshots[0].0.epoch;
            self.epochs.insert(0, (epoch, end));
        }
        self.durable_end = self.durable_end.max(end);
    }

    pub fn push(&mut self, epoch: LeaderEpoch, payload: Payload) -> Offset {
        let offset = self.end_offset();
        note_epoch(&mut self.epochs, epoch, offset);
        self.entries.push(Entry { offset, epoch, payload });
        offset
    }
}

fn note_epoch(epochs: &mut Vec<(LeaderEpoch, Offset)>, epoch: LeaderEpoch, offset: Offset) {
    if epochs.last().is_none_or(|(last, _)| *last < epoch) {
        epochs.push((epoch, offset));
    }
}

impl RaftLog for MemoryLog {
    fn start_offset(&self) -> Offset {
        self.start
    }

    fn end_offset(&self) -> Offset {
        self.entries.last().map_or(self.start, |entry| entry.offset.plus(1))
    }

    fn last_epoch(&self) -> LeaderEpoch {
        let snapshot = self.snapshots.last().map(|(id, _)| id.epoch);
        self.epochs.last().map(|(epoch, _)| *epoch).or(snapshot).unwrap_or(LeaderEpoch(0))
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        let found = self.epochs.iter().rposition(|(known, _)| *known <= epoch);
        match found {
            None => {
                let end_offset = self.epochs.first().map_or(self.end_offset(), |(_, start)| *start);
                EpochEnd { epoch, end_offset }
            }
            Some(at) => {
                let end_offset = self.epochs.get(at + 1).map_or(self.end_offset(), |(_, start)| *start);
                EpochEnd { epoch: self.epochs[at].0, end_offset }
            }
        }
    }

    fn assign_epoch_start(&mut self, epoch: LeaderEpoch) -> io::Result<()> {
        let end = self.end_offset();
        while self.epochs.last().is_some_and(|(_, start)| *start >= end) {
            self.epochs.pop();
        }
        self.epochs.push((epoch, end));
        Ok(())
    }

    fn append_control(&mut self, epoch: LeaderEpoch, _: i64, records: &[ControlRecord]) -> io::Result<()> {
        for record in records {
            self.push(epoch, Payload::Control(record.clone()));
        }
        Ok(())
    }

    fn append_data(&mut self, epoch: LeaderEpoch, _: i64, batch: &Bytes) -> io::Result<Offset> {
        let number = u64::from_be_bytes(batch[..8].try_into().unwrap());
        Ok(self.push(epoch, Payload::Data(number)))
    }

    fn append_fetched(
        &mut self,
        epoch: LeaderEpoch,
        records: &Bytes,
    ) -> io::Result<Vec<(Offset, ControlRecord)>> {
        let arena = self.arena.clone();
        let mut controls = Vec::new();
        for index in records.chunks_exact(8) {
            let index = u64::from_be_bytes(index.try_into().unwrap()) as usize;
            let entry = arena.borrow().entries[index].clone();
            if entry.epoch > epoch || entry.offset != self.end_offset() {
                break;
            }
            if let Payload::Control(record) = &entry.payload {
                controls.push((entry.offset, record.clone()));
            }
            note_epoch(&mut self.epochs, entry.epoch, entry.offset);
            self.entries.push(entry);
        }
        Ok(controls)
    }

    fn truncate_to(&mut self, end: Offset) -> io::Result<()> {
        self.cut(end);
        self.durable_end = self.durable_end.min(end);
        Ok(())
    }

    fn read(&mut self, offset: Offset, bytes_max: usize) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        // a small budget, so that a follower needs several fetches
        let count = (bytes_max / 100_000).max(1);
        for entry in self.entries.iter().filter(|entry| entry.offset >= offset).take(count) {
            let mut arena = self.arena.borrow_mut();
            bytes.extend((arena.entries.len() as u64).to_be_bytes());
            arena.entries.push(entry.clone());
        }
        Ok(bytes.into())
    }

    fn earliest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots.first().map(|(id, _)| *id)
    }

    fn latest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots.last().map(|(id, _)| *id)
    }

    fn snapshot_size(&self, id: SnapshotId) -> Option<u64> {
        self.snapshots.iter().any(|(known, _)| *known == id).then_some(SNAPSHOT_BYTES)
    }

    fn read_snapshot(&self, id: SnapshotId, position: u64, bytes_max: usize) -> io::Result<Bytes> {
        let snapshot = self.snapshots.iter().find(|(known, _)| *known == id).unwrap();
        let size = bytes_max.min((SNAPSHOT_BYTES - position) as usize);
        let mut bytes = vec![0; size];
        if position == 0 {
            let mut arena = self.arena.borrow_mut();
            bytes[..8].copy_from_slice(&(arena.snapshots.len() as u64).to_be_bytes());
            arena.snapshots.push(snapshot.clone());
        }
        Ok(bytes.into())
    }

    fn begin_download(&mut self, id: SnapshotId) -> io::Result<()> {
        self.download = Some((id, Vec::new()));
        Ok(())
    }

    fn write_download(&mut self, position: u64, bytes: &Bytes) -> io::Result<()> {
        let (_, held) = self.download.as_mut().unwrap();
        assert_eq!(held.len() as u64, position);
        held.extend_from_slice(bytes);
        Ok(())
    }

    fn drop_download(&mut self) -> io::Result<()> {
        self.download = None;
        Ok(())
    }

    fn finish_download(&mut self) -> io::Result<Vec<ControlRecord>> {
        let (id, bytes) = self.download.take().unwrap();
        assert_eq!(bytes.len() as u64, SNAPSHOT_BYTES);
        let index = u64::from_be_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (sent, records) = self.arena.borrow().snapshots[index].clone();
        assert_eq!(sent, id);
        self.snapshots = vec![(id, records.clone())];
        self.entries.clear();
        self.epochs = vec![(id.epoch, id.end_offset)];
        self.start = id.end_offset;
        self.durable_end = id.end_offset;
        Ok(records)
    }
}

impl MemoryLog {
    /// Offset of the first record among bytes that `read` gave.
    pub fn first_sent(&self, records: &Bytes) -> Offset {
        let index = u64::from_be_bytes(records[..8].try_into().unwrap()) as usize;
        self.arena.borrow().entries[index].offset
    }
}
