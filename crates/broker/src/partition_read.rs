//! Reading one partition for a fetch: who may read up to where, and what is told beside the records.

use platform::{Planted, Time, is_planted};
use protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData,
};
use protocol::{ErrorCode, Records};
use replication::{Candidate, FollowerFetch, nearest};
use types::{LeaderEpoch, NodeId, Offset, TopicIdPartition};

use crate::event::ShardId;
use crate::fetch_session::FetchItem;
use crate::message::FetchConditions;
use crate::metrics::TopicCounts;
use crate::partition::Partition;
use crate::partitions::Slot;
use crate::shard::{Shard, Turn};

/// One partition's part of a fetch response, and what decides when it is sent.
#[derive(Debug)]
pub struct FetchOutcome {
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    pub records: Records,
    /// Bytes of the records.
    pub size: u64,
    pub aborted: Vec<AbortedTransaction>,
    /// The log of whoever fetches has gone another way: its epoch ends here.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Told with errors that mean that somebody else leads.
    pub leader: Option<(NodeId, LeaderEpoch)>,
    /// A replica nearer to the consumer, which it should ask instead.
    pub preferred_read_replica: Option<NodeId>,
    /// A follower should know it at once.
    pub is_news: bool,
    /// There is more than is returned, in an older segment or beyond the limit: no reason to wait.
    pub has_more: bool,
}

impl FetchOutcome {
    pub(crate) fn failed(error: ErrorCode) -> FetchOutcome {
        FetchOutcome {
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            records: Records::Empty,
            size: 0,
            aborted: Vec::new(),
            diverging: None,
            leader: None,
            preferred_read_replica: None,
            is_news: false,
            has_more: false,
        }
    }

    /// Must be answered at once.
    pub(crate) fn is_urgent(&self) -> bool {
        self.error.is_error() || self.has_advice() || self.is_news || self.has_more
    }

    /// Something other than records that the fetcher should act on.
    pub(crate) fn has_advice(&self) -> bool {
        self.diverging.is_some() || self.preferred_read_replica.is_some()
    }

    pub(crate) fn into_data(self, partition_index: i32, read_committed: bool) -> PartitionData {
        PartitionData {
            partition_index,
            error_code: self.error.code(),
            high_watermark: self.high_watermark + i64::from(is_planted(Planted::HighWatermarkPastEnd)),
            last_stable_offset: self.last_stable_offset,
            log_start_offset: self.log_start_offset,
            aborted_transactions: (read_committed && !self.error.is_error()).then_some(self.aborted),
            diverging_epoch: self.diverging.map_or(EpochEndOffset::default(), |(epoch, end)| {
                EpochEndOffset { epoch: epoch.0, end_offset: end.0 }
            }),
            current_leader: self.leader.map_or(LeaderIdAndEpoch::default(), |(leader, epoch)| {
                LeaderIdAndEpoch { leader_id: leader.0, leader_epoch: epoch.0 }
            }),
            preferred_read_replica: self.preferred_read_replica.map_or(-1, |node| node.0),
            records: self.records,
            ..Default::default()
        }
    }
}

