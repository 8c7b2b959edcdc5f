//! The shard's counters and rows, made when somebody asks.

use protocol::Response;

use super::{Call, Shard, Turn};
use crate::event::Effect;
use crate::metrics::{GroupRow, PartitionRow};
use crate::partition::Partition;

impl Shard {
    pub(super) fn on_read_metrics(&mut self, turn: &mut Turn) {
        let mut metrics = self.metrics.clone();
        let lost = self.disk.failed.len() + self.node.lost_log_directories.len();
        metrics.offline_log_directories = lost as u64;
        metrics.purgatory_produce = self.produces.len() as u64;
        metrics.purgatory_fetch = (self.fetches.len() + self.replica_fetches.len()) as u64;
        metrics.purgatory_gather = self.gathers.len() as u64;
        metrics.purgatory_controller = self.controller_calls.len() as u64;
        metrics.fetch_sessions = (self.sessions.len() + self.replica_fronts.len()) as u64;
        metrics.fetch_session_partitions = self.sessions.partition_count() as u64
            + self.replica_fronts.values().map(|front| front.partition_count() as u64).sum::<u64>();
        metrics.fetch_session_evictions = self.sessions.evictions;
        metrics.partitions = self.partitions.iter().map(row).collect();
        metrics.groups = self.group_rows();
        turn.effects.push(Effect::Metrics(Box::new(metrics)));
    }

    fn group_rows(&self) -> Vec<GroupRow> {
        let coordinators = self.groups.partitions.values().filter(|groups| groups.loading.is_none());
        let views = coordinators.flat_map(|groups| groups.coordinator.views());
        let row = |view: coordinator::group::GroupView<'_>| GroupRow {
            group: view.id.clone(),
            state: view.state,
            members: view.members as u64,
            offsets: view.offsets().map(|(topic, at, offset)| (topic.clone(), at, offset)).collect(),
        };
        views.map(row).collect()
    }

    pub(super) fn count_error(&mut self, call: &Call, response: &Response) {
        self.metrics.count_error(call.api_key, response);
    }
}

fn row(partition: &Partition) -> PartitionRow {
    let (replica, log) = (&partition.replica, &partition.log);
    PartitionRow {
        topic: partition.topic.clone(),
        partition: partition.id.partition,
        counts: partition.counts,
        leader: replica.leader.0,
        is_leader: replica.is_leader(),
        has_preferred_leader: replica.replicas.first() == Some(&replica.leader),
        replicas: replica.replicas.len() as u32,
        in_sync_replicas: replica.in_sync_replicas.len() as u32,
        min_in_sync_replicas: replica.min_in_sync_replicas as u32,
        is_offline: partition.offline,
        size: log.0.size(),
        segments: log.0.segment_count() as u64,
        log_start_offset: log.log_start_offset().0,
        log_end_offset: log.log_end_offset().0,
        high_watermark: replica.high_watermark().0,
        last_stable_offset: partition.last_stable_offset().0,
    }
}
