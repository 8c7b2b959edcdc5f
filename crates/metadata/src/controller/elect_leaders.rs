//! ElectLeaders: what an operator asks for, and what the controller does by itself from time to time.

use protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use protocol::records::metadata::MetadataRecord;
use protocol::{ErrorCode, Str};

use super::partition_change::PartitionChange;
use super::{ApiError, Controller, Election, Outcome};
use crate::image::{NO_LEADER, Partition, Topic};

impl Controller {
    pub fn elect_leaders(&self, request: &ElectLeadersRequest) -> Outcome<ElectLeadersResponse> {
        let mut response = ElectLeadersResponse::default();
        let election = match request.election_type {
            0 => Election::Preferred,
            1 => Election::Unclean,
            _ => {
                response.error_code = ErrorCode::InvalidRequest.code();
                return Outcome::nothing(response);
            }
        };
        let mut records = Vec::new();
        match &request.topic_partitions {
            Some(topics) => {
                for asked in topics {
                    let results = asked.partitions.iter().map(|index| {
                        let outcome = self.elect_named(&asked.topic, *index, election);
                        result(*index, outcome.map(|record| records.push(record)))
                    });
                    let partition_result = results.collect();
                    let topic = asked.topic.clone();
                    response.replica_election_results.push(ReplicaElectionResult { topic, partition_result });
                }
            }
            None => {
                for topic in self.image().topics.iter() {
                    let mut partition_result = Vec::new();
                    for (index, partition) in &topic.partitions {
                        match self.elect(topic, *index, partition, election) {
                            Err(error) if error.code == ErrorCode::ElectionNotNeeded => {}
                            outcome => partition_result
                                .push(result(*index, outcome.map(|record| records.push(record)))),
                        }
                    }
                    let topic = topic.name.clone();
                    response.replica_election_results.push(ReplicaElectionResult { topic, partition_result });
                }
            }
        }
        Outcome::loose(records, response)
    }

    fn elect_named(&self, topic: &Str, index: i32, election: Election) -> Result<MetadataRecord, ApiError> {
        let unknown = |message: String| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
        let topics = &self.image().topics;
        let topic = topics.by_name(topic).ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
        let partition = topic
            .partitions
            .get(&index)
            .ok_or_else(|| unknown(format!("No such partition as {}-{index}", topic.name)))?;
        self.elect(topic, index, partition, election)
    }

    pub(super) fn elect(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        election: Election,
    ) -> Result<MetadataRecord, ApiError> {
        let needless = match election {
            Election::Preferred => partition.has_preferred_leader(),
            Election::Online | Election::Unclean => partition.leader != NO_LEADER,
        };
        if needless {
            return Err(ApiError::plain(ErrorCode::ElectionNotNeeded));
        }
        let surroundings = self.surroundings(topic);
        let change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.build().ok_or_else(|| {
            ApiError::plain(match election {
                Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
                Election::Online | Election::Unclean => ErrorCode::EligibleLeadersNotAvailable,
            })
        })
    }
}

fn result(partition_id: i32, outcome: Result<(), ApiError>) -> PartitionResult {
    let error = outcome.err();
    PartitionResult {
        partition_id,
        error_code: error.as_ref().map_or(0, |error| error.code.code()),
        error_message: error.as_ref().and_then(ApiError::text),
    }
}
