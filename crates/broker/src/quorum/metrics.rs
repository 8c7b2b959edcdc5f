//! What the quorum and its image say to whoever watches the node, made when somebody asks.

use raft::{RaftLog, RoleName};

use super::{Quorum, Turn};
use crate::event::Effect;
use crate::metrics::{Metrics, QuorumRow};

impl Quorum {
    pub(super) fn report_metrics(&mut self, turn: &mut Turn<'_>) {
        let metrics = Metrics { quorum: Some(self.row()), ..self.metrics.clone() };
        turn.effects.push(Effect::Metrics(Box::new(metrics)));
    }

    fn row(&self) -> QuorumRow {
        let image = self.loader.head();
        let mut row = QuorumRow {
            state: state(self.raft.role()),
            leader: self.raft.leader().map_or(-1, |leader| leader.0),
            epoch: self.raft.epoch().0,
            high_watermark: self.high_watermark.0,
            log_end_offset: self.log.end_offset().0,
            log_end_epoch: self.log.last_epoch().0,
            voters: self.raft.voters().len() as u64,
            is_observer: !self.raft.is_voter(),
            is_active_controller: self.active.is_some(),
            metadata_version: image.metadata_version().0,
            last_applied_offset: self.applied.0 - 1,
            topics: image.topics.len() as u64,
            ..QuorumRow::default()
        };
        for broker in image.cluster.brokers.values() {
            match (broker.fenced, broker.in_controlled_shutdown) {
                (true, _) => row.fenced_brokers += 1,
                (false, stopping) => {
                    row.active_brokers += 1;
                    row.stopping_brokers += u64::from(stopping);
                }
            }
            let address = broker.endpoints.first().map(|one| format!("{}:{}", one.host, one.port));
            row.brokers.push((broker.id, address.unwrap_or_default()));
        }
        for (_, _, partition) in image.topics.partitions() {
            row.partitions += 1;
            row.offline_partitions += u64::from(partition.leader < 0);
            row.preferred_replica_imbalance += u64::from(!partition.has_preferred_leader());
        }
        row
    }
}

fn state(role: RoleName) -> &'static str {
    match role {
        RoleName::Unattached => "unattached",
        RoleName::Prospective => "prospective",
        RoleName::Candidate => "candidate",
        RoleName::Follower => "follower",
        RoleName::Leader => "leader",
        RoleName::Resigned => "resigned",
    }
}
