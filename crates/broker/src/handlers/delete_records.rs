//! DeleteRecords: moves a partition's log start forward (-1: up to the high watermark), then waits until the logs of
//! all replicas that live start there or later (KIP-107).

use protocol::messages::delete_records_request::DeleteRecordsRequest;
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use protocol::{ErrorCode, Response};
use types::{Offset, TopicIdPartition};

use crate::event::ShardId;
use crate::message::{DeletePart, Part, PartReply, PartitionOutcome, Place};
use crate::shard::{Answer, Call, Origin, Shard, Turn};

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: DeleteRecordsRequest,
) -> Answer {
    let timeout_ms = request.timeout_ms;
    let mut response = DeleteRecordsResponse::default();
    let mut parts: Vec<(ShardId, DeletePart)> = Vec::new();
    for (t, topic) in request.topics.into_iter().enumerate() {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (p, wanted) in topic.partitions.iter().enumerate() {
            let mut answer = empty_answer(wanted.partition_index);
            match shard.cluster.resolve_name(&topic.name, wanted.partition_index) {
                Err(error) => answer.error_code = error.code(),
                Ok(_) if crate::cluster::is_internal(&topic.name) => {
                    answer.error_code = ErrorCode::InvalidTopicException.code();
                }
                Ok((id, owner)) => {
                    let item = ((t as u32, p as u32), id, wanted.offset);
                    match parts.iter_mut().find(|(at, _)| *at == owner) {
                        Some((_, part)) => part.items.push(item),
                        None => parts.push((owner, DeletePart { timeout_ms, items: vec![item] })),
                    }
                }
            }
            answers.push(answer);
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions: answers });
    }
    let response = Response::DeleteRecords(response);
    if parts.is_empty() {
        return Answer::Response(response);
    }
    let id = shard.begin_gather(call, response, parts.len());
    for (owner, part) in parts {
        shard.send_part(turn, owner, id, Part::DeleteRecords(part));
    }
    Answer::Later
}

pub(crate) fn empty_answer(partition_index: i32) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult { partition_index, low_watermark: -1, error_code: 0 }
}

/// Deletes here; what others still have to do is waited for.
pub(crate) fn run_part(shard: &mut Shard, turn: &mut Turn, origin: Origin, part: DeletePart) {
    let mut results = Vec::with_capacity(part.items.len());
    let mut pending: Vec<(Place, TopicIdPartition, Offset)> = Vec::new();
    for (place, id, offset) in part.items {
        let mut answer = empty_answer(id.partition);
        match delete(shard, &id, offset) {
            Ok((wanted, low_watermark)) => {
                answer.low_watermark = low_watermark.0;
                if low_watermark < wanted {
                    pending.push((place, id, wanted));
                }
            }
            Err(error) => answer.error_code = error.code(),
        }
        results.push((place, answer));
    }
    if pending.is_empty() {
        let outcomes =
            results.into_iter().map(|(place, result)| (place, PartitionOutcome::DeleteRecords(result)));
        shard.reply_part(turn, origin, PartReply::Partitions(outcomes.collect()));
    } else {
        shard.wait_for_deletion(turn, origin, results, pending, part.timeout_ms);
    }
}

/// Where the log is to start, and where the logs of all replicas that live do.
fn delete(shard: &mut Shard, id: &TopicIdPartition, offset: i64) -> Result<(Offset, Offset), ErrorCode> {
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
    shard.partitions.mark_changed(slot);
    Ok((target, shard.low_watermark(slot)))
}
