//! Every change of a partition is made here: target sets in, one record out, or none where nothing changes. The
//! steps and their order are Kafka's, so that a mixed quorum decides alike.

use std::collections::{BTreeMap, BTreeSet};

use protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use types::Uuid;

use crate::image::{
    Broker, Cluster, LeaderRecoveryState, MIGRATING, NO_LEADER, NO_LEADER_CHANGE, Partition, UNASSIGNED,
};

/// Which leader is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The first replica, if it can.
    Preferred,
    /// The present leader, or the first in-sync replica.
    Online,
    /// As online; at last any replica that is alive.
    Unclean,
}

/// What the builder must know of the cluster and the topic.
pub(super) struct Surroundings<'a> {
    pub cluster: &'a Cluster,
    pub elr_enabled: bool,
    pub directories_supported: bool,
    pub bumps_on_shrink: bool,
    /// `min.insync.replicas`, no more than there are replicas.
    pub min_in_sync: usize,
    /// Treated as inactive although registered so (it is being fenced), or as active (it is being unfenced).
    pub leaving: Option<i32>,
    pub returning: Option<i32>,
}

pub(super) struct PartitionChange<'a> {
    topic_id: Uuid,
    index: i32,
    partition: &'a Partition,
    surroundings: &'a Surroundings<'a>,
    pub election: Election,
    pub isr: Vec<i32>,
    pub replicas: Vec<i32>,
    pub removing: Vec<i32>,
    pub adding: Vec<i32>,
    pub recovery: LeaderRecoveryState,
    pub directories: BTreeMap<i32, Uuid>,
    pub unclean_shutdown: Vec<i32>,
    elr: Vec<i32>,
}

struct Elected {
    leader: i32,
    unclean: bool,
}

fn without(list: &[i32], removed: &[i32]) -> Vec<i32> {
    list.iter().filter(|one| !removed.contains(one)).copied().collect()
}

fn contains_all(list: &[i32], wanted: &[i32]) -> bool {
    wanted.iter().all(|one| list.contains(one))
}

