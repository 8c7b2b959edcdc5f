//! DeleteRecords that wait: until the log of every replica that lives starts where it is to, or later.

use protocol::ErrorCode;
use protocol::messages::delete_records_response::DeleteRecordsPartitionResult;
use types::{Offset, TopicIdPartition};

use super::{Origin, Shard, Turn};
use crate::message::{PartReply, PartitionOutcome, Place, WorkId};
use crate::partition::Waiter;
use crate::partitions::Slot;

/// Answers that are complete but for those partitions that are open.
pub(crate) struct DeleteWait {
    origin: Origin,
    results: Vec<(Place, DeleteRecordsPartitionResult)>,
    open: Vec<(Place, TopicIdPartition)>,
}

impl DeleteWait {
    fn close(&mut self, place: Place, error: ErrorCode, low_watermark: Option<Offset>) {
        self.open.retain(|(open, _)| *open != place);
        if let Some((_, result)) = self.results.iter_mut().find(|(at, _)| *at == place) {
            result.error_code = error.code();
            result.low_watermark = low_watermark.map_or(result.low_watermark, |offset| offset.0);
        }
    }
}

impl Shard {
    /// The smallest log start among the replicas that live; one that has not fetched yet counts as -1.
    pub(crate) fn low_watermark(&self, slot: Slot) -> Offset {
        let Some(partition) = self.partitions.at(slot) else { return Offset(-1) };
        let followers = partition.replica.followers().iter();
        let living = followers.filter(|follower| self.cluster.is_alive(follower.node.0));
        let smallest = living.map(|follower| follower.log_start_offset).min();
        let own = partition.log.log_start_offset();
        smallest.map_or(own, |offset| offset.min(own))
    }

    pub(crate) fn wait_for_deletion(
        &mut self,
        turn: &mut Turn,
        origin: Origin,
        results: Vec<(Place, DeleteRecordsPartitionResult)>,
        pending: Vec<(Place, TopicIdPartition, Offset)>,
        timeout_ms: i32,
    ) {
        let id = self.new_work();
        let mut open = Vec::with_capacity(pending.len());
        for (place, partition_id, required) in pending {
            let Some(partition) = self.partitions.get_mut(&partition_id) else { continue };
            open.push((place, partition_id));
            partition.deletions.push(Waiter { required, id, place });
        }
        let deadline = turn.after_ms(i64::from(timeout_ms.max(0)));
        self.deletions.insert(id, deadline, DeleteWait { origin, results, open });
    }

    /// Tells those who waited for this partition's followers.
    pub(super) fn settle_deletions(&mut self, turn: &mut Turn, slot: Slot) {
        let low_watermark = match self.partitions.at(slot) {
            Some(partition) if !partition.deletions.is_empty() => self.low_watermark(slot),
            _ => return,
        };
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        let error = match (partition.offline, partition.replica.is_leader()) {
            (true, _) => ErrorCode::KafkaStorageError,
            (false, false) => ErrorCode::NotLeaderOrFollower,
            (false, true) => ErrorCode::None,
        };
        let is_done = |waiter: &Waiter| error.is_error() || waiter.required <= low_watermark;
        let (done, waits) = std::mem::take(&mut partition.deletions).into_iter().partition(is_done);
        partition.deletions = waits;
        let done: Vec<Waiter> = done;
        let told = if error.is_error() { Offset(-1) } else { low_watermark };
        for waiter in done {
            let Some(wait) = self.deletions.get_mut(waiter.id) else { continue };
            wait.close(waiter.place, error, Some(told));
            if wait.open.is_empty() {
                self.finish_deletion(turn, waiter.id);
            }
        }
    }

    pub(super) fn on_deletion_expired(&mut self, turn: &mut Turn, id: WorkId, mut wait: DeleteWait) {
        while let Some(&(place, partition)) = wait.open.last() {
            wait.close(place, ErrorCode::RequestTimedOut, None);
            if let Some(partition) = self.partitions.get_mut(&partition) {
                partition.deletions.retain(|waiter| waiter.id != id);
            }
        }
        self.deletions.insert(id, crate::purgatory::NEVER, wait);
        self.finish_deletion(turn, id);
    }

    fn finish_deletion(&mut self, turn: &mut Turn, id: WorkId) {
        let Some(wait) = self.deletions.take(id) else { return };
        let outcome = |(place, result)| (place, PartitionOutcome::DeleteRecords(result));
        let outcomes = wait.results.into_iter().map(outcome).collect();
        self.reply_part(turn, wait.origin, PartReply::Partitions(outcomes));
    }

    /// Who lives has changed: those that waited for somebody who does no more need not.
    pub(super) fn look_after_deletions(&mut self) {
        if self.deletions.len() == 0 {
            return;
        }
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            if self.partitions.at(slot).is_some_and(|partition| !partition.deletions.is_empty()) {
                self.partitions.mark_changed(slot);
            }
        }
    }
}
