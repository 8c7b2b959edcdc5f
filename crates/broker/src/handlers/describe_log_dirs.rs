//! DescribeLogDirs: how much each partition takes in each log directory. Every shard tells its own.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::{ErrorCode, Response, Str};

use crate::event::ShardId;
use crate::message::Part;
use crate::shard::{Answer, Call, Shard, Turn};

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: DescribeLogDirsRequest,
) -> Answer {
    let shards = shard.node.shards.max(1);
    let id = shard.begin_gather(call, Response::DescribeLogDirs(Default::default()), usize::from(shards));
    for owner in (0..shards).map(ShardId) {
        shard.send_part(turn, owner, id, Part::DescribeLogDirs(request.clone()));
    }
    Answer::Later
}

pub(crate) fn describe(shard: &Shard, request: &DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted = |topic: &str, partition: i32| match &request.topics {
        None => true,
        Some(topics) => topics.iter().any(|one| one.topic == *topic && one.partitions.contains(&partition)),
    };
    let mut results = Vec::new();
    for index in shard.directories.indexes() {
        let Some(started) = shard.directories.get(index) else { continue };
        let space = started.directory.space();
        let (Ok((total, usable)), false) = (space, shard.disk.failed.contains(&index)) else {
            results.push(failed(started.directory.path()));
            continue;
        };
        let mut topics: BTreeMap<Str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
        let here =
            shard.partitions.iter().filter(|at| at.directory == index && wanted(&at.topic, at.id.partition));
        for partition in here {
            topics.entry(partition.topic.clone()).or_default().push(DescribeLogDirsPartition {
                partition_index: partition.id.partition,
                partition_size: i64::try_from(partition.log.0.size()).unwrap_or(i64::MAX),
                // what this replica lacks of the high watermark
                offset_lag: (partition.replica.high_watermark().0 - partition.log.log_end_offset().0).max(0),
                is_future_key: false,
            });
        }
        let moving = shard.partitions.iter().filter(|at| wanted(&at.topic, at.id.partition));
        for (partition, future) in moving.filter_map(|at| Some((at, at.future.as_ref()?))) {
            if future.directory == index {
                let end = partition.log.log_end_offset();
                topics.entry(partition.topic.clone()).or_default().push(DescribeLogDirsPartition {
                    partition_index: partition.id.partition,
                    partition_size: i64::try_from(future.log.size()).unwrap_or(i64::MAX),
                    offset_lag: Shard::future_lag(end, future),
                    is_future_key: true,
                });
            }
        }
        let topics = topics.into_iter().map(|(name, partitions)| DescribeLogDirsTopic { name, partitions });
        results.push(DescribeLogDirsResult {
            log_dir: text(started.directory.path()),
            topics: topics.collect(),
            total_bytes: i64::try_from(total).unwrap_or(i64::MAX),
            usable_bytes: i64::try_from(usable).unwrap_or(i64::MAX),
            is_cordoned: shard.is_cordoned(index),
            ..Default::default()
        });
    }
    results.extend(shard.node.lost_log_directories.iter().map(|path| failed(path)));
    DescribeLogDirsResponse { results, ..Default::default() }
}

fn failed(path: &Path) -> DescribeLogDirsResult {
    DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError.code(),
        log_dir: text(path),
        total_bytes: -1,
        usable_bytes: -1,
        ..Default::default()
    }
}

fn text(path: &Path) -> Str {
    Str::from(path.to_string_lossy().into_owned())
}

/// Adds one shard's partitions to those of the others, topic by topic.
pub(crate) fn merge(all: &mut DescribeLogDirsResponse, part: DescribeLogDirsResponse) {
    for result in part.results {
        let Some(known) = all.results.iter_mut().find(|known| known.log_dir == result.log_dir) else {
            all.results.push(result);
            continue;
        };
        if result.error_code != 0 {
            *known = result;
            continue;
        }
        for topic in result.topics {
            match known.topics.iter_mut().find(|known| known.name == topic.name) {
                Some(known) => known.partitions.extend(topic.partitions),
                None => known.topics.push(topic),
            }
        }
    }
}
