//! How the replicas of a shard stand, for whoever watches it from outside, as the simulator does.

use types::{LeaderEpoch, NodeId, Offset, TopicIdPartition};

use super::Shard;
use crate::partition::Partition;

/// One replica.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub id: TopicIdPartition,
    pub is_leader: bool,
    pub leader_epoch: LeaderEpoch,
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    /// Everything before it survives a loss of power.
    pub flushed_offset: Offset,
    /// `flush.messages=1`
    pub flushes_before_ack: bool,
    /// As far as this node knows.
    pub in_sync_replicas: &'a [NodeId],
}

impl Shard {
    /// Those on a failed disk too: others may have been told how far they went just before.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.partitions.iter().map(Partition::standing)
    }
}

impl Partition {
    fn standing(&self) -> Standing<'_> {
        Standing {
            id: self.id,
            is_leader: self.replica.is_leader(),
            leader_epoch: self.replica.leader_epoch,
            high_watermark: self.replica.high_watermark(),
            log_start_offset: self.log.log_start_offset(),
            log_end_offset: self.log.log_end_offset(),
            flushed_offset: self.log.flushed_offset(),
            flushes_before_ack: self.flushes_before_ack(),
            in_sync_replicas: &self.replica.in_sync_replicas,
        }
    }
}
