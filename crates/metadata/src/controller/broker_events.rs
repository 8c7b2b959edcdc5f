//! What a broker's coming and going does to partitions.

use platform::{Planted, is_planted};
use protocol::records::metadata::{BrokerRegistrationChangeRecord, MetadataRecord};
use types::Uuid;

use super::Controller;
use super::partition_change::PartitionChange;
use crate::image::{NO_LEADER, Partition, Topic};

/// Why a broker leaves the in-sync sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It may be eligible to lead later.
    Fenced,
    /// What it had acknowledged may be lost: it is not even eligible.
    Unclean,
}

impl Controller {
    /// Changes for all partitions with `broker` in the in-sync set (also those where it is only eligible, if
    /// `eligible_too`), in the order of ids.
    pub(super) fn leave_partitions(
        &self,
        broker: i32,
        why: Leaving,
        eligible_too: bool,
    ) -> Vec<MetadataRecord> {
        let concerned = |partition: &Partition| {
            partition.in_sync_replicas.contains(&broker)
                || (eligible_too && partition.eligible_leader_replicas.contains(&broker))
        };
        self.changes(|topic, index, partition| {
            let others_lead = partition.leader != broker && partition.leader != NO_LEADER;
            let is_kept = others_lead && why == Leaving::Fenced && is_planted(Planted::FencedKeptInSync);
            if !concerned(partition) || is_kept {
                return None;
            }
            self.leave_partition(topic, index, partition, broker, why)
        })
    }

    /// As one that was fenced leaves them, but where nobody leads: there it has everything yet.
    fn leave_led_partitions(&self, broker: i32) -> Vec<MetadataRecord> {
        self.changes(|topic, index, partition| {
            let stays = partition.leader == NO_LEADER || !partition.in_sync_replicas.contains(&broker);
            if stays { None } else { self.leave_one(topic, index, partition, broker) }
        })
    }

    fn leave_partition(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        broker: i32,
        why: Leaving,
    ) -> Option<MetadataRecord> {
        let mut surroundings = self.surroundings(topic);
        surroundings.leaving = Some(broker);
        let election = self.automatic_election(&topic.name);
        let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.isr.retain(|id| *id != broker);
        if why == Leaving::Unclean {
            change.unclean_shutdown = vec![broker];
        }
        change.build()
    }

    /// One partition's change when `broker` cannot be in sync there.
    pub(super) fn leave_one(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        broker: i32,
    ) -> Option<MetadataRecord> {
        self.leave_partition(topic, index, partition, broker, Leaving::Fenced)
    }

    /// Leaderless partitions that `broker` can lead, now that it is back. Who is in sync is the leader's to say.
    pub(super) fn returning_changes(&self, broker: i32) -> Vec<MetadataRecord> {
        self.changes(|topic, index, partition| {
            if partition.leader != NO_LEADER || !partition.replicas.contains(&broker) {
                return None;
            }
            let mut surroundings = self.surroundings(topic);
            surroundings.returning = Some(broker);
            let election = self.automatic_election(&topic.name);
            let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
            change.keep_who_is_here();
            change.build()
        })
    }

    /// Changes for the replicas `broker` has in a directory that is gone.
    pub(super) fn directory_offline_changes(&self, broker: i32, directory: Uuid) -> Vec<MetadataRecord> {
        self.changes(|topic, index, partition| {
            if partition.directory(broker) != Some(directory) {
                return None;
            }
            self.leave_partition(topic, index, partition, broker, Leaving::Fenced)
        })
    }

    pub(super) fn changes(
        &self,
        mut change: impl FnMut(&Topic, i32, &Partition) -> Option<MetadataRecord>,
    ) -> Vec<MetadataRecord> {
        let partitions = self.image().topics.partitions();
        partitions.filter_map(|(topic, index, partition)| change(topic, index, partition)).collect()
    }

    /// What a new incarnation's registration takes back of the old one's. `clean`: it stopped in order.
    pub(super) fn undo_incarnation(&self, broker: i32, clean: bool) -> Vec<MetadataRecord> {
        match (clean, self.image().eligible_leader_replicas_enabled()) {
            (true, _) => self.leave_led_partitions(broker),
            (false, true) => self.leave_partitions(broker, Leaving::Unclean, true),
            (false, false) => self.leave_partitions(broker, Leaving::Fenced, false),
        }
    }

    /// The broker is out: partitions first, then the fence.
    pub(super) fn fence_records(&self, broker: i32, epoch: i64) -> Vec<MetadataRecord> {
        let mut records = self.leave_partitions(broker, Leaving::Fenced, false);
        records.push(registration_change(broker, epoch, |change| change.fenced = 1));
        records
    }

    pub(super) fn leads_something(&self, broker: i32) -> bool {
        self.image().topics.partitions().any(|(_, _, partition)| partition.leader == broker)
    }
}

pub(super) fn registration_change(
    broker_id: i32,
    broker_epoch: i64,
    fill: impl FnOnce(&mut BrokerRegistrationChangeRecord),
) -> MetadataRecord {
    let mut change = BrokerRegistrationChangeRecord {
        broker_id,
        broker_epoch,
        ..BrokerRegistrationChangeRecord::default()
    };
    fill(&mut change);
    MetadataRecord::BrokerRegistrationChange(change)
}
