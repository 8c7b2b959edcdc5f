//! Partitions as they are born: assignments given by hand, their checks, and the first state of a partition.

use platform::{Planted, is_planted};
use protocol::ErrorCode;
use protocol::records::metadata::{MetadataRecord, PartitionRecord};
use types::Uuid;

use super::placement::{Usable, place};
use super::{ApiError, Context, Controller};
use crate::image::{Broker, LeaderRecoveryState, UNASSIGNED};

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidReplicaAssignment, message)
}

impl Controller {
    /// The rules for a list of replicas that somebody wrote down. Brokers that are down are allowed.
    pub(super) fn validate_assignment(
        &self,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), ApiError> {
        if replicas.is_empty() {
            return Err(refuse("The manual partition assignment includes an empty replica list."));
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for id in sorted {
            let is_known = self.image().cluster.broker(id).is_some();
            if !is_known && !is_planted(Planted::UnregisteredAssigned) {
                return Err(refuse(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                )));
            }
            if previous == Some(id) {
                return Err(refuse(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                )));
            }
            previous = Some(id);
        }
        match replication_factor {
            Some(wanted) if wanted != replicas.len() => Err(refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not \
                 consistent with previous partitions, which have {wanted} replica(s).",
                replicas.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Those of `replicas` that can be in sync now.
    pub(super) fn active_of(&self, replicas: &[i32]) -> Vec<i32> {
        replicas.iter().copied().filter(|id| self.image().cluster.is_active(*id)).collect()
    }

    /// Brokers that may get replicas without being named: also fenced ones, last.
    pub(super) fn usable_brokers(&self) -> Vec<Usable> {
        let brokers = self.image().cluster.brokers.values();
        brokers
            .filter(|broker| !broker.in_controlled_shutdown && !broker.is_wholly_cordoned())
            .map(|broker| Usable { id: broker.id, rack: broker.rack.clone(), fenced: broker.fenced })
            .collect()
    }

    /// Replicas for `count` partitions, of which each can have a leader now.
    pub(super) fn place_partitions(
        &self,
        count: usize,
        replication_factor: i16,
        context: &mut Context<'_>,
    ) -> Result<Vec<Vec<i32>>, ApiError> {
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidReplicationFactor, message);
        let placed =
            place(&self.usable_brokers(), count, replication_factor, context.random).map_err(invalid)?;
        for replicas in &placed {
            if self.active_of(replicas).is_empty() {
                return Err(invalid(format!(
                    "Unable to replicate the partition {replication_factor} time(s): All brokers are currently \
                     fenced or in controlled shutdown."
                )));
            }
        }
        Ok(placed)
    }

    /// A partition's first record: the first active replica leads, all active ones are in sync.
    pub(super) fn new_partition(&self, topic_id: Uuid, index: i32, replicas: &[i32]) -> MetadataRecord {
        let in_sync = self.active_of(replicas);
        // the record has no room for them below
        let with_directories = if self.metadata_version().supports_directories() { replicas } else { &[] };
        let directory =
            |id: &i32| self.image().cluster.broker(*id).map_or(UNASSIGNED, Broker::default_directory);
        MetadataRecord::Partition(PartitionRecord {
            partition_id: index,
            topic_id,
            replicas: replicas.to_vec(),
            leader: in_sync.first().copied().unwrap_or(-1),
            isr: in_sync,
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader_recovery_state: LeaderRecoveryState::Recovered as i8,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: with_directories.iter().map(directory).collect(),
            eligible_leader_replicas: None,
            last_known_elr: None,
        })
    }
}