impl Shard {
    /// `left`: bytes that the response may still take. `at_least_one`: nothing was read for it yet, so one batch is
    /// returned even if it is larger than the limits.
    pub(crate) fn read_partition(
        &mut self,
        turn: &mut Turn,
        id: &TopicIdPartition,
        item: &FetchItem,
        conditions: &FetchConditions,
        left: u64,
        at_least_one: bool,
    ) -> FetchOutcome {
        let Some(slot) = self.partitions.slot(id) else {
            return self.failed_read(id, self.cluster.absent(id));
        };
        let Some(partition) = self.partitions.at_mut(slot) else {
            return self.failed_read(id, ErrorCode::UnknownTopicOrPartition);
        };
        let checked = match conditions.must_ask_leader() {
            true => partition.check_leader(item.current_leader_epoch),
            false => partition.check_epoch(item.current_leader_epoch),
        };
        if let Err(error) = checked {
            return self.failed_read(id, error);
        }
        if let Some(near) = self.nearest_replica(turn.now, slot, item, conditions) {
            return near;
        }
        let Some(partition) = self.partitions.at_mut(slot) else {
            return self.failed_read(id, ErrorCode::UnknownTopicOrPartition);
        };
        let now_us = turn.now.monotonic_us;
        let throttled = conditions.is_from_replica() && partition.throttled_as_leader;
        let is_held = throttled
            && !partition.is_in_sync(NodeId(conditions.replica_id))
            && self.throttles.leader.exceeded_until(now_us).is_some();
        let (left, at_least_one) = if is_held { (0, false) } else { (left, at_least_one) };
        let mut seen = Seen::default();
        let read = partition.read(turn.now, item, conditions, left, at_least_one, &mut seen);
        if let (true, Ok(outcome)) = (throttled, &read) {
            self.throttles.leader.record(now_us, outcome.size);
        }
        if seen.moved {
            self.partitions.mark_changed(slot);
        }
        if seen.joins {
            self.want_alteration(*id);
        }
        match read {
            Ok(outcome) => outcome,
            Err(refusal) => {
                let partition = self.partitions.at_mut(slot);
                let mut outcome = FetchOutcome::failed(refusal);
                if refusal == ErrorCode::OffsetOutOfRange
                    && !conditions.is_from_replica()
                    && let Some(partition) = partition
                {
                    outcome.log_start_offset = partition.log.log_start_offset().0;
                    outcome.high_watermark = partition.replica.high_watermark().0;
                }
                outcome
            }
        }
    }

    /// Counts what a consumer is told of one partition; of one of another shard under all topics only.
    pub(crate) fn count_read(&mut self, place: Option<(TopicIdPartition, ShardId)>, outcome: &FetchOutcome) {
        let counts = read_counts(outcome);
        self.metrics.all_topics.add(&counts);
        if let Some((id, owner)) = place
            && owner == self.id
            && let Some(partition) = self.partitions.get_mut(&id)
        {
            partition.counts.add(&counts);
        }
    }

    /// Counts what another shard's fetch is given of a partition here.
    pub(crate) fn count_read_for_other(&mut self, id: &TopicIdPartition, outcome: &FetchOutcome) {
        if let Some(partition) = self.partitions.get_mut(id) {
            partition.counts.add(&read_counts(outcome));
        }
    }

    /// The answer where another replica is nearer to the consumer than this leader.
    fn nearest_replica(
        &self,
        now: Time,
        slot: Slot,
        item: &FetchItem,
        conditions: &FetchConditions,
    ) -> Option<FetchOutcome> {
        let rack = conditions.client_rack.as_ref()?;
        let partition = self.partitions.at(slot).filter(|partition| partition.replica.is_leader())?;
        let rack_of = |node: NodeId| {
            let broker = self.cluster.image.cluster.broker(node.0).filter(|broker| !broker.fenced)?;
            broker.rack.as_deref()
        };
        let candidates = partition.candidates(now, Offset(item.fetch_offset), &rack_of);
        let node = nearest(self.node.node_id, rack, &candidates)?;
        Some(FetchOutcome { preferred_read_replica: Some(node), ..partition.empty_outcome() })
    }

    fn failed_read(&self, id: &TopicIdPartition, error: ErrorCode) -> FetchOutcome {
        let mut outcome = FetchOutcome::failed(error);
        if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            outcome.leader = self.cluster.leader_of(id);
        }
        outcome
    }
}

/// What a follower's fetch has changed beside what it reads.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The high watermark has moved.
    moved: bool,
    /// The follower should be in sync.
    joins: bool,
}

fn read_counts(outcome: &FetchOutcome) -> TopicCounts {
    TopicCounts {
        bytes_out: outcome.size,
        fetch_requests: 1,
        failed_fetch_requests: u64::from(outcome.error.is_error()),
        ..TopicCounts::default()
    }
}

