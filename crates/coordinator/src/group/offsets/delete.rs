//! OffsetDelete: an administrator forgets offsets of topics that nobody of the group reads. And the offsets of
//! topics that are deleted, which nobody asks for: a topic of the same name would begin in its middle.

use std::collections::{BTreeMap, BTreeSet};

use protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use protocol::{ErrorCode, Str};
use types::Uuid;

use super::{CommittedOffset, Offsets};
use crate::group::classic::State;
use crate::group::entry::Group;
use crate::group::io::{Response, Token, WriteRecord};
use crate::group::pending::{Change, Then};
use crate::group::records;
use crate::group::turn::{Turn, Writes};

pub(crate) fn delete(group: Option<&Group>, token: Token, request: &OffsetDeleteRequest, turn: &mut Turn) {
    let group = match check(group) {
        Ok(group) => group,
        Err(error) => {
            let error_code = error.code();
            let response = OffsetDeleteResponse { error_code, ..Default::default() };
            return turn.reply(token, Response::OffsetDelete(response));
        }
    };
    let mut tombstones = Vec::new();
    let mut response = OffsetDeleteResponse::default();
    for topic in &request.topics {
        let error = if turn.topics.id(&topic.name).is_none() {
            ErrorCode::UnknownTopicOrPartition
        } else if group.is_subscribed_to(&topic.name) {
            ErrorCode::GroupSubscribedToTopic
        } else {
            ErrorCode::None
        };
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions.iter().map(|partition| partition.partition_index) {
            if error == ErrorCode::None && group.has_offset(&topic.name, partition) {
                tombstones.push(tombstone(&request.group_id, &topic.name, partition));
            }
            answers
                .push(OffsetDeleteResponsePartition { partition_index: partition, error_code: error.code() });
        }
        response.topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: answers });
    }
    let response = Response::OffsetDelete(response);
    match tombstones.is_empty() {
        true => turn.reply(token, response),
        false => turn.write(tombstones, Then::Reply(token, response)),
    }
}

fn check(group: Option<&Group>) -> Result<&Group, ErrorCode> {
    let group = group.ok_or(ErrorCode::GroupIdNotFound)?;
    let is_active = group
        .classic
        .as_ref()
        .is_some_and(|classic| classic.state != State::Empty && !classic.uses_consumer_protocol());
    if is_active { Err(ErrorCode::NonEmptyGroup) } else { Ok(group) }
}

/// Tombstones of all that is held of these topics, open transactions and commits under way among it.
pub(crate) fn of_deleted_topics(
    groups: &BTreeMap<Str, Group>,
    writes: &Writes,
    deleted: &[(Str, Uuid)],
) -> Vec<(WriteRecord, Change)> {
    let is_deleted = |topic: &Str, offset: &CommittedOffset| {
        deleted
            .iter()
            .any(|(name, id)| name == topic && (offset.topic_id.is_zero() || offset.topic_id == *id))
    };
    let mut gone = BTreeSet::new();
    for (id, group) in groups {
        let held = std::iter::once(&group.offsets).chain(group.pending.values()).flat_map(Offsets::iter);
        let of_them = held.filter(|(topic, _, offset)| is_deleted(topic, offset));
        gone.extend(of_them.map(|(topic, partition, _)| (id, topic, partition)));
    }
    for change in writes.pending.iter().flat_map(|(_, write)| &write.changes) {
        match change {
            Change::Offset { group, topic, partition, offset } if is_deleted(topic, offset) => {
                gone.insert((group, topic, *partition));
            }
            _ => {}
        }
    }
    gone.into_iter().map(|(group, topic, partition)| tombstone(group, topic, partition)).collect()
}

pub(crate) fn tombstone(group: &Str, topic: &Str, partition: i32) -> (WriteRecord, Change) {
    let record = records::offset_tombstone(group, topic, partition);
    (record, Change::OffsetRemoved { group: group.clone(), topic: topic.clone(), partition })
}
