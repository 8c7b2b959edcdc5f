//! One replica on this shard: its log, what is known of its peers, and who waits for it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use metadata::configs::LogConfig;
use platform::{Planted, Time, is_planted};
use protocol::{ErrorCode, Str};
use replication::{Assigned, Assignment, FollowerFetch, FollowerRefused, OwnLog, ReplicaState};
use types::{LeaderEpoch, NodeId, Offset, TopicIdPartition};

use crate::cluster::{PartitionState, is_internal};
use crate::event::DirectoryIndex;
use crate::log::ReplicaLog;
use crate::message::{Place, WorkId};
use crate::metrics::TopicCounts;
use crate::replica_sessions::SessionKey;
use crate::shard::{Future, names};
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
    /// Whose log is copied here.
    pub following: Option<NodeId>,
    /// Where its leader is asked for records although the log ends before: in the midst of the batch that comes first.
    pub fetch_from: Offset,
    /// Where it moves to.
    pub future: Option<Box<Future>>,
    /// The log was cut below what a checkpoint file says is on the disk: nothing is appended before that is rewritten.
    pub awaits_checkpoint: bool,
    pub config: Arc<LogConfig>,
    /// Somebody is to be told at the end of the turn.
    pub changed: bool,
    /// DeleteRecords that wait for the followers' log starts.
    pub deletions: Vec<Waiter>,
    pub watchers: BTreeSet<Watcher>,
    /// Fetches of replicas that wait, and what they were woken for last: start and end of the log, epoch, offline.
    pub replicas: BTreeSet<Watcher>,
    pub replicas_saw: (Offset, Offset, LeaderEpoch, bool),
    /// Sessions of followers that it is a part of.
    pub sessions: Vec<SessionKey>,
    /// Its log directory has failed; nothing is read or written any more.
    pub offline: bool,
    /// Monotonic microseconds of the oldest append that is not flushed, for `flush.ms`.
    pub unflushed_since_us: Option<u64>,
    /// What clients did with it.
    pub counts: TopicCounts,
    /// Bytes appended since a flush was last planned.
    pub unflushed_bytes: u64,
    /// What a lagging follower is sent, or this follower fetches, is held to a rate.
    pub throttled_as_leader: bool,
    pub throttled_as_follower: bool,
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
        mut replica: ReplicaState,
    ) -> Partition {
        // the checkpoint may be older, or newer, than what recovery has left
        replica.on_log_replaced(log.log_start_offset(), log.log_end_offset());
        let mut partition = Partition {
            id,
            is_internal: is_internal(&topic),
            topic,
            directory,
            log,
            replica,
            following: None,
            fetch_from: Offset::ZERO,
            future: None,
            awaits_checkpoint: false,
            config,
            changed: false,
            deletions: Vec::new(),
            watchers: BTreeSet::new(),
            replicas: BTreeSet::new(),
            replicas_saw: (Offset::ZERO, Offset::ZERO, LeaderEpoch::NONE, false),
            sessions: Vec::new(),
            offline: false,
            unflushed_since_us: None,
            counts: TopicCounts::default(),
            unflushed_bytes: 0,
            throttled_as_leader: false,
            throttled_as_follower: false,
            committed_waiters: VecDeque::new(),
            flushed_waiters: VecDeque::new(),
        };
        partition.note_throttled();
        partition
    }

    /// The topic's lists of throttled replicas may have changed.
    pub fn note_throttled(&mut self) {
        let (partition, node) = (self.id.partition, self.replica.node.0);
        let LogConfig {
            leader_replication_throttled_replicas: leaders,
            follower_replication_throttled_replicas: followers,
            ..
        } = &*self.config;
        self.throttled_as_leader = names(leaders, partition, node);
        self.throttled_as_follower = names(followers, partition, node);
    }

    pub fn is_in_sync(&self, node: NodeId) -> bool {
        self.replica.in_sync_replicas.contains(&node)
    }

    /// As people write it: `topic-0`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.topic, self.id.partition)
    }

    /// `flush.messages=1`: nothing is acknowledged, nor shown to consumers, before it is on the disk.
    pub fn flushes_before_ack(&self) -> bool {
        self.config.flush_messages <= 1
    }

    /// The cluster's word on this partition.
    pub fn assign(&mut self, now: Time, state: &PartitionState) -> Assigned {
        let nodes = |ids: &[i32]| ids.iter().map(|&id| NodeId(id)).collect::<Vec<_>>();
        let given = Assignment {
            leader: NodeId(state.leader),
            leader_epoch: LeaderEpoch(state.leader_epoch),
            partition_epoch: state.partition_epoch,
            replicas: nodes(&state.replicas),
            in_sync_replicas: nodes(&state.in_sync_replicas),
        };
        let assigned = self.replica.assign(given, self.log.log_end_offset(), now.monotonic_us);
        self.replica.min_in_sync_replicas = usize::try_from(self.config.min_insync_replicas).unwrap_or(1);
        if assigned == Assigned::BeginsToLead {
            self.log.assign_epoch(self.replica.leader_epoch);
        }
        self.advance_high_watermark(now);
        assigned
    }

    /// `current_leader_epoch`: what the client thinks; -1 where it does not say.
    pub fn check_leader(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        self.check_epoch(current_leader_epoch)?;
        let leads = self.replica.is_leader() || is_planted(Planted::StaleLeaderAccepts);
        if leads { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }

    /// Whether this replica, leader or not, may answer somebody who thinks of this epoch.
    pub fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        if self.offline {
            return Err(ErrorCode::KafkaStorageError);
        }
        if self.replica.leader == NodeId::NONE {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        match current_leader_epoch {
            i32::MIN..0 => Ok(()),
            epoch if epoch < self.replica.leader_epoch.0 => Err(ErrorCode::FencedLeaderEpoch),
            epoch if epoch > self.replica.leader_epoch.0 => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// A follower has everything before its fetch's offset. True where the in-sync set should take it in: the
    /// controller is to be asked.
    pub fn on_follower_fetch(&mut self, now: Time, fetch: &FollowerFetch) -> Result<bool, ErrorCode> {
        let end = self.log.log_end_offset();
        match self.replica.on_follower_fetch(fetch, end, now.monotonic_us) {
            Ok(_) => Ok(self.replica.propose_expansion(fetch.node)),
            // its metadata may be newer than ours
            Err(FollowerRefused::NotAReplica) => Err(ErrorCode::UnknownLeaderEpoch),
            Err(FollowerRefused::StaleBrokerEpoch) => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    /// Takes a follower into the in-sync set that belongs there by what is known already; true where the controller
    /// is to be asked.
    pub fn propose_any_expansion(&mut self) -> bool {
        let nodes: Vec<NodeId> = self.replica.followers().iter().map(|follower| follower.node).collect();
        nodes.into_iter().any(|node| self.replica.propose_expansion(node))
    }

    /// What the leader says beside its records. True where something has moved.
    pub fn follow_leader(&mut self, high_watermark: Offset, log_start_offset: Offset) -> bool {
        let moved = self.replica.follow(high_watermark, self.log.log_end_offset());
        let committed = self.replica.high_watermark();
        if moved {
            self.log.on_high_watermark(committed);
        }
        // beyond the own high watermark the leader would have been out of range
        let started = self.log.0.delete_records(log_start_offset.min(committed), committed);
        moved || started.unwrap_or(false)
    }

    /// Where a follower asks on.
    pub fn fetch_offset(&self) -> Offset {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        if start == end { end.max(self.fetch_from) } else { end }
    }

    /// Nothing may be appended to a follower's log now, or its end is not to be told to the leader yet.
    pub fn may_not_be_fetched(&self) -> bool {
        let waits = self.flushes_before_ack() && !is_planted(Planted::FollowerAheadOfDisk);
        let unflushed = waits && self.log.flushed_offset() < self.log.log_end_offset();
        self.awaits_checkpoint || unflushed
    }

    /// Moves the high watermark as far as it may go; true where it moved.
    pub fn advance_high_watermark(&mut self, now: Time) -> bool {
        let end = self.log.log_end_offset();
        let waits = self.flushes_before_ack() && !is_planted(Planted::ShownBeforeFlush);
        let counted_end = if waits { self.log.flushed_offset() } else { end };
        let moved = self.replica.advance(OwnLog { end, counted_end }, now.monotonic_us);
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
        let is_early = acks == -1 && is_planted(Planted::AckBeforeInSync);
        if is_early || is_planted(Planted::AckBeforeFlush) {
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
            let is_enough = at > 0 || self.replica.has_enough_to_acknowledge();
            let done = queue.front().is_some_and(|waiter| waiter.required <= reached || error.is_error());
            if done {
                let is_wrong = is_planted(Planted::DeposedLeaderAcknowledges);
                return queue.pop_front().map(|waiter| match waiter.required <= reached || is_wrong {
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