impl Partition {
    fn read(
        &mut self,
        now: Time,
        item: &FetchItem,
        conditions: &FetchConditions,
        left: u64,
        at_least_one: bool,
        seen: &mut Seen,
    ) -> Result<FetchOutcome, ErrorCode> {
        let offset = Offset(item.fetch_offset);
        if let Some(diverging) = self.divergence(item)? {
            return Ok(FetchOutcome { diverging: Some(diverging), ..self.empty_outcome() });
        }
        let upper_bound = match (conditions.is_from_replica(), conditions.read_committed) {
            (true, _) => self.log.log_end_offset(),
            _ if is_planted(Planted::FetchPastHighWatermark) => self.log.log_end_offset(),
            (false, true) => self.last_stable_offset(),
            (false, false) => self.replica.high_watermark(),
        };
        if offset < self.log.log_start_offset() || offset > self.log.log_end_offset() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if conditions.is_from_replica() && conditions.is_first_read {
            let fetch = FollowerFetch {
                node: NodeId(conditions.replica_id),
                fetch_offset: offset,
                log_start_offset: Offset(item.log_start_offset),
                broker_epoch: conditions.broker_epoch,
            };
            seen.joins = self.on_follower_fetch(now, &fetch)?;
            // its log's start may be what a DeleteRecords waits for
            seen.moved = self.advance_high_watermark(now) || !self.deletions.is_empty();
        }
        let mut outcome = self.empty_outcome();
        let limit = left.min(item.max_bytes.max(0) as u64);
        if offset >= upper_bound || limit == 0 && !at_least_one {
            return Ok(outcome);
        }
        let read = self.log.read(offset, limit, upper_bound, at_least_one);
        (outcome.records, outcome.size) = read.map_err(|error| ErrorCode::from(error.error_code()))?;
        outcome.has_more = outcome.size > 0 && self.log.is_in_older_segment(offset);
        if conditions.read_committed && !conditions.is_from_replica() && outcome.size > 0 {
            outcome.aborted = self.log.aborted_transactions(offset, upper_bound)?;
        }
        Ok(outcome)
    }

    /// Replicas that have this offset: this leader and its in-sync followers.
    fn candidates<'a>(
        &self,
        now: Time,
        offset: Offset,
        rack_of: &impl Fn(NodeId) -> Option<&'a str>,
    ) -> Vec<Candidate<'a>> {
        let replica = &self.replica;
        let own = Candidate {
            node: replica.node,
            rack: rack_of(replica.node),
            log_end_offset: self.log.log_end_offset(),
            behind_us: 0,
        };
        let has_it = |follower: &&replication::Follower| {
            replica.in_sync_replicas.contains(&follower.node)
                && follower.log_start_offset <= offset
                && follower.log_end_offset >= offset
        };
        let followers = replica.followers().iter().filter(has_it).map(|follower| Candidate {
            node: follower.node,
            rack: rack_of(follower.node),
            log_end_offset: follower.log_end_offset,
            behind_us: match follower.log_end_offset == self.log.log_end_offset() {
                true => 0,
                false => follower.behind_us(now.monotonic_us),
            },
        });
        std::iter::once(own).chain(followers).collect()
    }

    fn empty_outcome(&self) -> FetchOutcome {
        FetchOutcome {
            high_watermark: self.replica.high_watermark().0,
            last_stable_offset: self.last_stable_offset().0,
            log_start_offset: self.log.log_start_offset().0,
            ..FetchOutcome::failed(ErrorCode::None)
        }
    }

    /// Where the fetcher's log left this one's, if it did (KIP-595).
    fn divergence(&self, item: &FetchItem) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
        if item.last_fetched_epoch < 0 {
            return Ok(None);
        }
        let (epoch, end) = self.log.end_offset_for_epoch(LeaderEpoch(item.last_fetched_epoch));
        // an epoch that this log knows nothing of: the fetcher has to look where the log ends and starts
        if epoch.0 < 0 || end.0 < 0 || item.fetch_offset < self.log.log_start_offset().0 {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if is_planted(Planted::DivergenceNotTold) {
            return Ok(None);
        }
        let diverged = epoch.0 < item.last_fetched_epoch || end.0 < item.fetch_offset;
        Ok(diverged.then_some((epoch, end)))
    }
}
