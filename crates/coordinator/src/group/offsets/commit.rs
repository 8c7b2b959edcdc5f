//! OffsetCommit and TxnOffsetCommit: who may commit, and the records of it.

use protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::messages::*;
use protocol::{ErrorCode, Str};
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Uuid};

use super::CommittedOffset;
use crate::group::classic::State;
use crate::group::entry::Group;
use crate::group::io::{Caller, Response, WriteRecord};
use crate::group::pending::{Change, Then};
use crate::group::records;
use crate::group::turn::Turn;

/// First version in which an absent group is told as such instead of as a wrong generation (KIP-848).
const GROUP_ID_NOT_FOUND_SINCE: i16 = 9;
/// First version that names topics by id alone.
const TOPIC_IDS_SINCE: i16 = 10;
const TXN_TOPIC_IDS_SINCE: i16 = 6;

/// Who commits, as both requests tell it.
pub(crate) struct Committer<'a> {
    pub member_id: &'a str,
    pub instance_id: Option<&'a Str>,
    pub generation: i32,
    pub is_transactional: bool,
}

impl Committer<'_> {
    /// `group` is none where it does not exist: then a simple group comes into being with the record.
    pub fn check(&self, group: Option<&Group>, version: i16) -> Result<(), ErrorCode> {
        match group {
            Some(group) => self.check_existing(group),
            None if self.generation < 0 => Ok(()),
            None if !self.is_transactional && version >= GROUP_ID_NOT_FOUND_SINCE => {
                Err(ErrorCode::GroupIdNotFound)
            }
            None => Err(ErrorCode::IllegalGeneration),
        }
    }

    fn check_existing(&self, group: &Group) -> Result<(), ErrorCode> {
        let is_member = self.generation >= 0 || !self.member_id.is_empty() || self.instance_id.is_some();
        if let Some(foreign) = &group.foreign {
            let allowed = self.generation < 0 && (self.is_transactional || !foreign.has_members());
            return if allowed { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        }
        let Some(classic) = &group.classic else {
            return if self.generation < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        if self.generation < 0 && classic.state == State::Empty {
            return Ok(());
        }
        if is_member {
            classic.validate_member(self.member_id, self.instance_id)?;
            if self.generation != classic.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !self.is_transactional && classic.state != State::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        if !self.is_transactional && classic.state == State::CompletingRebalance {
            // the member knows the new generation, and commits what it owned in the old one
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }
}

pub(crate) fn commit(
    group: Option<&mut Group>,
    caller: &Caller,
    request: &OffsetCommitRequest,
    turn: &mut Turn,
) {
    let committer = Committer {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_ref(),
        generation: request.generation_id_or_member_epoch,
        is_transactional: false,
    };
    let verdict = committer.check(group.as_deref(), caller.version);
    if let (Some(group), Ok(())) = (group, verdict) {
        group.keep_session(&request.member_id, turn);
    }
    let mut records = Vec::new();
    let mut response = OffsetCommitResponse::default();
    for topic in &request.topics {
        let by_id = caller.version >= TOPIC_IDS_SINCE;
        let resolved = resolve(by_id, &topic.name, topic.topic_id, turn);
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let result = resolved.clone().and_then(|(name, topic_id)| {
                if !turn.topics.has_partition(&name, partition.partition_index) {
                    return Err(ErrorCode::UnknownTopicOrPartition);
                }
                verdict?;
                let offset = NewOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref(),
                    retention_ms: request.retention_time_ms,
                    topic_id,
                };
                let offset = offset.check(turn)?;
                records.push(offset_record(&request.group_id, &name, partition.partition_index, offset));
                Ok(())
            });
            answers.push(OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: result.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        let name = resolved.map_or_else(|_| topic.name.clone(), |(name, _)| name);
        response.topics.push(OffsetCommitResponseTopic {
            name,
            topic_id: topic.topic_id,
            partitions: answers,
        });
    }
    let response = Response::OffsetCommit(response);
    match records.is_empty() {
        true => turn.reply(caller.token, response),
        false => turn.write(records, Then::Reply(caller.token, response)),
    }
}

/// The name and id of a topic that exists.
fn resolve(by_id: bool, name: &Str, id: Uuid, turn: &Turn) -> Result<(Str, Uuid), ErrorCode> {
    if by_id {
        Ok((turn.topics.name(id).ok_or(ErrorCode::UnknownTopicId)?, id))
    } else {
        Ok((name.clone(), turn.topics.id(name).ok_or(ErrorCode::UnknownTopicOrPartition)?))
    }
}

pub(crate) fn commit_transactional(
    group: Option<&Group>,
    caller: &Caller,
    request: &TxnOffsetCommitRequest,
    turn: &mut Turn,
) {
    let committer = Committer {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_ref(),
        generation: request.generation_id_or_member_epoch,
        is_transactional: true,
    };
    let verdict = committer.check(group, caller.version);
    let mut records = Vec::new();
    let mut response = TxnOffsetCommitResponse::default();
    for topic in &request.topics {
        let by_id = caller.version >= TXN_TOPIC_IDS_SINCE;
        let resolved = resolve(by_id, &topic.name, topic.topic_id, turn);
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let result = resolved.clone().and_then(|(name, topic_id)| {
                if !turn.topics.has_partition(&name, partition.partition_index) {
                    return Err(ErrorCode::UnknownTopicOrPartition);
                }
                verdict?;
                let offset = NewOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref(),
                    retention_ms: -1,
                    topic_id,
                };
                let offset = offset.check(turn)?;
                records.push(offset_record(&request.group_id, &name, partition.partition_index, offset));
                Ok(())
            });
            answers.push(TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: result.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        let name = resolved.map_or_else(|_| topic.name.clone(), |(name, _)| name);
        let topic_id = topic.topic_id;
        response.topics.push(TxnOffsetCommitResponseTopic { name, topic_id, partitions: answers });
    }
    let response = Response::TxnOffsetCommit(response);
    let producer = (ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch));
    match records.is_empty() {
        true => turn.reply(caller.token, response),
        false => turn.write_as(Some(producer), records, Then::Reply(caller.token, response)),
    }
}

struct NewOffset<'a> {
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&'a Str>,
    retention_ms: i64,
    topic_id: Uuid,
}

impl NewOffset<'_> {
    fn check(self, turn: &Turn) -> Result<CommittedOffset, ErrorCode> {
        let metadata = match self.metadata {
            None => Str::default(),
            Some(metadata) if metadata.is_empty() => Str::default(),
            Some(metadata) => {
                let is_long = metadata.len() > turn.config.offset_metadata_max
                    && metadata.encode_utf16().count() > turn.config.offset_metadata_max;
                if is_long || metadata.len() > records::STRING_MAX {
                    return Err(ErrorCode::OffsetMetadataTooLarge);
                }
                metadata.detached()
            }
        };
        let now = turn.now.wall_ms;
        Ok(CommittedOffset {
            offset: Offset(self.offset),
            leader_epoch: LeaderEpoch(self.leader_epoch),
            metadata,
            commit_timestamp_ms: now,
            expire_timestamp_ms: (self.retention_ms != -1).then(|| now.saturating_add(self.retention_ms)),
            topic_id: self.topic_id,
            record_offset: Offset(-1),
        })
    }
}

fn offset_record(group: &Str, topic: &Str, partition: i32, offset: CommittedOffset) -> (WriteRecord, Change) {
    let record = records::offset_commit(group, topic, partition, &offset);
    (record, Change::Offset { group: group.clone(), topic: topic.clone(), partition, offset })
}
