//! A group's committed offsets: read, written, deleted.

use std::collections::BTreeMap;

use client::{CoordinatorKind, Error};
use protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest};
use protocol::{ApiKey, Str};

use crate::admin::{Admin, Place};

/// Versions of commit and fetch from 10 on name topics by id; here names are what is known.
const BY_NAME: i16 = 9;

#[derive(Clone, Debug)]
pub struct Committed {
    pub offset: i64,
    pub leader_epoch: i32,
}

/// Everything the group has committed.
pub async fn committed(admin: &Admin, group: &str) -> Result<BTreeMap<Place, Committed>, Error> {
    let connection = admin.cluster.coordinator(CoordinatorKind::Group, group).await?;
    let version = connection.version(ApiKey::OffsetFetch)?.min(BY_NAME);
    let group = Str::from(group);
    let request = if version >= 8 {
        let of = OffsetFetchRequestGroup { group_id: group, member_epoch: -1, ..Default::default() };
        OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup { topics: None, ..of }],
            ..Default::default()
        }
    } else {
        OffsetFetchRequest { group_id: group, topics: None, ..Default::default() }
    };
    let response = connection.call_version(&request, version).await?;
    Error::check(response.error_code, None)?;
    let mut found = BTreeMap::new();
    for topic in response.topics {
        for one in topic.partitions {
            let row = Committed { offset: one.committed_offset, leader_epoch: one.committed_leader_epoch };
            found.insert((topic.name.to_string(), one.partition_index), row);
        }
    }
    for group in response.groups {
        Error::check(group.error_code, None)?;
        for topic in group.topics {
            for one in topic.partitions {
                let row =
                    Committed { offset: one.committed_offset, leader_epoch: one.committed_leader_epoch };
                found.insert((topic.name.to_string(), one.partition_index), row);
            }
        }
    }
    found.retain(|_, row| row.offset >= 0);
    Ok(found)
}

pub async fn commit(admin: &Admin, group: &str, offsets: &[(Place, i64)]) -> Result<(), Error> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for ((topic, partition), offset) in offsets {
        topics.entry(topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_leader_epoch: -1,
            committed_metadata: Some(Str::default()),
        });
    }
    let topic = |(name, partitions)| OffsetCommitRequestTopic {
        name: Str::from(name),
        partitions,
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: Str::from(group),
        generation_id_or_member_epoch: -1,
        retention_time_ms: -1,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    let connection = admin.cluster.coordinator(CoordinatorKind::Group, group).await?;
    let response = connection.call_at_most(&request, BY_NAME).await?;
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.try_for_each(|one| Error::check(one.error_code, None))
}

/// The outcome for the whole group, then for each partition.
pub async fn delete(
    admin: &Admin,
    group: &str,
    places: &[Place],
) -> Result<(Result<(), Error>, BTreeMap<Place, Result<(), Error>>), Error> {
    let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
    for (topic, partition) in places {
        let row = OffsetDeleteRequestPartition { partition_index: *partition };
        topics.entry(topic).or_default().push(row);
    }
    let topic = |(name, partitions)| OffsetDeleteRequestTopic { name: Str::from(name), partitions };
    let request =
        OffsetDeleteRequest { group_id: Str::from(group), topics: topics.into_iter().map(topic).collect() };
    let connection = admin.cluster.coordinator(CoordinatorKind::Group, group).await?;
    let response = connection.call(&request).await?;
    let whole = Error::check(response.error_code, None);
    let mut each = BTreeMap::new();
    for topic in response.topics {
        for one in topic.partitions {
            let place = (topic.name.to_string(), one.partition_index);
            each.insert(place, Error::check(one.error_code, None));
        }
    }
    Ok((whole, each))
}