impl<'a> PartitionChange<'a> {
    pub fn new(
        topic_id: Uuid,
        index: i32,
        partition: &'a Partition,
        surroundings: &'a Surroundings<'a>,
        election: Election,
    ) -> PartitionChange<'a> {
        PartitionChange {
            topic_id,
            index,
            partition,
            surroundings,
            election,
            isr: partition.in_sync_replicas.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
            recovery: partition.leader_recovery_state,
            directories: BTreeMap::new(),
            unclean_shutdown: Vec::new(),
            elr: partition.eligible_leader_replicas.clone(),
        }
    }

    pub fn build(mut self) -> Option<MetadataRecord> {
        let mut record = PartitionChangeRecord {
            partition_id: self.index,
            topic_id: self.topic_id,
            leader: NO_LEADER_CHANGE,
            leader_recovery_state: -1,
            ..PartitionChangeRecord::default()
        };
        self.complete_reassignment();
        self.find_eligible();
        let unclean = self.elect(&mut record);
        self.bump_leader_epoch(&mut record);
        if unclean || !self.surroundings.elr_enabled {
            self.elr.clear();
        }
        if self.elr != self.partition.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
        let may_be_empty = self.surroundings.elr_enabled;
        if self.isr != self.partition.in_sync_replicas && (may_be_empty || !self.isr.is_empty()) {
            record.isr = Some(self.isr.clone());
        }
        if self.surroundings.bumps_on_shrink
            && record.leader == NO_LEADER_CHANGE
            && !contains_all(&self.isr, &self.partition.in_sync_replicas)
        {
            record.leader = self.partition.leader;
        }
        self.remember_leader(&mut record);
        self.place(&mut record);
        self.set_assignment(&mut record);
        (!is_empty(&record)).then_some(MetadataRecord::PartitionChange(record))
    }

    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let isr = without(&self.isr, &self.removing);
        let replicas = without(&self.replicas, &self.removing);
        let removed_too_much = !self.removing.is_empty() && isr.is_empty();
        if removed_too_much || replicas.is_empty() || !contains_all(&isr, &self.adding) {
            return;
        }
        if self.adding.len() < self.removing.len() && !contains_all(&isr, &replicas) {
            return;
        }
        self.isr = isr;
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    /// KIP-966: who leaves the in-sync set when it is too small still has all committed records.
    fn find_eligible(&mut self) {
        if !self.surroundings.elr_enabled {
            return;
        }
        if self.isr.len() >= self.surroundings.min_in_sync.min(self.replicas.len()) {
            self.elr.clear();
            return;
        }
        let candidates: BTreeSet<i32> =
            self.elr.iter().chain(&self.partition.in_sync_replicas).copied().collect();
        let eligible = candidates.into_iter().filter(|id| {
            !self.isr.contains(id) && !self.unclean_shutdown.contains(id) && self.replicas.contains(id)
        });
        self.elr = eligible.collect();
    }

    /// Active, and its directory for this partition works.
    fn is_acceptable(&self, id: i32) -> bool {
        if self.surroundings.leaving == Some(id) {
            return false;
        }
        let Some(broker) = self.surroundings.cluster.broker(id) else { return false };
        let active = broker.is_active() || self.surroundings.returning == Some(id);
        active && self.partition.directory(id).is_none_or(|directory| broker.has_online_directory(directory))
    }

    fn is_valid(&self, id: i32) -> bool {
        let in_sync = self.isr.contains(&id);
        let eligible = self.isr.is_empty() && self.surroundings.elr_enabled && self.elr.contains(&id);
        (in_sync || eligible) && self.is_acceptable(id)
    }

    fn choose(&self) -> Elected {
        let clean = |leader: i32| Elected { leader, unclean: false };
        let first = self.replicas.first().copied().filter(|_| self.election == Election::Preferred);
        let present = Some(self.partition.leader);
        if let Some(leader) = [first, present].into_iter().flatten().find(|id| self.is_valid(*id)) {
            return clean(leader);
        }
        if let Some(leader) = self.replicas.iter().copied().find(|id| self.is_valid(*id)) {
            return clean(leader);
        }
        if let Some(leader) = self.last_known_leader() {
            return Elected { leader, unclean: true };
        }
        if self.election == Election::Unclean
            && let Some(leader) = self.replicas.iter().copied().find(|id| self.is_acceptable(*id))
        {
            return Elected { leader, unclean: true };
        }
        clean(NO_LEADER)
    }

    /// With nobody in sync or eligible, the one who led last, if it is the only one known.
    fn last_known_leader(&self) -> Option<i32> {
        let alone = self.surroundings.elr_enabled && self.isr.is_empty() && self.elr.is_empty();
        match self.partition.last_known_elr.as_slice() {
            [id] if alone && self.is_acceptable(*id) => Some(*id),
            _ => None,
        }
    }

    /// Whether the leader found may lack committed records.
    fn elect(&mut self, record: &mut PartitionChangeRecord) -> bool {
        let elected = self.choose();
        if elected.leader == self.partition.leader {
            return false;
        }
        record.leader = elected.leader;
        if elected.unclean {
            self.isr = vec![elected.leader];
            self.recovery = LeaderRecoveryState::Recovering;
        } else if elected.leader != NO_LEADER && !self.isr.contains(&elected.leader) {
            self.isr = vec![elected.leader];
            self.elr.retain(|id| *id != elected.leader);
        }
        elected.unclean
    }

    /// Replicas that go must not be served any more: their leader epoch ends.
    fn bump_leader_epoch(&self, record: &mut PartitionChangeRecord) {
        let someone_left = !contains_all(&self.replicas, &self.partition.replicas);
        if record.leader == NO_LEADER_CHANGE && someone_left {
            record.leader = self.partition.leader;
        }
    }

    fn remember_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.surroundings.elr_enabled {
            return;
        }
        let known = !self.partition.last_known_elr.is_empty();
        if record.leader == NO_LEADER && !known && self.partition.leader != NO_LEADER {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && known {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn place(&self, record: &mut PartitionChangeRecord) {
        if !self.surroundings.directories_supported {
            return;
        }
        let place = |id: &i32| {
            let told = self.directories.get(id).copied().or_else(|| self.partition.directory(*id));
            let default =
                || self.surroundings.cluster.broker(*id).map_or(UNASSIGNED, Broker::default_directory);
            told.unwrap_or_else(default)
        };
        let directories: Vec<Uuid> = self.replicas.iter().map(place).collect();
        let unchanged = if self.partition.directories.is_empty() {
            directories.iter().all(|directory| *directory == MIGRATING)
                && directories.len() == self.partition.replicas.len()
        } else {
            directories == self.partition.directories
        };
        if !unchanged {
            record.directories = Some(directories);
        }
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord) {
        let changed = |new: &Vec<i32>, old: &Vec<i32>| (new != old).then(|| new.clone());
        if !self.replicas.is_empty() {
            record.replicas = changed(&self.replicas, &self.partition.replicas);
        }
        record.removing_replicas = changed(&self.removing, &self.partition.removing_replicas);
        record.adding_replicas = changed(&self.adding, &self.partition.adding_replicas);
        if self.recovery != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.recovery as i8;
        }
    }
}

fn is_empty(record: &PartitionChangeRecord) -> bool {
    record.leader == NO_LEADER_CHANGE
        && record.leader_recovery_state == -1
        && record.isr.is_none()
        && record.replicas.is_none()
        && record.removing_replicas.is_none()
        && record.adding_replicas.is_none()
        && record.eligible_leader_replicas.is_none()
        && record.last_known_elr.is_none()
        && record.directories.is_none()
}
