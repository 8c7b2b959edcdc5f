//! What a change of `eligible.leader.replicas.version`, or of `min.insync.replicas`, does to partitions without anybody in
//! sync (KIP-966). Kafka 4.3.1 leaves those without a leader until an unclean election: at level 0 it elects out of the
//! in-sync set alone, and who is eligible by another `min.insync.replicas` is forgotten.

use protocol::Str;
use protocol::records::metadata::{ClearElrRecord, MetadataRecord, PartitionChangeRecord};

use super::Controller;
use super::partition_change::PartitionChange;
use crate::image::{LeaderRecoveryState, NO_LEADER_CHANGE, Partition, Topic};

fn has_eligible(partition: &Partition) -> bool {
    !partition.eligible_leader_replicas.is_empty() || !partition.last_known_elr.is_empty()
}

impl Controller {
    /// To level 0, where the in-sync set keeps its last member. Who is eligible where others are in sync is forgotten:
    /// nobody would know at level 1 whether it still is.
    pub(super) fn before_level_without_eligible(&self) -> Vec<MetadataRecord> {
        let mut records = self.before_eligible_are_forgotten("");
        if self.image().topics.partitions().any(|(_, _, partition)| has_eligible(partition)) {
            records.push(MetadataRecord::ClearElr(ClearElrRecord { topic_name: Str::default() }));
        }
        records
    }

    /// Those who are eligible have everything that is committed: they are in sync from now on where nobody is, or, with none
    /// of them left, who led last is, as it would have been at level 0. No name: of all topics.
    pub(super) fn before_eligible_are_forgotten(&self, topic_name: &str) -> Vec<MetadataRecord> {
        self.changes(|topic, index, partition| {
            let concerned = topic_name.is_empty() || *topic.name == *topic_name;
            if concerned { self.put_in_sync(topic, index, partition) } else { None }
        })
    }

    fn put_in_sync(&self, topic: &Topic, index: i32, partition: &Partition) -> Option<MetadataRecord> {
        if !partition.in_sync_replicas.is_empty() {
            return None;
        }
        let replicas = |ids: &[i32]| -> Vec<i32> {
            ids.iter().copied().filter(|id| partition.replicas.contains(id)).collect()
        };
        let mut surroundings = self.surroundings(topic);
        surroundings.elr_enabled = false;
        let election = self.automatic_election(&topic.name);
        let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.isr = replicas(&partition.eligible_leader_replicas);
        if change.isr.is_empty() {
            change.isr = replicas(&partition.last_known_elr);
            change.recovery = LeaderRecoveryState::Recovering;
        }
        if change.isr.is_empty() {
            return None;
        }
        change.keep_who_is_here();
        change.build()
    }

    /// From level 0. What a controller of Kafka's left there is as good as on the day of the change where nobody has led
    /// since, and worth nothing elsewhere.
    pub(super) fn before_level_with_eligible(&self) -> Vec<MetadataRecord> {
        self.changes(|topic, index, partition| {
            if !has_eligible(partition) {
                return None;
            }
            if partition.in_sync_replicas.is_empty() {
                let mut surroundings = self.surroundings(topic);
                surroundings.elr_enabled = true;
                let election = self.automatic_election(&topic.name);
                return PartitionChange::new(topic.id, index, partition, &surroundings, election).build();
            }
            Some(MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id: index,
                topic_id: topic.id,
                leader: NO_LEADER_CHANGE,
                leader_recovery_state: -1,
                eligible_leader_replicas: Some(Vec::new()),
                last_known_elr: Some(Vec::new()),
                ..PartitionChangeRecord::default()
            }))
        })
    }
}
