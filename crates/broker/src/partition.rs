//! One replica on this shard: its log, what is known of its peers, and who waits for it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use metadata::configs::LogConfig;
use platform::{Planted, is_planted};
use protocol::{ErrorCode, Str};
use types::{LeaderEpoch, NodeId, Offset, TopicIdPartition};

use crate::cluster::{PartitionState, is_internal};
use crate::event::DirectoryIndex;
use crate::log::ReplicaLog;
use crate::message::{Place, WorkId};
use crate::metrics::TopicCounts;
use crate::replication::ReplicaState;
use crate::watch::Watcher;

/// What an acknowledgement waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckNeed {
    /// Every in-sync replica has the records (acks=all).
    Committed,
    /// They are on this node's disk (`flush.messages=1`, acks=1).
    Flushed,
}

/// A produce that waits for this partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub required: Offset,
    pub id: WorkId,
    pub place: Place,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Partition {
    pub id: TopicIdPartition,
    pub topic: Str,
    /// Clients may read it, not write to it.
    pub is_internal: bool,
    pub directory: DirectoryIndex,
    pub log: ReplicaLog,
    pub replica: ReplicaState,
    pub config: Arc<LogConfig>,
    /// Somebody is to be told at the end of the turn.
    pub changed: bool,
    pub watchers: BTreeSet<Watcher>,
    /// Its log directory has failed; nothing is read or written any more.
    pub offline: bool,
    /// Monotonic microseconds of the oldest append that is not flushed, for `flush.ms`.
    pub unflushed_since_us: Option<u64>,
    /// What clients did with it.
    pub counts: TopicCounts,
    /// Bytes appended since a flush was last planned.
    pub unflushed_bytes: u64,
    committed_waiters: VecDeque<Waiter>,
    flushed_waiters: VecDeque<Waiter>,
}

impl Partition {
    pub fn new(
        id: TopicIdPartition,
        topic: Str,
        directory: DirectoryIndex,
        log: ReplicaLog,
        config: Arc<LogConfig>,
        node: NodeId,
        high_watermark: Offset,
    ) -> Partition {
        let high_watermark = high_watermark.max(log.log_start_offset()).min(log.log_end_offset());
        Partition {
            id,
            is_internal: is_internal(&topic),
            topic,
            directory,
            log,
            replica: ReplicaState::new(node, high_watermark),
            config,
            changed: false,
            watchers: BTreeSet::new(),
            offline: false,
            unflushed_since_us: None,
            counts: TopicCounts::default(),
            unflushed_bytes: 0,
            committed_waiters: VecDeque::new(),
            flushed_waiters: VecDeque::new(),
        }
    }

    /// As people write it: `topic-0`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.topic, self.id.partition)
    }

    /// `flush.messages=1`: nothing is acknowledged, nor shown to consumers, before it is on the disk.
    pub fn flushes_before_ack(&self) -> bool {
        self.config.flush_messages <= 1
    }

    /// The cluster's word on this partition. True where this node begins to lead it.
    pub fn assign(&mut self, state: &PartitionState) -> bool {
        let nodes = |ids: &[i32]| ids.iter().map(|&id| NodeId(id)).collect::<Vec<_>>();
        let begins = self.replica.assign(
            NodeId(state.leader),
            LeaderEpoch(state.leader_epoch),
            &nodes(&state.replicas),
            &nodes(&state.in_sync_replicas),
            self.log.log_end_offset(),
        );
        self.replica.min_in_sync_replicas = usize::try_from(self.config.min_insync_replicas).unwrap_or(1);
        if begins {
            self.log.assign_epoch(self.replica.leader_epoch);
        }
        self.advance_high_watermark();
        begins
    }

    /// `current_leader_epoch`: what the client thinks; -1 where it does not say.
    pub fn check_leader(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        if self.offline {
            return Err(ErrorCode::KafkaStorageError);
        }
        if !self.replica.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        match current_leader_epoch {
            i32::MIN..0 => Ok(()),
            epoch if epoch < self.replica.leader_epoch.0 => Err(ErrorCode::FencedLeaderEpoch),
            epoch if epoch > self.replica.leader_epoch.0 => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Moves the high watermark as far as it may go; true where it moved.
    pub fn advance_high_watermark(&mut self) -> bool {
        let flushed = self.flushes_before_ack();
        let own_end = if flushed { self.log.flushed_offset() } else { self.log.log_end_offset() };
        let moved = self.replica.advance(own_end);
        if moved {
            self.log.on_high_watermark(self.replica.high_watermark());
        }
        moved
    }

    /// Before it everything is decided: no transaction is open.
    pub fn last_stable_offset(&self) -> Offset {
        let high_watermark = self.replica.high_watermark();
        self.log.first_unstable_offset().map_or(high_watermark, |first| first.min(high_watermark))
    }

    /// What still has to happen before records up to `end` may be acknowledged.
    pub fn need_for(&self, acks: i16, end: Offset) -> Option<AckNeed> {
        if is_planted(Planted::AckBeforeFlush) {
            return None;
        }
        match acks {
            -1 if self.replica.high_watermark() < end => Some(AckNeed::Committed),
            1 if self.flushes_before_ack() && self.log.flushed_offset() < end => Some(AckNeed::Flushed),
            _ => None,
        }
    }

    pub fn add_waiter(&mut self, need: AckNeed, waiter: Waiter) {
        match need {
            AckNeed::Committed => self.committed_waiters.push_back(waiter),
            AckNeed::Flushed => self.flushed_waiters.push_back(waiter),
        }
    }

    /// A waiter that need not wait any more, and what it is told.
    pub fn next_settled(&mut self) -> Option<(Waiter, ErrorCode)> {
        let error = match (self.offline, self.replica.is_leader()) {
            (true, _) => ErrorCode::KafkaStorageError,
            (false, false) => ErrorCode::NotLeaderOrFollower,
            (false, true) => ErrorCode::None,
        };
        let (high_watermark, flushed) = (self.replica.high_watermark(), self.log.flushed_offset());
        let queues = [(&mut self.committed_waiters, high_watermark), (&mut self.flushed_waiters, flushed)];
        for (at, (queue, reached)) in queues.into_iter().enumerate() {
            // acks=1 does not ask how many replicas are in sync
            let is_enough = at > 0 || self.replica.has_enough_in_sync();
            let done = queue.front().is_some_and(|waiter| waiter.required <= reached || error.is_error());
            if done {
                return queue.pop_front().map(|waiter| match waiter.required <= reached {
                    true if is_enough => (waiter, ErrorCode::None),
                    true => (waiter, ErrorCode::NotEnoughReplicasAfterAppend),
                    false => (waiter, error),
                });
            }
        }
        None
    }

    /// Kafka refuses DeleteRecords where records are only compacted, never deleted.
    pub fn allows_delete_records(&self) -> bool {
        let policy = &self.config.cleanup_policy;
        policy.delete || !policy.compact
    }
}
