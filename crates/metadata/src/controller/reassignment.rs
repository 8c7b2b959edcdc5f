//! AlterPartitionReassignments (KIP-455): replicas are added first, the old ones go when the new ones are in sync.

use protocol::ErrorCode;
use protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use protocol::records::metadata::MetadataRecord;

use super::partition_change::PartitionChange;
use super::{ApiError, Controller, Election, Outcome};
use crate::image::{Partition, Topic};

impl Controller {
    pub fn alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Outcome<AlterPartitionReassignmentsResponse> {
        let allow_change = request.allow_replication_factor_change;
        let mut reply = AlterPartitionReassignmentsResponse {
            error_message: None,
            allow_replication_factor_change: allow_change,
            ..AlterPartitionReassignmentsResponse::default()
        };
        let mut records = Vec::new();
        for asked in &request.topics {
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for one in &asked.partitions {
                let outcome = self.find(&asked.name, one.partition_index).and_then(|(topic, partition)| {
                    match &one.replicas {
                        Some(target) => {
                            self.reassign(topic, one.partition_index, partition, target, allow_change)
                        }
                        None => self.cancel_reassignment(topic, one.partition_index, partition),
                    }
                });
                let error = match outcome {
                    Ok(record) => {
                        records.extend(record);
                        None
                    }
                    Err(error) => Some(error),
                };
                partitions.push(ReassignablePartitionResponse {
                    partition_index: one.partition_index,
                    error_code: error.as_ref().map_or(0, |error| error.code.code()),
                    error_message: error.as_ref().and_then(ApiError::text),
                });
            }
            reply.responses.push(ReassignableTopicResponse { name: asked.name.clone(), partitions });
        }
        Outcome::atomic(records, reply)
    }

    fn find(&self, name: &str, index: i32) -> Result<(&Topic, &Partition), ApiError> {
        let unknown = |message: String| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = self.image().topics.by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partitions.get(&index);
        let partition =
            partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        Ok((topic, partition))
    }

    fn reassign(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        target: &[i32],
        allow_change: bool,
    ) -> Result<Option<MetadataRecord>, ApiError> {
        self.validate_assignment(target, None)?;
        let present = &partition.replicas;
        let staying = present.iter().filter(|id| !partition.removing_replicas.contains(id)).count();
        if !allow_change && staying != target.len() {
            let message = format!("The replication factor is changed from {staying} to {}", target.len());
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        let sorted = |list: &[i32], is_wanted: &dyn Fn(&i32) -> bool| {
            let mut wanted: Vec<i32> = list.iter().filter(|id| is_wanted(id)).copied().collect();
            wanted.sort_unstable();
            wanted
        };
        let removing = sorted(present, &|id| !target.contains(id));
        // who was being added, and still is
        let adding = sorted(target, &|id| !present.contains(id) || partition.adding_replicas.contains(id));
        let surroundings = self.surroundings(topic);
        let election = self.automatic_election(&topic.name);
        let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.replicas = target.iter().chain(&removing).copied().collect();
        // Kafka keeps the list of a running reassignment where the new one is empty: whom both lists name then never
        // leaves, or a replica of the target does
        change.removing = removing;
        change.adding = adding;
        Ok(change.build())
    }

    fn cancel_reassignment(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
    ) -> Result<Option<MetadataRecord>, ApiError> {
        if !partition.is_reassigning() {
            return Err(ApiError::plain(ErrorCode::NoReassignmentInProgress));
        }
        let without_adding = |list: &[i32]| -> Vec<i32> {
            list.iter().filter(|id| !partition.adding_replicas.contains(id)).copied().collect()
        };
        let replicas = without_adding(&partition.replicas);
        let mut isr = without_adding(&partition.in_sync_replicas);
        let election = self.automatic_election(&topic.name);
        let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
        let Some(first) = replicas.first() else {
            return refuse(format!("Unable to revert partition assignment for {}:{index}.", topic.name));
        };
        if isr.is_empty() {
            if election != Election::Unclean {
                return refuse(format!(
                    "Unable to revert partition assignment for {}:{index} because it would require an unclean leader \
                     election.",
                    topic.name
                ));
            }
            isr.push(*first);
        }
        let surroundings = self.surroundings(topic);
        let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.replicas = replicas;
        change.isr = isr;
        change.adding.clear();
        change.removing.clear();
        Ok(change.build())
    }
}
