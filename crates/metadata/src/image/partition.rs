//! One partition as the metadata log has it.

use platform::{Planted, is_planted};
use protocol::records::metadata::{PartitionChangeRecord, PartitionRecord};
use types::Uuid;

use super::error::ApplyError;

/// A directory not told yet: the broker reports it.
pub const UNASSIGNED: Uuid = directory(1);
/// The directory of replicas from before directories were recorded.
pub const MIGRATING: Uuid = directory(0);
/// A directory that is gone.
pub const LOST: Uuid = directory(2);

const fn directory(id: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = id;
    Uuid(bytes)
}

/// Whether an id is one of those that stand for no real directory.
pub fn is_reserved_directory(id: Uuid) -> bool {
    let (most, least) = id.halves();
    most == 0 && (0..100).contains(&least)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i8)]
pub enum LeaderRecoveryState {
    #[default]
    Recovered = 0,
    /// Elected although not in sync.
    Recovering = 1,
}

impl LeaderRecoveryState {
    pub fn from_wire(value: i8) -> Option<LeaderRecoveryState> {
        match value {
            0 => Some(LeaderRecoveryState::Recovered),
            1 => Some(LeaderRecoveryState::Recovering),
            _ => None,
        }
    }
}

/// -1 where there is no leader.
pub const NO_LEADER: i32 = -1;
/// The record's word for "the leader stays, and so does its epoch".
pub const NO_LEADER_CHANGE: i32 = -2;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    pub replicas: Vec<i32>,
    /// One for each replica; empty before directories were recorded.
    pub directories: Vec<Uuid>,
    pub in_sync_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub eligible_leader_replicas: Vec<i32>,
    pub last_known_elr: Vec<i32>,
    pub leader: i32,
    pub leader_recovery_state: LeaderRecoveryState,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
}

impl Partition {
    pub fn from_record(record: &PartitionRecord) -> Result<Partition, ApplyError> {
        let partition = Partition {
            replicas: record.replicas.clone(),
            directories: record.directories.clone(),
            in_sync_replicas: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            eligible_leader_replicas: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        };
        partition.check_directories(record.topic_id, record.partition_id)?;
        Ok(partition)
    }

    pub fn to_record(&self, topic_id: Uuid, partition: i32) -> PartitionRecord {
        let some = |list: &[i32]| (!list.is_empty()).then(|| list.to_vec());
        PartitionRecord {
            partition_id: partition,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.in_sync_replicas.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state as i8,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: some(&self.eligible_leader_replicas),
            last_known_elr: some(&self.last_known_elr),
        }
    }

    /// The partition after a change: every change is a new partition epoch, one that names a leader a new leader
    /// epoch too.
    pub fn merge(&self, change: &PartitionChangeRecord) -> Result<Partition, ApplyError> {
        let mut next = self.clone();
        let set = |field: &mut Vec<i32>, value: &Option<Vec<i32>>| {
            if let Some(list) = value {
                field.clone_from(list);
            }
        };
        set(&mut next.in_sync_replicas, &change.isr);
        set(&mut next.replicas, &change.replicas);
        set(&mut next.removing_replicas, &change.removing_replicas);
        set(&mut next.adding_replicas, &change.adding_replicas);
        set(&mut next.eligible_leader_replicas, &change.eligible_leader_replicas);
        set(&mut next.last_known_elr, &change.last_known_elr);
        if let Some(directories) = &change.directories {
            next.directories.clone_from(directories);
        }
        if change.leader != NO_LEADER_CHANGE {
            next.leader = change.leader;
            let is_bumped = next.leader == NO_LEADER || !is_planted(Planted::EpochReused);
            next.leader_epoch = next.leader_epoch.saturating_add(i32::from(is_bumped));
        }
        if change.leader_recovery_state != -1 {
            next.leader_recovery_state = recovery_state(change.leader_recovery_state)?;
        }
        next.partition_epoch = next.partition_epoch.saturating_add(1);
        next.check_directories(change.topic_id, change.partition_id)?;
        Ok(next)
    }

    fn check_directories(&self, topic_id: Uuid, partition: i32) -> Result<(), ApplyError> {
        let (replicas, directories) = (self.replicas.len(), self.directories.len());
        if directories == 0 || directories == replicas {
            return Ok(());
        }
        Err(ApplyError::DirectoryCount { topic_id, partition, replicas, directories })
    }

    /// Where `broker`'s replica is; MIGRATING while directories are not recorded, None if it has none.
    pub fn directory(&self, broker: i32) -> Option<Uuid> {
        let position = self.replicas.iter().position(|replica| *replica == broker)?;
        Some(self.directories.get(position).copied().unwrap_or(MIGRATING))
    }

    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    pub fn has_preferred_leader(&self) -> bool {
        self.replicas.first() == Some(&self.leader)
    }
}

fn recovery_state(value: i8) -> Result<LeaderRecoveryState, ApplyError> {
    LeaderRecoveryState::from_wire(value).ok_or(ApplyError::LeaderRecoveryState(value))
}
