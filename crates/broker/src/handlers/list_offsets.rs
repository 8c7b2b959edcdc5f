//! ListOffsets: an offset by time, or one of the named ones (earliest, latest, largest timestamp …).

use protocol::messages::list_offsets_request::ListOffsetsRequest;
use protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use protocol::{ErrorCode, Response};
use types::{Offset, TopicIdPartition};

use crate::handlers::push_operation;
use crate::message::{OffsetLookUp, PartitionOperation};
use crate::partition::Partition;
use crate::shard::{Answer, Call, Shard, Turn};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(crate) fn handle(shard: &mut Shard, turn: &mut Turn, call: Call, request: ListOffsetsRequest) -> Answer {
    let mut response = ListOffsetsResponse::default();
    let mut parts = Vec::new();
    for (t, topic) in request.topics.into_iter().enumerate() {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (p, wanted) in topic.partitions.iter().enumerate() {
            let mut answer = empty_answer(wanted.partition_index);
            let look_up = OffsetLookUp {
                timestamp: wanted.timestamp,
                read_committed: request.isolation_level == 1,
                is_client: request.replica_id == -1,
                current_leader_epoch: wanted.current_leader_epoch,
                api_version: call.api_version,
            };
            let repeated =
                topic.partitions.iter().take(p).any(|other| other.partition_index == wanted.partition_index);
            match shard.cluster.resolve_name(&topic.name, wanted.partition_index) {
                _ if repeated => answer.error_code = ErrorCode::InvalidRequest.code(),
                _ if !is_known(wanted.timestamp, call.api_version) => {
                    answer.error_code = ErrorCode::UnsupportedVersion.code();
                }
                Err(error) => answer.error_code = error.code(),
                Ok((id, owner)) => {
                    let place = (t as u32, p as u32);
                    push_operation(&mut parts, owner, place, id, PartitionOperation::ListOffset(look_up));
                }
            }
            answers.push(answer);
        }
        response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions: answers });
    }
    shard.scatter(turn, call, Response::ListOffsets(response), parts)
}

/// Each sentinel has a first version; other negative times do not exist.
fn is_known(timestamp: i64, version: i16) -> bool {
    match timestamp {
        0.. | LATEST | EARLIEST => true,
        MAX_TIMESTAMP => version >= 7,
        EARLIEST_LOCAL => version >= 8,
        LATEST_TIERED => version >= 9,
        EARLIEST_PENDING_UPLOAD => version >= 11,
        _ => false,
    }
}

fn empty_answer(partition_index: i32) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index,
        timestamp: -1,
        offset: -1,
        leader_epoch: -1,
        error_code: 0,
    }
}

/// One partition's answer, by its owner.
pub(crate) fn look_up(
    shard: &mut Shard,
    id: &TopicIdPartition,
    wanted: &OffsetLookUp,
) -> ListOffsetsPartitionResponse {
    let mut answer = empty_answer(id.partition);
    let absent = shard.cluster.absent(id);
    let found = match shard.partitions.get_mut(id) {
        None => Err(absent),
        Some(partition) => {
            partition.check_leader(wanted.current_leader_epoch).and_then(|()| find(partition, wanted))
        }
    };
    match found {
        Err(error) => answer.error_code = error.code(),
        Ok(Some((timestamp, offset, leader_epoch))) => {
            answer.timestamp = timestamp;
            answer.offset = offset.0;
            answer.leader_epoch = leader_epoch;
        }
        Ok(None) => {}
    }
    answer
}

type Found = Option<(i64, Offset, i32)>;

fn find(partition: &mut Partition, wanted: &OffsetLookUp) -> Result<Found, ErrorCode> {
    let start = partition.log.log_start_offset();
    let end = match (wanted.is_client, wanted.read_committed) {
        (true, true) => partition.last_stable_offset(),
        (true, false) => partition.replica.high_watermark(),
        (false, _) => partition.log.log_end_offset(),
    };
    // Until a new leader's high watermark has reached its epoch's start it does not know what is committed.
    let uncertain = wanted.is_client && !partition.replica.has_reached_epoch_start();
    let not_available = match wanted.api_version {
        5.. => ErrorCode::OffsetNotAvailable,
        _ => ErrorCode::LeaderNotAvailable,
    };
    let leader_epoch = partition.replica.leader_epoch.0;
    match wanted.timestamp {
        EARLIEST | EARLIEST_LOCAL => Ok(Some((-1, start, partition.log.epoch_of(start)))),
        LATEST if uncertain => Err(not_available),
        LATEST => Ok(Some((-1, end, leader_epoch))),
        // Nothing is tiered here.
        LATEST_TIERED => Ok(Some((-1, Offset(-1), -1))),
        EARLIEST_PENDING_UPLOAD => Ok(Some((-1, Offset(-1), -1))),
        MAX_TIMESTAMP => Ok(partition.log.offset_of_max_timestamp()?.filter(|(_, offset, _)| *offset < end)),
        timestamp => match partition.log.offset_for_timestamp(timestamp)? {
            Some((_, offset, _)) if offset >= end && uncertain => Err(not_available),
            found => Ok(found.filter(|(_, offset, _)| *offset < end)),
        },
    }
}
