//! DescribeProducers: the idempotent and transactional producers that a partition remembers.

use protocol::messages::describe_producers_request::DescribeProducersRequest;
use protocol::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, TopicResponse,
};
use protocol::{ErrorCode, Response, Str};
use types::TopicIdPartition;

use crate::handlers::push_operation;
use crate::message::PartitionOperation;
use crate::shard::{Answer, Call, Shard, Turn};

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: DescribeProducersRequest,
) -> Answer {
    let mut response = DescribeProducersResponse::default();
    let mut parts = Vec::new();
    for (t, topic) in request.topics.into_iter().enumerate() {
        let mut answers = Vec::with_capacity(topic.partition_indexes.len());
        for (p, &index) in topic.partition_indexes.iter().enumerate() {
            let mut answer = PartitionResponse { partition_index: index, ..Default::default() };
            match shard.cluster.resolve_name(&topic.name, index) {
                Err(error) => fail(&mut answer, error),
                Ok((id, owner)) => {
                    let place = (t as u32, p as u32);
                    push_operation(&mut parts, owner, place, id, PartitionOperation::DescribeProducers);
                }
            }
            answers.push(answer);
        }
        response.topics.push(TopicResponse { name: topic.name, partitions: answers });
    }
    shard.scatter(turn, call, Response::DescribeProducers(response), parts)
}

fn fail(answer: &mut PartitionResponse, error: ErrorCode) {
    answer.error_code = error.code();
    answer.error_message = Some(Str::from_static(error.message()));
}

pub(crate) fn describe(shard: &Shard, id: &TopicIdPartition) -> PartitionResponse {
    let mut answer = PartitionResponse { partition_index: id.partition, ..Default::default() };
    match shard.partitions.get(id) {
        None => fail(&mut answer, shard.cluster.absent(id)),
        Some(partition) if partition.offline => fail(&mut answer, ErrorCode::KafkaStorageError),
        // a follower tells too what it has replicated
        Some(partition) => answer.active_producers = partition.log.active_producers(),
    }
    answer
}
