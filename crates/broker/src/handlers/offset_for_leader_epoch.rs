//! OffsetForLeaderEpoch: where an epoch ended, so that clients and followers find out what was cut (KIP-101, 320).

use protocol::Response;
use protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use types::{LeaderEpoch, TopicIdPartition};

use crate::handlers::push_operation;
use crate::message::PartitionOperation;
use crate::shard::{Answer, Call, Shard, Turn};

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: OffsetForLeaderEpochRequest,
) -> Answer {
    let mut response = OffsetForLeaderEpochResponse::default();
    let mut parts = Vec::new();
    for (t, topic) in request.topics.into_iter().enumerate() {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (p, wanted) in topic.partitions.iter().enumerate() {
            let mut answer = empty_answer(wanted.partition);
            match shard.cluster.resolve_name(&topic.topic, wanted.partition) {
                Err(error) => answer.error_code = error.code(),
                Ok((id, owner)) => {
                    let operation = PartitionOperation::EpochEnd {
                        leader_epoch: wanted.leader_epoch,
                        current_leader_epoch: wanted.current_leader_epoch,
                    };
                    push_operation(&mut parts, owner, (t as u32, p as u32), id, operation);
                }
            }
            answers.push(answer);
        }
        response.topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions: answers });
    }
    shard.scatter(turn, call, Response::OffsetForLeaderEpoch(response), parts)
}

fn empty_answer(partition: i32) -> EpochEndOffset {
    EpochEndOffset { partition, leader_epoch: -1, end_offset: -1, error_code: 0 }
}

pub(crate) fn end_of(
    shard: &Shard,
    id: &TopicIdPartition,
    leader_epoch: i32,
    current_leader_epoch: i32,
) -> EpochEndOffset {
    let mut answer = empty_answer(id.partition);
    let found = match shard.partitions.get(id) {
        None => Err(shard.cluster.absent(id)),
        Some(partition) => partition
            .check_leader(current_leader_epoch)
            .map(|()| partition.log.end_offset_for_epoch(LeaderEpoch(leader_epoch))),
    };
    match found {
        Err(error) => answer.error_code = error.code(),
        Ok((epoch, end)) => (answer.leader_epoch, answer.end_offset) = (epoch.0, end.0),
    }
    answer
}
