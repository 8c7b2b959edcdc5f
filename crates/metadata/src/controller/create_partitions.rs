//! CreatePartitions: more of them, at the end. A reassignment that goes on is no hindrance.

use std::collections::BTreeSet;

use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use protocol::records::metadata::MetadataRecord;
use protocol::{ErrorCode, Str};

use super::{ApiError, Context, Controller, Outcome, RECORDS_MAX};

impl Controller {
    pub fn create_partitions(
        &self,
        request: &CreatePartitionsRequest,
        context: &mut Context<'_>,
    ) -> Outcome<CreatePartitionsResponse> {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<&Str> =
            request.topics.iter().map(|topic| &topic.name).filter(|name| !seen.insert(*name)).collect();
        let mut records = Vec::new();
        let mut results = Vec::new();
        let mut told = BTreeSet::new();
        for topic in &request.topics {
            let outcome = if twice.contains(&topic.name) {
                if !told.insert(&topic.name) {
                    continue;
                }
                Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                let room = RECORDS_MAX.saturating_sub(records.len());
                self.add_partitions(topic, room, context).map(|added| records.extend(added))
            };
            let error = outcome.err();
            results.push(CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code: error.as_ref().map_or(0, |error| error.code.code()),
                error_message: error.as_ref().and_then(ApiError::text),
            });
        }
        if request.validate_only {
            records.clear();
        }
        Outcome::atomic(records, CreatePartitionsResponse { throttle_time_ms: 0, results })
    }

    fn add_partitions(
        &self,
        request: &CreatePartitionsTopic,
        room: usize,
        context: &mut Context<'_>,
    ) -> Result<Vec<MetadataRecord>, ApiError> {
        let unknown = || ApiError::plain(ErrorCode::UnknownTopicOrPartition);
        let topic = self.image().topics.by_name(&request.name).ok_or_else(unknown)?;
        let present = topic.partitions.len();
        if usize::try_from(request.count) == Ok(present) {
            let message = format!("Topic already has {present} partition(s).");
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        let added = match usize::try_from(request.count) {
            Ok(count) if count > present => count - present,
            _ => {
                return Err(ApiError::new(
                    ErrorCode::InvalidPartitions,
                    format!(
                        "The topic {} currently has {present} partition(s); {} would not be an increase.",
                        topic.name, request.count
                    ),
                ));
            }
        };
        if added > room {
            let message = "Excessively large number of partitions per request.";
            return Err(ApiError::new(ErrorCode::PolicyViolation, message));
        }
        let replication_factor = topic.partitions.values().next().map_or(1, |first| first.replicas.len());
        let placed = match &request.assignments {
            Some(assignments) => {
                let lists: Vec<&Vec<i32>> = assignments.iter().map(|one| &one.broker_ids).collect();
                self.check_added(&lists, present, added, replication_factor)?
            }
            None => self.place_partitions(added, replication_factor as i16, context)?,
        };
        let partitions = placed.iter().enumerate();
        let record =
            |(i, replicas): (usize, &Vec<i32>)| self.new_partition(topic.id, (present + i) as i32, replicas);
        Ok(partitions.map(record).collect())
    }

    fn check_added(
        &self,
        lists: &[&Vec<i32>],
        present: usize,
        added: usize,
        replication_factor: usize,
    ) -> Result<Vec<Vec<i32>>, ApiError> {
        let refuse = |message: String| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
        if lists.len() != added {
            let given = lists.len();
            return Err(refuse(format!(
                "Attempted to add {added} additional partition(s), but only {given} assignment(s) were specified."
            )));
        }
        for (position, replicas) in lists.iter().enumerate() {
            self.validate_assignment(replicas, Some(replication_factor))?;
            if self.active_of(replicas).is_empty() {
                let message = format!(
                    "All brokers specified in the manual partition assignment for partition {} are fenced or in \
                     controlled shutdown.",
                    present + position
                );
                return Err(refuse(message));
            }
        }
        Ok(lists.iter().map(|list| (*list).clone()).collect())
    }
}
