//! DeleteRecords: moves a partition's log start forward. -1 means up to the high watermark.

use protocol::messages::delete_records_request::DeleteRecordsRequest;
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use protocol::{ErrorCode, Response};
use types::{Offset, TopicIdPartition};

use crate::handlers::push_operation;
use crate::message::PartitionOperation;
use crate::shard::{Answer, Call, Shard, Turn};

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: DeleteRecordsRequest,
) -> Answer {
    let mut response = DeleteRecordsResponse::default();
    let mut parts = Vec::new();
    for (t, topic) in request.topics.into_iter().enumerate() {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (p, wanted) in topic.partitions.iter().enumerate() {
            let mut answer = empty_answer(wanted.partition_index);
            match shard.cluster.resolve_name(&topic.name, wanted.partition_index) {
                Err(error) => answer.error_code = error.code(),
                Ok((id, owner)) => {
                    let operation = PartitionOperation::DeleteRecords { offset: wanted.offset };
                    push_operation(&mut parts, owner, (t as u32, p as u32), id, operation);
                }
            }
            answers.push(answer);
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions: answers });
    }
    shard.scatter(turn, call, Response::DeleteRecords(response), parts)
}

fn empty_answer(partition_index: i32) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult { partition_index, low_watermark: -1, error_code: 0 }
}

pub(crate) fn delete(shard: &mut Shard, id: &TopicIdPartition, offset: i64) -> DeleteRecordsPartitionResult {
    let mut answer = empty_answer(id.partition);
    match try_delete(shard, id, offset) {
        Ok(low_watermark) => answer.low_watermark = low_watermark.0,
        Err(error) => answer.error_code = error.code(),
    }
    answer
}

fn try_delete(shard: &mut Shard, id: &TopicIdPartition, offset: i64) -> Result<Offset, ErrorCode> {
    let slot = shard.partitions.slot(id).ok_or_else(|| shard.cluster.absent(id))?;
    let partition = shard.partitions.at_mut(slot).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    partition.check_leader(-1)?;
    // Only what may be deleted at all: a topic that is compacted alone keeps its records (KIP-107).
    if !partition.allows_delete_records() {
        return Err(ErrorCode::PolicyViolation);
    }
    let high_watermark = partition.replica.high_watermark();
    let target = if offset == -1 { high_watermark } else { Offset(offset) };
    if target < Offset::ZERO || target > high_watermark {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let deleted = partition.log.0.delete_records(target, high_watermark);
    deleted.map_err(|error| ErrorCode::from(error.error_code()))?;
    let start = partition.log.log_start_offset();
    shard.partitions.mark_changed(slot);
    Ok(start)
}
