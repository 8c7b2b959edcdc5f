//! OffsetFetch: what is committed, in the three shapes the request has had.

use protocol::messages::offset_fetch_response::*;
use protocol::messages::*;
use protocol::{ErrorCode, Str};
use types::Uuid;

use super::CommittedOffset;
use crate::group::entry::Group;
use crate::group::io::Topics;
use crate::group::turn::Writes;

/// First version that asks for several groups.
const GROUPS_SINCE: i16 = 8;
/// First version that names topics by id alone.
const TOPIC_IDS_SINCE: i16 = 10;

/// Whether a fetch of stable offsets must wait: a transaction's offsets may be on their way into the log.
pub(crate) fn has_unstable_writes(request: &OffsetFetchRequest, writes: &Writes) -> bool {
    request.require_stable && writes.pending.iter().any(|(_, write)| write.producer.is_some())
}

pub(crate) fn fetch<'a>(
    find: impl Fn(&Str) -> Option<&'a Group>,
    version: i16,
    request: &OffsetFetchRequest,
    topics: &dyn Topics,
) -> OffsetFetchResponse {
    let stable = request.require_stable;
    if version < GROUPS_SINCE {
        let group = find(&request.group_id);
        return OffsetFetchResponse { topics: fetch_named(group, request, stable), ..Default::default() };
    }
    let groups = request
        .groups
        .iter()
        .map(|asked| OffsetFetchResponseGroup {
            group_id: asked.group_id.clone(),
            topics: match &asked.topics {
                Some(wanted) => fetch_wanted(find(&asked.group_id), wanted, version, stable, topics),
                None => fetch_all(find(&asked.group_id), version, stable, topics),
            },
            ..Default::default()
        })
        .collect();
    OffsetFetchResponse { groups, ..Default::default() }
}

fn fetch_named(
    group: Option<&Group>,
    request: &OffsetFetchRequest,
    stable: bool,
) -> Vec<OffsetFetchResponseTopic> {
    let to_old = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topic = |name: &Str, partitions: &mut dyn Iterator<Item = i32>| OffsetFetchResponseTopic {
        name: name.clone(),
        partitions: partitions
            .map(|partition| to_old(fetch_one(group, name, Uuid::ZERO, partition, stable)))
            .collect(),
    };
    match &request.topics {
        Some(wanted) => wanted
            .iter()
            .map(|asked| topic(&asked.name, &mut asked.partition_indexes.iter().copied()))
            .collect(),
        None => group
            .iter()
            .flat_map(|group| group.offsets.topics())
            .map(|(name, partitions)| topic(name, &mut partitions.keys().copied()))
            .collect(),
    }
}

fn fetch_wanted(
    group: Option<&Group>,
    wanted: &[offset_fetch_request::OffsetFetchRequestTopics],
    version: i16,
    stable: bool,
    topics: &dyn Topics,
) -> Vec<OffsetFetchResponseTopics> {
    let by_id = version >= TOPIC_IDS_SINCE;
    // as Kafka orders them: what has no topic comes last
    let (known, unknown): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|asked| !by_id || topics.name(asked.topic_id).is_some());
    known
        .into_iter()
        .chain(unknown)
        .map(|asked| {
            let name = if by_id { topics.name(asked.topic_id) } else { Some(asked.name.clone()) };
            let topic_id = if by_id { asked.topic_id } else { Uuid::ZERO };
            let partitions = asked.partition_indexes.iter().map(|partition| match &name {
                Some(name) => fetch_one(group, name, topic_id, *partition, stable),
                None => without_offset(*partition, ErrorCode::UnknownTopicId),
            });
            OffsetFetchResponseTopics {
                partitions: partitions.collect(),
                name: name.unwrap_or_default(),
                topic_id,
            }
        })
        .collect()
}

/// Topics that are deleted have no id and cannot be told of by id.
fn fetch_all(
    group: Option<&Group>,
    version: i16,
    stable: bool,
    topics: &dyn Topics,
) -> Vec<OffsetFetchResponseTopics> {
    let Some(group) = group else { return Vec::new() };
    group
        .offsets
        .topics()
        .filter_map(|(name, partitions)| {
            let topic_id = if version >= TOPIC_IDS_SINCE { topics.id(name)? } else { Uuid::ZERO };
            let one = |partition: &i32| fetch_one(Some(group), name, topic_id, *partition, stable);
            let partitions = partitions.keys().map(one).collect();
            Some(OffsetFetchResponseTopics { name: name.clone(), topic_id, partitions })
        })
        .collect()
}

fn fetch_one(
    group: Option<&Group>,
    topic: &Str,
    topic_id: Uuid,
    partition: i32,
    stable: bool,
) -> OffsetFetchResponsePartitions {
    let Some(group) = group else { return without_offset(partition, ErrorCode::None) };
    if stable && group.has_pending_offset(topic, partition) {
        return without_offset(partition, ErrorCode::UnstableOffsetCommit);
    }
    match group.offsets.get(topic, partition).filter(|committed| is_of(committed, topic_id)) {
        None => without_offset(partition, ErrorCode::None),
        Some(committed) => OffsetFetchResponsePartitions {
            partition_index: partition,
            committed_offset: committed.offset.0,
            committed_leader_epoch: committed.leader_epoch.0,
            metadata: Some(committed.metadata.clone()),
            ..Default::default()
        },
    }
}

/// A topic that was deleted and made anew has another id: its old offsets mean nothing.
fn is_of(committed: &CommittedOffset, topic_id: Uuid) -> bool {
    topic_id.is_zero() || committed.topic_id.is_zero() || committed.topic_id == topic_id
}

fn without_offset(partition_index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Str::default()),
        error_code: error.code(),
    }
}
