//! Records of `__consumer_offsets` as this coordinator writes them: Kafka's types and versions.

use bytes::Bytes;
use protocol::records::group::group_metadata_value::MemberMetadata;
use protocol::records::group::{GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};
use protocol::{Message, Str, Writer};

use super::classic::{ClassicGroup, Member};
use super::io::WriteRecord;
use super::offsets::CommittedOffset;

const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
/// The only version with an expiry of its own.
const OFFSET_COMMIT_EXPIRING_VERSION: i16 = 1;
const OFFSET_COMMIT_VERSION: i16 = 4;
const GROUP_METADATA_VERSION: i16 = 3;
/// Longest string in the non-flexible versions. Requests and loaded records are held against it.
pub(crate) const STRING_MAX: usize = i16::MAX as usize;

pub(crate) fn offset_commit(
    group: &Str,
    topic: &Str,
    partition: i32,
    offset: &CommittedOffset,
) -> WriteRecord {
    let version = if offset.expire_timestamp_ms.is_some() {
        OFFSET_COMMIT_EXPIRING_VERSION
    } else {
        OFFSET_COMMIT_VERSION
    };
    let value = OffsetCommitValue {
        offset: offset.offset.0,
        leader_epoch: offset.leader_epoch.0,
        metadata: offset.metadata.clone(),
        commit_timestamp: offset.commit_timestamp_ms,
        expire_timestamp: offset.expire_timestamp_ms.unwrap_or(-1),
        topic_id: offset.topic_id,
    };
    WriteRecord { key: offset_key(group, topic, partition), value: Some(prefixed(version, &value, version)) }
}

pub(crate) fn offset_tombstone(group: &Str, topic: &Str, partition: i32) -> WriteRecord {
    WriteRecord { key: offset_key(group, topic, partition), value: None }
}

/// The whole group with an assignment for each member.
pub(crate) fn group_metadata(group: &ClassicGroup, assignment: impl Fn(&Member) -> Bytes) -> WriteRecord {
    let protocol = group.protocol.clone().unwrap_or_default();
    let members = group
        .members
        .values()
        .map(|member| MemberMetadata {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(&protocol),
            assignment: assignment(member),
        })
        .collect();
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        generation: group.generation,
        protocol: group.protocol.clone(),
        leader: group.leader.clone(),
        current_state_timestamp: group.state_timestamp_ms.unwrap_or(-1),
        members,
    };
    let value = prefixed(GROUP_METADATA_VERSION, &value, GROUP_METADATA_VERSION);
    WriteRecord { key: group_key(&group.id), value: Some(value) }
}

/// A group that a join has just made.
pub(crate) fn new_group_metadata(group: &Str, state_timestamp_ms: i64) -> WriteRecord {
    let value = GroupMetadataValue {
        protocol: None,
        leader: None,
        current_state_timestamp: state_timestamp_ms,
        ..Default::default()
    };
    let value = prefixed(GROUP_METADATA_VERSION, &value, GROUP_METADATA_VERSION);
    WriteRecord { key: group_key(group), value: Some(value) }
}

pub(crate) fn group_tombstone(group: &Str) -> WriteRecord {
    WriteRecord { key: group_key(group), value: None }
}

fn offset_key(group: &Str, topic: &Str, partition: i32) -> Bytes {
    let key = OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition };
    prefixed(OFFSET_COMMIT, &key, 0)
}

fn group_key(group: &Str) -> Bytes {
    prefixed(GROUP_METADATA, &GroupMetadataKey { group: group.clone() }, 0)
}

/// Keys begin with their type, values with their version.
fn prefixed(prefix: i16, message: &impl Message, version: i16) -> Bytes {
    let mut writer = Writer::with_capacity(64);
    writer.i16(prefix);
    message.encode(&mut writer, version).expect("strings are bounded where they come in");
    writer.into_bytes().expect("no file in a record")
}
