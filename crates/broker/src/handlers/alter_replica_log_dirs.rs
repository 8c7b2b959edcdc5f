//! AlterReplicaLogDirs: replicas of this broker are to move to other log directories (KIP-113), or to be made there when
//! they come. Answered when the moves have begun; DescribeLogDirs shows how far they are.

use std::path::Path;

use protocol::messages::AlterReplicaLogDirsRequest;
use protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};
use protocol::{ErrorCode, Response};

use crate::event::DirectoryIndex;
use crate::handlers::push_operation;
use crate::message::PartitionOperation;
use crate::shard::{Answer, Call, Shard, Turn};

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: AlterReplicaLogDirsRequest,
) -> Answer {
    let mut response = AlterReplicaLogDirsResponse::default();
    let mut parts = Vec::new();
    for wanted in request.dirs {
        let directory = directory(shard, &wanted.path);
        for topic in wanted.topics {
            let t = response.results.len() as u32;
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (p, partition_index) in topic.partitions.into_iter().enumerate() {
                let place = (t, p as u32);
                let found = directory.and_then(|directory| {
                    let (id, owner) = shard.cluster.place_of(&topic.name, partition_index)?;
                    Ok((id, owner, directory))
                });
                let error_code = match found {
                    Ok((id, owner, directory)) => {
                        push_operation(&mut parts, owner, place, id, PartitionOperation::Move { directory });
                        0
                    }
                    Err(error) => error.code(),
                };
                partitions.push(AlterReplicaLogDirPartitionResult { partition_index, error_code });
            }
            response.results.push(AlterReplicaLogDirTopicResult { topic_name: topic.name, partitions });
        }
    }
    shard.scatter(turn, call, Response::AlterReplicaLogDirs(response), parts)
}

fn directory(shard: &Shard, path: &str) -> Result<DirectoryIndex, ErrorCode> {
    let is_it = |index: &DirectoryIndex| {
        shard.directories.get(*index).is_some_and(|started| started.directory.path() == Path::new(path))
    };
    let Some(index) = shard.directories.indexes().find(is_it) else {
        let is_lost = shard.node.lost_log_directories.iter().any(|lost| lost == Path::new(path));
        return Err(if is_lost { ErrorCode::KafkaStorageError } else { ErrorCode::LogDirNotFound });
    };
    match shard.disk.failed.contains(&index) {
        true => Err(ErrorCode::KafkaStorageError),
        false => Ok(index),
    }
}
