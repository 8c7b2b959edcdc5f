//! Fetches that wait for partitions of this shard, whichever shard they belong to. A watch ends when one of its
//! partitions changes: whoever watched reads again and, if that is not enough, watches anew.

use platform::{Planted, is_planted};
use types::TopicIdPartition;

use crate::event::ShardId;
use crate::message::{Message, WorkId};
use crate::partitions::Slot;
use crate::shard::{Shard, Turn};

/// A fetch, by the shard that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watcher {
    pub shard: ShardId,
    pub id: WorkId,
}

impl Shard {
    pub(crate) fn watch(&mut self, watcher: Watcher, partitions: &[TopicIdPartition], is_replica: bool) {
        let mut slots = Vec::with_capacity(partitions.len());
        for id in partitions {
            if let Some(slot) = self.partitions.slot(id)
                && let Some(partition) = self.partitions.at_mut(slot)
            {
                let watchers = if is_replica { &mut partition.replicas } else { &mut partition.watchers };
                watchers.insert(watcher);
                slots.push(slot);
            }
        }
        if !slots.is_empty() {
            self.watches.insert(watcher, slots);
        }
    }

    pub(crate) fn unwatch(&mut self, watcher: Watcher) {
        for slot in self.watches.remove(&watcher).unwrap_or_default() {
            if let Some(partition) = self.partitions.at_mut(slot) {
                partition.watchers.remove(&watcher);
                partition.replicas.remove(&watcher);
            }
        }
    }

    /// Ends all watches on a partition and tells those who watched.
    pub(crate) fn wake_watchers(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        let mut watchers = std::mem::take(&mut partition.watchers);
        // a replica reads to the end of the log: a high watermark that moves is no news for it
        let (start, end) = (partition.log.log_start_offset(), partition.log.log_end_offset());
        let seen = (start, end, partition.replica.leader_epoch, partition.offline);
        let is_news =
            std::mem::replace(&mut partition.replicas_saw, seen) != seen || !partition.replica.is_leader();
        if is_news {
            watchers.append(&mut partition.replicas);
        }
        self.tell_replica_sessions(slot, is_news);
        for watcher in watchers {
            self.unwatch(watcher);
            if watcher.shard == self.id {
                crate::handlers::fetch::on_wake_here(self, turn, watcher.id);
            } else if !is_planted(Planted::WakeLost) {
                turn.send(watcher.shard, Message::FetchWake { id: watcher.id });
            }
        }
    }
}
