//! The answer to a command that is refused as a whole, and to one whose records could not be appended.

use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use protocol::messages::offset_fetch_response::*;
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::*;
use protocol::{ErrorCode, Str};

use super::classic;
use super::io::{Command, Response};
use super::turn::{metadata_append_error, offset_append_error};

pub(crate) fn refuse(command: &Command, version: i16, error: ErrorCode) -> Response {
    let error_code = error.code();
    match command {
        Command::JoinGroup(request) => Response::JoinGroup(classic::join_refused(&request.member_id, error)),
        Command::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse { error_code, ..Default::default() }),
        Command::Heartbeat(_) => {
            // Kafka answers blindly while groups are read; members of some clients end of anything else
            let error = if error == ErrorCode::CoordinatorLoadInProgress { ErrorCode::None } else { error };
            Response::Heartbeat(HeartbeatResponse { error_code: error.code(), ..Default::default() })
        }
        Command::LeaveGroup(_) => {
            Response::LeaveGroup(LeaveGroupResponse { error_code, ..Default::default() })
        }
        Command::OffsetCommit(request) => Response::OffsetCommit(refuse_commit(request, error_code)),
        Command::TxnOffsetCommit(request) => {
            Response::TxnOffsetCommit(refuse_txn_commit(request, error_code))
        }
        Command::OffsetFetch(request) => Response::OffsetFetch(refuse_fetch(request, version, error_code)),
        Command::OffsetDelete(_) => {
            Response::OffsetDelete(OffsetDeleteResponse { error_code, ..Default::default() })
        }
        Command::ListGroups(_) => {
            Response::ListGroups(ListGroupsResponse { error_code, ..Default::default() })
        }
        Command::DescribeGroups(request) => {
            let groups = request.groups.iter().map(|group_id| DescribedGroup {
                error_code,
                group_id: group_id.clone(),
                ..Default::default()
            });
            Response::DescribeGroups(DescribeGroupsResponse {
                groups: groups.collect(),
                ..Default::default()
            })
        }
        Command::DeleteGroups(request) => {
            let results = request.groups_names.iter().map(|group_id| DeletableGroupResult {
                group_id: group_id.clone(),
                error_code,
                ..Default::default()
            });
            Response::DeleteGroups(DeleteGroupsResponse { results: results.collect(), ..Default::default() })
        }
    }
}

fn refuse_commit(request: &OffsetCommitRequest, error_code: i16) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|asked| OffsetCommitResponsePartition { partition_index: asked.partition_index, error_code })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

fn refuse_txn_commit(request: &TxnOffsetCommitRequest, error_code: i16) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|asked| TxnOffsetCommitResponsePartition {
                partition_index: asked.partition_index,
                error_code,
            })
            .collect(),
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

/// Version 1 has no error but that of a partition.
fn refuse_fetch(request: &OffsetFetchRequest, version: i16, error_code: i16) -> OffsetFetchResponse {
    match version {
        0..=1 => {
            let topics = request.topics.iter().flatten().map(|topic| OffsetFetchResponseTopic {
                name: topic.name.clone(),
                partitions: topic
                    .partition_indexes
                    .iter()
                    .map(|partition_index| OffsetFetchResponsePartition {
                        partition_index: *partition_index,
                        committed_offset: -1,
                        metadata: Some(Str::default()),
                        error_code,
                        ..Default::default()
                    })
                    .collect(),
            });
            OffsetFetchResponse { topics: topics.collect(), ..Default::default() }
        }
        2..=7 => OffsetFetchResponse { error_code, ..Default::default() },
        _ => {
            let groups = request.groups.iter().map(|group| OffsetFetchResponseGroup {
                group_id: group.group_id.clone(),
                error_code,
                ..Default::default()
            });
            OffsetFetchResponse { groups: groups.collect(), ..Default::default() }
        }
    }
}

/// What the prepared answer becomes when its records could not be appended.
pub(crate) fn fail(response: Response, error: ErrorCode) -> Response {
    let metadata_code = metadata_append_error(error).code();
    let offset_code = offset_append_error(error).code();
    let set = |error_code: &mut i16, code: i16| {
        if *error_code == ErrorCode::None.code() {
            *error_code = code;
        }
    };
    let mut response = response;
    match &mut response {
        Response::OffsetCommit(response) => {
            let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            partitions.for_each(|partition| set(&mut partition.error_code, offset_code));
        }
        Response::TxnOffsetCommit(response) => {
            let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            partitions.for_each(|partition| set(&mut partition.error_code, offset_code));
        }
        Response::OffsetDelete(response) => {
            response.error_code = metadata_code;
            response.topics.clear();
        }
        Response::DeleteGroups(response) => {
            response.results.iter_mut().for_each(|result| set(&mut result.error_code, metadata_code));
        }
        Response::LeaveGroup(response) => set(&mut response.error_code, metadata_code),
        // the others are never kept for a write
        Response::JoinGroup(response) => set(&mut response.error_code, metadata_code),
        Response::SyncGroup(response) => set(&mut response.error_code, metadata_code),
        Response::Heartbeat(response) => set(&mut response.error_code, metadata_code),
        Response::OffsetFetch(response) => set(&mut response.error_code, metadata_code),
        Response::ListGroups(response) => set(&mut response.error_code, metadata_code),
        Response::DescribeGroups(_) => {}
    }
    response
}
