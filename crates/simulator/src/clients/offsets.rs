//! Committed offsets as consumers ask for them: the requests of all versions, and what their answers say.

use protocol::Str;
use protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};

use crate::commands::Api;
use crate::invariants::commits::Place;

/// A partition by its topic's name.
pub type Named = (String, i32);

/// What a group's members and those without membership commit; notes that it was sent.
pub fn commit(
    api: &mut Api<'_>,
    group: &str,
    values: &[(Named, i64)],
) -> (OffsetCommitRequest, Vec<(Place, i64)>) {
    let (mut topics, mut made) = (Vec::<OffsetCommitRequestTopic>::new(), Vec::new());
    for ((topic, partition), value) in values {
        let place = (group.to_owned(), topic.clone(), *partition);
        api.model.commits.sent(&place, *value, api.now);
        made.push((place, *value));
        let data = OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *value,
            committed_leader_epoch: -1,
            committed_metadata: Some("m".into()),
        };
        match topics.iter_mut().find(|other| *other.name == **topic) {
            Some(topic) => topic.partitions.push(data),
            None => topics.push(OffsetCommitRequestTopic {
                name: Str::from(topic.clone()),
                partitions: vec![data],
                ..Default::default()
            }),
        }
    }
    let request = OffsetCommitRequest {
        group_id: Str::from(group.to_owned()),
        generation_id_or_member_epoch: -1,
        retention_time_ms: -1,
        topics,
        ..Default::default()
    };
    (request, made)
}

pub fn fetch(group: &str, version: i16, of: &[Named]) -> OffsetFetchRequest {
    let group_id = Str::from(group.to_owned());
    let mut topics: std::collections::BTreeMap<String, Vec<i32>> = Default::default();
    for (topic, partition) in of {
        topics.entry(topic.clone()).or_default().push(*partition);
    }
    if version >= 8 {
        let topic = |(name, partition_indexes)| OffsetFetchRequestTopics {
            name: Str::from(name),
            partition_indexes,
            ..Default::default()
        };
        let topics = Some(topics.into_iter().map(topic).collect());
        let group = OffsetFetchRequestGroup { group_id, topics, ..Default::default() };
        return OffsetFetchRequest { groups: vec![group], ..Default::default() };
    }
    let topic =
        |(name, partition_indexes)| OffsetFetchRequestTopic { name: Str::from(name), partition_indexes };
    let topics = Some(topics.into_iter().map(topic).collect());
    OffsetFetchRequest { group_id, topics, ..Default::default() }
}

/// What the answer says of each partition, with its error. None: an error of the whole.
pub fn fetched(response: &OffsetFetchResponse) -> Result<Vec<(Named, i64, i16)>, i16> {
    if response.error_code != 0 {
        return Err(response.error_code);
    }
    let mut found = Vec::new();
    for group in &response.groups {
        if group.error_code != 0 {
            return Err(group.error_code);
        }
        for topic in &group.topics {
            found.extend(topic.partitions.iter().map(|one| {
                ((topic.name.to_string(), one.partition_index), one.committed_offset, one.error_code)
            }));
        }
    }
    for topic in &response.topics {
        found.extend(topic.partitions.iter().map(|one| {
            ((topic.name.to_string(), one.partition_index), one.committed_offset, one.error_code)
        }));
    }
    Ok(found)
}
