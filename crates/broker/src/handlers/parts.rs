//! How the parts of scattered requests are done and put together again: which handler knows about which part.

use protocol::Response;
use types::TopicIdPartition;

use crate::event::ShardId;
use crate::handlers;
use crate::message::{PartReply, PartitionOperation, PartitionOutcome, Place};
use crate::shard::{Answer, Call, Scattered, Shard, Turn};

/// Does one operation on a partition of this shard.
pub(crate) fn operate(
    shard: &mut Shard,
    turn: &mut Turn,
    id: TopicIdPartition,
    operation: PartitionOperation,
) -> PartitionOutcome {
    match operation {
        PartitionOperation::ListOffset(look_up) => {
            PartitionOutcome::ListOffset(handlers::list_offsets::look_up(shard, &id, &look_up))
        }
        PartitionOperation::EpochEnd { leader_epoch, current_leader_epoch } => PartitionOutcome::EpochEnd(
            handlers::offset_for_leader_epoch::end_of(shard, &id, leader_epoch, current_leader_epoch),
        ),
        PartitionOperation::Move { directory } => {
            let error = shard.move_replica(turn, &id, directory).err().unwrap_or_default();
            PartitionOutcome::Moves(error.code())
        }
        PartitionOperation::DescribeProducers => {
            PartitionOutcome::DescribeProducers(handlers::describe_producers::describe(shard, &id))
        }
    }
}

/// Puts the answer of a part where it belongs.
pub(crate) fn fill(response: &mut Response, reply: PartReply) {
    match (response, reply) {
        (Response::Produce(response), PartReply::Produce(results)) => {
            handlers::produce::fill(response, results)
        }
        (response, PartReply::Partitions(outcomes)) => {
            outcomes.into_iter().for_each(|(place, outcome)| fill_partition(response, place, outcome));
        }
        (response, PartReply::Response(part)) => merge(response, *part),
        _ => {}
    }
}

fn fill_partition(response: &mut Response, (t, p): Place, outcome: PartitionOutcome) {
    let (t, p) = (t as usize, p as usize);
    match (response, outcome) {
        (Response::ListOffsets(response), PartitionOutcome::ListOffset(outcome)) => {
            put(response.topics.get_mut(t).map(|topic| &mut topic.partitions), p, outcome);
        }
        (Response::OffsetForLeaderEpoch(response), PartitionOutcome::EpochEnd(outcome)) => {
            put(response.topics.get_mut(t).map(|topic| &mut topic.partitions), p, outcome);
        }
        (Response::DeleteRecords(response), PartitionOutcome::DeleteRecords(outcome)) => {
            put(response.topics.get_mut(t).map(|topic| &mut topic.partitions), p, outcome);
        }
        (Response::AlterReplicaLogDirs(response), PartitionOutcome::Moves(error_code)) => {
            let partitions = response.results.get_mut(t).map(|topic| &mut topic.partitions);
            if let Some(result) = partitions.and_then(|partitions| partitions.get_mut(p)) {
                result.error_code = error_code;
            }
        }
        (Response::DescribeProducers(response), PartitionOutcome::DescribeProducers(outcome)) => {
            put(response.topics.get_mut(t).map(|topic| &mut topic.partitions), p, outcome);
        }
        _ => {}
    }
}

fn put<T>(places: Option<&mut Vec<T>>, index: usize, value: T) {
    if let Some(place) = places.and_then(|places| places.get_mut(index)) {
        *place = value;
    }
}

/// Adds one shard's answer to those of the others.
fn merge(response: &mut Response, part: Response) {
    match (response, part) {
        (Response::ListGroups(all), Response::ListGroups(part)) => {
            all.groups.extend(part.groups);
            first_error(&mut all.error_code, part.error_code);
        }
        (Response::DescribeGroups(all), Response::DescribeGroups(part)) => all.groups.extend(part.groups),
        (Response::DeleteGroups(all), Response::DeleteGroups(part)) => all.results.extend(part.results),
        (Response::OffsetFetch(all), Response::OffsetFetch(part)) if !part.groups.is_empty() => {
            all.groups.extend(part.groups);
        }
        (Response::OffsetDelete(all), Response::OffsetDelete(part)) => {
            handlers::groups::merge_offset_delete(all, part);
        }
        (Response::DescribeLogDirs(all), Response::DescribeLogDirs(part)) => {
            handlers::describe_log_dirs::merge(all, part);
        }
        (whole, part) => *whole = part,
    }
}

fn first_error(all: &mut i16, part: i16) {
    if *all == 0 {
        *all = part;
    }
}

/// The last touch when no part is missing.
pub(crate) fn finished(shard: &mut Shard, call: &Call, acks: i16, response: Response) -> Answer {
    match response {
        Response::Produce(response) => handlers::produce::finish(shard, call, acks, response),
        response => Answer::Response(response),
    }
}

pub(crate) fn push_operation(
    parts: &mut Scattered,
    owner: ShardId,
    place: Place,
    id: TopicIdPartition,
    operation: PartitionOperation,
) {
    match parts.iter_mut().find(|(shard, _)| *shard == owner) {
        Some((_, operations)) => operations.push((place, id, operation)),
        None => parts.push((owner, vec![(place, id, operation)])),
    }
}
