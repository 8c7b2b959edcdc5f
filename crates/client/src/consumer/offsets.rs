//! Offsets that brokers know: where logs begin and end, by time, and what groups committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::{ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest};
use protocol::{ApiKey, ErrorCode, Str};
use types::{NodeId, TopicPartition};

use super::config::IsolationLevel;
use super::group::Group;
use crate::{Cluster, Error};

/// Asks for the end of the log.
pub const LATEST: i64 = -1;
/// Asks for its beginning.
pub const EARLIEST: i64 = -2;

/// An answer of ListOffsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// -1 where there is no such record.
    pub offset: i64,
    pub timestamp: i64,
    pub leader_epoch: i32,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    pub leader_epoch: Option<i32>,
    pub metadata: String,
}

pub type Listed = BTreeMap<TopicPartition, Result<ListedOffset, Error>>;

/// Offsets by timestamp or by `LATEST`, `EARLIEST` and the other sentinels; one answer for each partition.
pub async fn list(cluster: &Cluster, isolation: IsolationLevel, wanted: &[(TopicPartition, i64)]) -> Listed {
    let mut listed = Listed::new();
    let mut by_node: BTreeMap<NodeId, Vec<&(TopicPartition, i64)>> = BTreeMap::new();
    for row in wanted {
        match cluster.leader(&row.0.topic, row.0.partition).await {
            Ok(leader) => by_node.entry(leader).or_default().push(row),
            Err(error) => drop(listed.insert(row.0.clone(), Err(error))),
        }
    }
    for (node, rows) in by_node {
        if let Err(error) = list_of(cluster, isolation, node, &rows, &mut listed).await {
            for (partition, _) in rows {
                cluster.forget(&partition.topic);
                listed.insert(partition.clone(), Err(error.clone()));
            }
        }
    }
    listed
}

async fn list_of(
    cluster: &Cluster,
    isolation: IsolationLevel,
    node: NodeId,
    rows: &[&(TopicPartition, i64)],
    listed: &mut Listed,
) -> Result<(), Error> {
    let mut topics: BTreeMap<&Arc<str>, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, timestamp) in rows {
        let row = ListOffsetsPartition {
            partition_index: partition.partition,
            timestamp: *timestamp,
            ..Default::default()
        };
        topics.entry(&partition.topic).or_default().push(row);
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| ListOffsetsTopic { name: Str::from(&**name), partitions })
        .collect();
    let timeout_ms = i32::try_from(cluster.config().request_timeout.as_millis()).unwrap_or(i32::MAX);
    let request = ListOffsetsRequest { replica_id: -1, isolation_level: isolation as i8, topics, timeout_ms };
    let answer = cluster.node(node).await?.call(&request).await?;
    for topic in answer.topics {
        let name: Arc<str> = topic.name.as_str().into();
        for row in topic.partitions {
            let partition = TopicPartition { topic: Arc::clone(&name), partition: row.partition_index };
            let found = Error::check(row.error_code, None).map(|()| ListedOffset {
                offset: row.offset,
                timestamp: row.timestamp,
                leader_epoch: row.leader_epoch,
            });
            if found.is_err() {
                cluster.forget(&name);
            }
            listed.insert(partition, found);
        }
    }
    Ok(())
}

/// What the group committed for these partitions; those without are left out.
pub async fn committed(
    group: &Group,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Committed>, Error> {
    let connection = group.coordinator().await?;
    // from 10 on topics are told by id
    let version = connection.version(ApiKey::OffsetFetch)?.min(9);
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let request = match version {
        8.. => {
            let topic = |(name, partition_indexes): (&str, _)| OffsetFetchRequestTopics {
                name: Str::from(name),
                partition_indexes,
                ..Default::default()
            };
            let topics = Some(topics.into_iter().map(topic).collect());
            let group = OffsetFetchRequestGroup { group_id: group.id.clone(), topics, ..Default::default() };
            OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() }
        }
        _ => {
            let topic = |(name, partition_indexes): (&str, _)| OffsetFetchRequestTopic {
                name: Str::from(name),
                partition_indexes,
            };
            let topics = Some(topics.into_iter().map(topic).collect());
            OffsetFetchRequest {
                group_id: group.id.clone(),
                topics,
                require_stable: version >= 7,
                ..Default::default()
            }
        }
    };
    let answer = connection.call_version(&request, version).await?;
    let mut found = BTreeMap::new();
    let mut note = |topic: &Str, partition, offset, epoch: i32, metadata: Option<&Str>, code| {
        check(group, code)?;
        if offset >= 0 {
            let leader_epoch = (epoch >= 0).then_some(epoch);
            let metadata = metadata.map(|text| text.to_string()).unwrap_or_default();
            let partition = TopicPartition { topic: topic.as_str().into(), partition };
            found.insert(partition, Committed { offset, leader_epoch, metadata });
        }
        Ok::<(), Error>(())
    };
    check(group, answer.error_code)?;
    for topic in &answer.topics {
        for p in &topic.partitions {
            let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
            note(&topic.name, p.partition_index, offset, epoch, p.metadata.as_ref(), p.error_code)?;
        }
    }
    for of_group in &answer.groups {
        check(group, of_group.error_code)?;
        for topic in &of_group.topics {
            for p in &topic.partitions {
                let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
                note(&topic.name, p.partition_index, offset, epoch, p.metadata.as_ref(), p.error_code)?;
            }
        }
    }
    Ok(found)
}

/// Commits as the member that the group is now, or as nobody where it was never joined.
pub async fn commit(group: &Group, offsets: &BTreeMap<TopicPartition, Committed>) -> Result<(), Error> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, committed) in offsets {
        topics.entry(&partition.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(Str::from(&committed.metadata)),
        });
    }
    let identity = group.identity();
    let topic = |(name, partitions): (&str, _)| OffsetCommitRequestTopic {
        name: Str::from(name),
        partitions,
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.id.clone(),
        generation_id_or_member_epoch: identity.generation,
        member_id: identity.member_id,
        group_instance_id: group.instance_id(),
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    let connection = group.coordinator().await?;
    let version = connection.version(ApiKey::OffsetCommit)?.min(9);
    let answer = connection.call_version(&request, version).await?;
    for row in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        check(group, row.error_code)?;
    }
    Ok(())
}

fn check(group: &Group, code: i16) -> Result<(), Error> {
    let outcome = Error::check(code, None);
    if outcome.is_err() {
        group.judge(ErrorCode::from(code));
    }
    outcome
}
