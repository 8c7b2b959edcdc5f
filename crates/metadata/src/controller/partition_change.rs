//! Every change of a partition is made here: target sets in, one record out, or none where nothing changes. The
//! steps and their order are Kafka's, so that a mixed quorum decides alike.

use std::collections::{BTreeMap, BTreeSet};

use platform::{Planted, is_planted};
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
    /// `min.insync.replicas`, no more than the topic's first partition has replicas.
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

    /// Of several who were in sync when the last leader went, those who are not here stay out. Kafka's set has one member
    /// by then; more come of a change of level.
    pub fn keep_who_is_here(&mut self) {
        let here: Vec<i32> = self.isr.iter().copied().filter(|id| self.is_acceptable(*id)).collect();
        if !here.is_empty() {
            self.isr = here;
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
            && record.isr.is_some()
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
        let lacks_new = !contains_all(&isr, &self.adding) && !is_planted(Planted::OldReplicasDropped);
        if removed_too_much || replicas.is_empty() || lacks_new {
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

    /// KIP-966: who leaves the in-sync set when it is too small still has all committed records. Not who is no replica any
    /// more: Kafka 4.3.1 keeps those, and then has no leader when the last replica crashes, or one without records when
    /// such a broker gets a replica again.
    fn find_eligible(&mut self) {
        if !self.surroundings.elr_enabled {
            return;
        }
        if self.isr.len() >= self.surroundings.min_in_sync {
            self.elr.clear();
            return;
        }
        let candidates: BTreeSet<i32> =
            self.elr.iter().chain(&self.partition.in_sync_replicas).copied().collect();
        let eligible = candidates.into_iter().filter(|id| {
            self.replicas.contains(id) && !self.isr.contains(id) && !self.unclean_shutdown.contains(id)
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
        let any = self.surroundings.leaving.is_some() && is_planted(Planted::ElectedOutsideInSync);
        (in_sync || eligible || any) && self.is_acceptable(id)
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
            [id] if alone && self.replicas.contains(id) && self.is_acceptable(*id) => Some(*id),
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
            record.isr = Some(self.isr.clone());
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering as i8;
            }
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

    /// Kafka's remembers one that a reassignment has taken away, too, and elects it.
    fn remember_leader(&self, record: &mut PartitionChangeRecord) {
        let known = &self.partition.last_known_elr;
        if !self.surroundings.elr_enabled || (record.leader == NO_LEADER_CHANGE && self.partition.leader >= 0)
        {
            return;
        }
        let stays = |id: &i32| self.replicas.contains(id) || self.replicas.is_empty();
        if record.leader >= 0 {
            record.last_known_elr = (!known.is_empty()).then(Vec::new);
        } else if known.is_empty() && (record.leader == NO_LEADER || self.has_lost_the_last())
            || !known.iter().all(stays)
        {
            let led = Some(self.partition.leader).filter(|id| *id >= 0);
            let before =
                self.partition.in_sync_replicas.iter().chain(&self.partition.eligible_leader_replicas);
            let last = before.filter(|_| self.has_lost_the_last());
            let here = led.iter().chain(&self.isr).chain(&self.elr).chain(last).copied().find(stays);
            record.last_known_elr = here.or(led).map(|id| vec![id]);
        }
    }

    /// Without a leader to be remembered: it went at a level that keeps the last one in sync. Kafka's remembers nobody
    /// then, and has no leader any more.
    fn has_lost_the_last(&self) -> bool {
        let nobody = self.isr.is_empty() && self.elr.is_empty();
        let partition = self.partition;
        nobody && !(partition.in_sync_replicas.is_empty() && partition.eligible_leader_replicas.is_empty())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn list(text: &str) -> Vec<i32> {
        match text {
            "-" | "[]" => Vec::new(),
            text => text.split(',').map(|id| id.parse().unwrap()).collect(),
        }
    }

    fn optional(text: &str) -> Option<Vec<i32>> {
        (text != "-").then(|| list(text))
    }

    fn cluster(active: &[i32]) -> Cluster {
        let mut cluster = Cluster::default();
        for id in 1..=6 {
            let broker = Broker {
                id,
                epoch: 1,
                incarnation_id: Uuid::ZERO,
                endpoints: Vec::new(),
                features: BTreeMap::new(),
                rack: None,
                fenced: !active.contains(&id),
                in_controlled_shutdown: false,
                // more than one, so that the default is UNASSIGNED
                log_dirs: vec![Uuid([1; 16]), Uuid([2; 16])],
                cordoned_log_dirs: None,
                registered_at: 0,
            };
            cluster.brokers.insert(id, Arc::new(broker));
        }
        cluster
    }

    fn built(fields: &[&str]) -> String {
        let version: i16 = fields[0].parse().unwrap();
        let cluster = cluster(&list(fields[3]));
        let replicas = list(fields[5]);
        let surroundings = Surroundings {
            cluster: &cluster,
            elr_enabled: fields[1] == "elr",
            directories_supported: version >= 17,
            bumps_on_shrink: version < 12,
            min_in_sync: fields[2].parse().unwrap(),
            leaving: None,
            returning: None,
        };
        let partition = Partition {
            directories: vec![UNASSIGNED; replicas.len()],
            replicas,
            in_sync_replicas: list(fields[6]),
            removing_replicas: list(fields[7]),
            adding_replicas: list(fields[8]),
            eligible_leader_replicas: list(fields[9]),
            last_known_elr: list(fields[10]),
            leader: fields[11].parse().unwrap(),
            leader_recovery_state: LeaderRecoveryState::from_wire(fields[12].parse().unwrap()).unwrap(),
            leader_epoch: 3,
            partition_epoch: 5,
        };
        let election = match fields[4] {
            "PREFERRED" => Election::Preferred,
            "ONLINE" => Election::Online,
            _ => Election::Unclean,
        };
        let mut change = PartitionChange::new(Uuid([9; 16]), 0, &partition, &surroundings, election);
        let set = |field: &mut Vec<i32>, text: &str| {
            if let Some(list) = optional(text) {
                *field = list;
            }
        };
        set(&mut change.isr, fields[13]);
        set(&mut change.replicas, fields[14]);
        set(&mut change.removing, fields[15]);
        set(&mut change.adding, fields[16]);
        if fields[17] == "0" {
            change.recovery = LeaderRecoveryState::Recovered;
        }
        set(&mut change.unclean_shutdown, fields[18]);
        let Some(MetadataRecord::PartitionChange(record)) = change.build() else { return "none".to_owned() };
        let text = |list: &Option<Vec<i32>>| match list.as_deref() {
            None => "-".to_owned(),
            Some([]) => "[]".to_owned(),
            Some(list) => list.iter().map(i32::to_string).collect::<Vec<_>>().join(","),
        };
        [
            text(&record.isr),
            record.leader.to_string(),
            text(&record.replicas),
            text(&record.removing_replicas),
            text(&record.adding_replicas),
            record.leader_recovery_state.to_string(),
            text(&record.eligible_leader_replicas),
            text(&record.last_known_elr),
            record.directories.as_ref().map_or("-".to_owned(), |list| list.len().to_string()),
        ]
        .join("\t")
    }

    /// Kafka keeps brokers eligible, and remembers one as the last to lead, that are no replicas; and where nobody led, it
    /// forgets the last one that was in sync or eligible. Both are mended here.
    fn is_mended(given: &[&str], expected: &str) -> bool {
        let expected: Vec<&str> = expected.split('\t').filter(|text| *text != "none").collect();
        let field = |at: usize| expected.get(at).and_then(|text| optional(text));
        let after = |at: usize, before: &str| field(at).unwrap_or_else(|| list(before));
        let (in_sync, replicas) = (after(0, given[6]), after(2, given[5]));
        let (eligible, last) = (after(6, given[9]), after(7, given[10]));
        let has_strangers = eligible.iter().chain(&last).any(|id| !replicas.contains(id));
        let had_one = given[1] == "elr" && (given[6] != "[]" || given[9] != "[]");
        let forgets = had_one && in_sync.is_empty() && eligible.is_empty() && last.is_empty();
        has_strangers || forgets
    }

    #[test]
    fn who_is_no_replica_any_more_is_not_remembered() {
        // with nobody to lead: the last who is in sync is remembered, and a stranger is not elected
        let row = "30 elr 1 2,4 PREFERRED 3,4 4 [] 4 [] [] 4 0 3 3 [] [] - -";
        let fields: Vec<&str> = row.split(' ').collect();
        assert_eq!(built(&fields), "3\t-1\t3\t-\t[]\t-1\t-\t3\t1");
        for (last_known, leader) in [("4", "-2"), ("3", "3")] {
            let row = format!("30 elr 1 3,4 ONLINE 3 [] [] [] [] {last_known} -1 0 - - - - - -");
            let fields: Vec<&str> = row.split(' ').collect();
            let after = built(&fields);
            assert_eq!(after.split('\t').nth(1).unwrap_or("-2"), leader, "{after}");
        }
        // nor is one that goes while nobody leads
        let row = "30 elr 1 1 ONLINE 2,1,3 2 [] [] [] 1 -1 0 - 2,1,3 1,3 - - -";
        let after = built(&row.split(' ').collect::<Vec<_>>());
        assert_eq!(after.split('\t').nth(7), Some("2"), "{after}");
    }

    #[test]
    fn the_last_in_sync_is_remembered_where_nobody_led() {
        let row = "30 elr 1 1,4,5 ONLINE 2 2 [] [] [] [] -1 0 [] - - - - 2";
        assert_eq!(built(&row.split(' ').collect::<Vec<_>>()), "[]\t-2\t-\t-\t-\t-1\t-\t2\t-");
    }

    #[test]
    fn who_is_no_replica_any_more_is_not_eligible() {
        // replicas, in sync, eligible; then the replicas that are left over and those that go; then who is eligible
        for (replicas, in_sync, eligible, left, gone, expected) in [
            ("2,1", "2,1", "[]", "1,2", "2", "-"),
            ("3,1", "1", "3", "1,3", "3", "[]"),
            // it is one of them until the others are in sync
            ("3,2,1", "1", "2,3", "1,3,2", "2", "-"),
        ] {
            let given = [
                "30", "elr", "2", "1,2", "ONLINE", replicas, in_sync, "[]", "[]", eligible, "[]", "1", "0",
                "-", left, gone, "[]", "-", "-",
            ];
            let ours = built(&given);
            assert_eq!(ours.split('\t').nth(6), Some(expected), "{given:?}: {ours}");
        }
    }

    #[test]
    fn changes_are_those_of_kafka() {
        let table = include_str!("../../testdata/partition-changes.tsv");
        let mut wrong = Vec::new();
        let mut rows = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let (given, expected) = line.split_once("\t=>\t").unwrap();
            let given: Vec<&str> = given.split('\t').collect();
            if is_mended(&given, expected) {
                continue;
            }
            let ours = built(&given);
            if ours != expected {
                wrong.push(format!("{line}\n    ours: {ours}"));
            }
            rows += 1;
        }
        assert!(
            wrong.is_empty(),
            "{} of {rows} differ\n{}",
            wrong.len(),
            wrong[..wrong.len().min(12)].join("\n")
        );
    }
}
