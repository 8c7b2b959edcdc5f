//! Reading one partition for a fetch: who may read up to where, and what is told beside the records.

use platform::{Planted, Time, is_planted};
use protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData,
};
use protocol::{ErrorCode, Records};
use types::{LeaderEpoch, NodeId, Offset, TopicIdPartition};

use crate::event::ShardId;
use crate::fetch_session::FetchItem;
use crate::message::FetchConditions;
use crate::metrics::TopicCounts;
use crate::partition::Partition;
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
            has_more: false,
        }
    }

    /// Must be answered at once.
    pub(crate) fn is_urgent(&self) -> bool {
        self.error.is_error() || self.diverging.is_some() || self.has_more
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
        if let Err(error) = partition.check_leader(item.current_leader_epoch) {
            return self.failed_read(id, error);
        }
        let mut moved = false;
        let read = partition.read(turn.now, item, conditions, left, at_least_one, &mut moved);
        if moved {
            self.partitions.mark_changed(slot);
        }
        match read {
            Ok(outcome) => outcome,
            Err(refusal) => {
                let partition = self.partitions.at_mut(slot);
                let mut outcome = FetchOutcome::failed(refusal);
                if refusal == ErrorCode::OffsetOutOfRange
                    && let Some(partition) = partition
                {
                    outcome.log_start_offset = partition.log.log_start_offset().0;
                    outcome.high_watermark = partition.replica.high_watermark().0;
                }
                outcome
            }
        }
    }

    /// Counts what a fetch is told of one partition; of one of another shard under all topics only.
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

    fn failed_read(&self, id: &TopicIdPartition, error: ErrorCode) -> FetchOutcome {
        let mut outcome = FetchOutcome::failed(error);
        if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            outcome.leader = self.cluster.leader_of(id);
        }
        outcome
    }
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
        _now: Time,
        item: &FetchItem,
        conditions: &FetchConditions,
        left: u64,
        at_least_one: bool,
        moved: &mut bool,
    ) -> Result<FetchOutcome, ErrorCode> {
        let offset = Offset(item.fetch_offset);
        if let Some(diverging) = self.divergence(item) {
            return Ok(FetchOutcome { diverging: Some(diverging), ..self.empty_outcome() });
        }
        let upper_bound = match (conditions.replica_id >= 0, conditions.read_committed) {
            (true, _) => self.log.log_end_offset(),
            (false, true) => self.last_stable_offset(),
            (false, false) => self.replica.high_watermark(),
        };
        if offset < self.log.log_start_offset() || offset > self.log.log_end_offset() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if conditions.replica_id >= 0 {
            self.replica.on_follower_progress(NodeId(conditions.replica_id), offset);
            *moved |= self.advance_high_watermark();
        }
        let mut outcome = self.empty_outcome();
        let limit = left.min(item.max_bytes.max(0) as u64);
        if offset >= upper_bound || limit == 0 && !at_least_one {
            return Ok(outcome);
        }
        let read = self.log.read(offset, limit, upper_bound, at_least_one);
        (outcome.records, outcome.size) = read.map_err(|error| ErrorCode::from(error.error_code()))?;
        outcome.has_more = outcome.size > 0 && self.log.is_in_older_segment(offset);
        if conditions.read_committed && conditions.replica_id < 0 && outcome.size > 0 {
            outcome.aborted = self.log.aborted_transactions(offset, upper_bound)?;
        }
        Ok(outcome)
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
    fn divergence(&self, item: &FetchItem) -> Option<(LeaderEpoch, Offset)> {
        if item.last_fetched_epoch < 0 {
            return None;
        }
        let (epoch, end) = self.log.end_offset_for_epoch(LeaderEpoch(item.last_fetched_epoch));
        let diverged = epoch.0 < item.last_fetched_epoch || end.0 < item.fetch_offset;
        diverged.then_some((epoch, end))
    }
}
