//! A follower that has nothing of what its leader still has: its log begins anew where the leader's starts.
//! Records are deleted one by one and kept in batches: the first batch may begin before the leader's start.

use bytes::Bytes;
use records::Batches;
use types::Offset;

use super::{Shard, Turn};
use crate::event::Level;
use crate::partition::Partition;
use crate::partitions::Slot;

/// Whether a log that holds nothing, or nothing that its leader still has, ends in the midst of the first of these batches.
pub(super) fn begins_within(partition: &Partition, bytes: &Bytes, leader_start: Offset) -> bool {
    let log = &partition.log;
    let end = log.log_end_offset();
    let first = Batches::new(bytes).next().and_then(Result::ok);
    (log.log_start_offset() == end || end <= leader_start)
        && first.is_some_and(|batch| batch.base_offset() < end && batch.next_offset() > end)
}

impl Shard {
    /// The leader's log starts behind the end of this one.
    pub(super) fn begin_anew(&mut self, turn: &mut Turn, slot: Slot, offset: Offset) {
        self.begin_at(turn, slot, offset, Offset::ZERO, "its leader's start");
    }

    /// The leader's log starts in the midst of a batch: the log begins where that does, and is fetched from where the
    /// leader's starts, in another round, since what a checkpoint says is on the disk must be put right before.
    pub(super) fn begin_in_batch(&mut self, turn: &mut Turn, slot: Slot, base: Offset, start: Offset) {
        self.begin_at(turn, slot, base, start, "where the batch with its leader's start begins");
    }

    fn begin_at(&mut self, turn: &mut Turn, slot: Slot, base: Offset, fetch_from: Offset, what: &str) {
        let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
            return;
        };
        let end = partition.log.log_end_offset();
        let recovery_point = partition.log.0.recovery_point();
        let text = format!("{}: begins anew at {base}, {what}, after {end}", partition.name());
        turn.log(Level::Warning, text);
        partition.fetch_from = fetch_from;
        if let Err(error) = partition.log.0.truncate_fully_and_start_at(base, turn.now.wall_ms) {
            return self.on_log_error(turn, slot, &error);
        }
        self.on_log_replaced(turn, slot, recovery_point);
    }
}
