//! ListPartitionReassignments: what goes on. Any node may answer it from its image.

use protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::image::{MetadataImage, Topic};

/// Partitions in reassignment; names that are not known are left out without a word.
pub fn list_partition_reassignments(
    image: &MetadataImage,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let mut response = ListPartitionReassignmentsResponse {
        error_message: None,
        ..ListPartitionReassignmentsResponse::default()
    };
    match &request.topics {
        None => {
            let topics = image.topics.iter();
            response.topics = topics.filter_map(|topic| ongoing(topic, |_| true)).collect();
        }
        Some(asked) => {
            for one in asked {
                let topic = image.topics.by_name(&one.name);
                let wanted = |index: i32| one.partition_indexes.contains(&index);
                response.topics.extend(topic.and_then(|topic| ongoing(topic, wanted)));
            }
        }
    }
    response
}

fn ongoing(topic: &Topic, wanted: impl Fn(i32) -> bool) -> Option<OngoingTopicReassignment> {
    let partitions =
        topic.partitions.iter().filter(|(index, partition)| wanted(**index) && partition.is_reassigning());
    let partitions: Vec<_> = partitions
        .map(|(index, partition)| OngoingPartitionReassignment {
            partition_index: *index,
            replicas: partition.replicas.clone(),
            adding_replicas: partition.adding_replicas.clone(),
            removing_replicas: partition.removing_replicas.clone(),
        })
        .collect();
    (!partitions.is_empty()).then(|| OngoingTopicReassignment { name: topic.name.clone(), partitions })
}
