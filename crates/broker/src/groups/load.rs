//! Replaying a partition of `__consumer_offsets` when its leadership begins: a piece in each turn, so that a long
//! log does not keep the shard's other clients waiting. Until all is read, clients are told to ask again.

use bytes::Bytes;
use coordinator::group::{GroupShard, ReplayRecord};
use platform::{Planted, is_planted};
use records::control::ControlType;
use records::{Batch, Batches};
use types::Offset;

use super::GroupPartition;
use crate::event::Level;
use crate::partitions::Slot;
use crate::shard::{Shard, Turn};

/// Bytes replayed in one turn.
const PIECE_BYTES: u64 = 1 << 20;
/// What one batch may decompress to.
const BATCH_BYTES_MAX: usize = 100 << 20;

impl Shard {
    /// This shard leads a partition of `__consumer_offsets` from now on.
    pub(crate) fn begin_groups(&mut self, slot: Slot) {
        let Some(start) = self.partitions.at(slot).map(|partition| partition.log.log_start_offset()) else {
            return;
        };
        let groups = GroupPartition {
            coordinator: GroupShard::new(),
            loading: Some(start),
            awaits_commit: false,
            deleted_while_loading: Vec::new(),
            writes: Default::default(),
        };
        self.groups.partitions.insert(slot, groups);
        self.groups.touched = true;
    }

    /// Reads on in every partition that is not read to its end.
    pub(super) fn load_groups(&mut self, turn: &mut Turn) {
        let loading = |(slot, groups): (&Slot, &GroupPartition)| {
            let from = groups.loading.filter(|_| !groups.awaits_commit)?;
            Some((*slot, from))
        };
        let slots: Vec<(Slot, Offset)> = self.groups.partitions.iter().filter_map(loading).collect();
        for (slot, from) in slots {
            self.load_piece(turn, slot, from);
        }
    }

    fn load_piece(&mut self, turn: &mut Turn, slot: Slot, from: Offset) {
        self.groups.touched = true;
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        let end = partition.log.log_end_offset();
        let piece = if from < end { partition.log.read_bytes(from, PIECE_BYTES) } else { Ok(Bytes::new()) };
        let Some(groups) = self.groups.partitions.get_mut(&slot) else { return };
        let read = piece.map_err(|error| error.to_string());
        match read.and_then(|bytes| replay(&mut groups.coordinator, &bytes, from)) {
            Ok((next, refused)) => {
                if refused > 0 {
                    let text = format!("{}: {refused} records of groups are unreadable", partition.name());
                    turn.log(Level::Warning, text);
                }
                let done = next >= end || next == from;
                groups.loading = Some(next);
                groups.awaits_commit = done;
                if done {
                    self.finish_loading(turn, slot);
                }
            }
            // half of the commits are worse than none: nobody coordinates these groups, as with Kafka
            Err(error) => {
                turn.log(Level::Error, format!("{}: groups are not loaded: {error}", partition.name()));
                self.groups.partitions.remove(&slot);
                self.groups.touched = true;
            }
        }
    }
}

impl Shard {
    /// Once what was read is committed; or cannot be for now, since too few replicas are in sync: then what is here is
    /// the best that there is to read.
    pub(super) fn finish_loading(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(replica) = self.partitions.at(slot).map(|partition| &partition.replica) else { return };
        let waits = !replica.has_reached_epoch_start() && replica.has_enough_in_sync();
        let Some(groups) = self.groups.partitions.get_mut(&slot).filter(|groups| groups.awaits_commit) else {
            return;
        };
        if waits {
            return;
        }
        (groups.awaits_commit, groups.loading) = (false, None);
        let deleted = std::mem::take(&mut groups.deleted_while_loading);
        self.drive(turn, slot, |coordinator, context, effects| {
            coordinator.on_loaded(context, effects);
            coordinator.on_topics_deleted(&deleted, context, effects);
        });
    }
}

/// Replays whole batches; gives the offset after them and how many records are none of a group's. An error where
/// a batch is damaged.
fn replay(coordinator: &mut GroupShard, bytes: &Bytes, from: Offset) -> Result<(Offset, usize), String> {
    let mut next = from;
    let mut refused = 0;
    for batch in Batches::new(bytes) {
        let replayed = batch.map_err(|error| error.to_string()).and_then(|batch| {
            refused += replay_batch(coordinator, &batch, from)?;
            Ok(batch.next_offset())
        });
        next = replayed.map_err(|error| format!("the batch at {next} is unreadable: {error}"))?;
    }
    Ok((next, refused))
}

fn replay_batch(coordinator: &mut GroupShard, batch: &Batch<'_>, from: Offset) -> Result<usize, String> {
    batch.verify_crc().map_err(|error| error.to_string())?;
    let data = batch.data(BATCH_BYTES_MAX).map_err(|error| error.to_string())?;
    let data = Bytes::from(data.into_owned());
    let transaction = batch.is_transactional().then(|| batch.producer_id());
    let mut refused = 0;
    for record in batch.records(&data) {
        let record = record.map_err(|error| error.to_string())?;
        if record.offset < from {
            continue;
        }
        let Some(key) = record.key.map(|key| data.slice_ref(key)) else { continue };
        if batch.is_control() {
            match ControlType::from_key(&key) {
                Ok(ControlType::Commit) => coordinator.on_marker(batch.producer_id(), true),
                Ok(ControlType::Abort) => coordinator.on_marker(batch.producer_id(), false),
                _ => {}
            }
            continue;
        }
        if record.value.is_none() && is_planted(Planted::DeletionForgotten) {
            continue;
        }
        let value = record.value.map(|value| data.slice_ref(value));
        let replayed = coordinator.replay(&ReplayRecord { offset: record.offset, key, value, transaction });
        refused += usize::from(replayed.is_err());
    }
    Ok(refused)
}
