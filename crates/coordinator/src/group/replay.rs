//! Records of a log that is read at load, Kafka's of any release among them, into groups.
//! What is not known is skipped: a later release wrote it, and its log must open all the same.

use bytes::Bytes;
use protocol::records::group::group_metadata_value::MemberMetadata;
use protocol::records::group::*;
use protocol::{DecodeError, Message, Reader, Str};
use types::{LeaderEpoch, Offset, ProducerId};

use super::classic::{ClassicGroup, Member, State};
use super::foreign::{Foreign, Kind};
use super::offsets::CommittedOffset;
use super::pending::Change;
use super::records::STRING_MAX;
use super::state::Groups;

/// A record of `__consumer_offsets`.
#[derive(Clone, Debug)]
pub struct ReplayRecord {
    pub offset: Offset,
    pub key: Bytes,
    pub value: Option<Bytes>,
    /// The producer of its batch, where the batch is transactional.
    pub transaction: Option<ProducerId>,
}

/// A record that cannot be what its type says; it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayError(pub DecodeError);

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a record of the group coordinator cannot be read: {}", self.0)
    }
}

impl std::error::Error for ReplayError {}

impl From<DecodeError> for ReplayError {
    fn from(error: DecodeError) -> ReplayError {
        ReplayError(error)
    }
}

impl Groups {
    pub fn replay(&mut self, record: &ReplayRecord) -> Result<(), ReplayError> {
        let mut reader = Reader::new(record.key.clone());
        let record_type = reader.i16();
        reader.check()?;
        match record_type {
            0 | 1 => {
                let key = OffsetCommitKey::decode(&mut reader, 0)?;
                self.replay_offset(key, record)
            }
            2 => {
                let key = GroupMetadataKey::decode(&mut reader, 0)?;
                self.replay_group(&key.group, record.value.as_ref())
            }
            other => {
                if let Some((kind, is_member)) = Kind::of_record(other) {
                    // every such key begins with its group
                    let id = reader.string();
                    reader.check()?;
                    self.replay_foreign(&id, kind, is_member, record);
                }
                Ok(())
            }
        }
    }

    fn replay_offset(&mut self, key: OffsetCommitKey, record: &ReplayRecord) -> Result<(), ReplayError> {
        let OffsetCommitKey { group, topic, partition, .. } = key;
        let change = match &record.value {
            None => Change::OffsetRemoved { group, topic, partition },
            Some(value) => {
                let value: OffsetCommitValue = versioned(value)?;
                let offset = committed_offset(&value);
                Change::Offset { group, topic, partition, offset }
            }
        };
        self.apply(change, record.offset, record.transaction);
        Ok(())
    }

    fn replay_group(&mut self, id: &Str, value: Option<&Bytes>) -> Result<(), ReplayError> {
        match value {
            None => {
                if let Some(group) = self.by_id.get_mut(id) {
                    group.classic = None;
                }
                self.drop_if_gone(id);
            }
            Some(value) => {
                let classic = classic_group(id, versioned(value)?)?;
                self.entry(id).classic = Some(Box::new(classic));
            }
        }
        Ok(())
    }

    fn replay_foreign(&mut self, id: &Str, kind: Kind, is_member: bool, record: &ReplayRecord) {
        if record.value.is_some() {
            let foreign = self.entry(id).foreign.get_or_insert_with(|| Foreign::new(kind));
            return foreign.insert(&record.key, is_member);
        }
        let change = Change::ForeignRemoved { group: id.clone(), key: record.key.clone() };
        self.apply(change, record.offset, None);
    }
}

fn versioned<M: Message>(value: &Bytes) -> Result<M, ReplayError> {
    let mut reader = Reader::new(value.clone());
    let version = reader.i16();
    reader.check()?;
    Ok(M::decode(&mut reader, version)?)
}

fn committed_offset(value: &OffsetCommitValue) -> CommittedOffset {
    let is_empty = value.metadata.is_empty();
    CommittedOffset {
        offset: Offset(value.offset),
        leader_epoch: LeaderEpoch(value.leader_epoch),
        metadata: if is_empty { Str::default() } else { value.metadata.detached() },
        commit_timestamp_ms: value.commit_timestamp,
        expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
        topic_id: value.topic_id,
        record_offset: Offset(-1),
    }
}

/// A group with members was stable when its record was written.
fn classic_group(id: &Str, value: GroupMetadataValue) -> Result<ClassicGroup, ReplayError> {
    let mut group = ClassicGroup::new(id.detached(), Default::default());
    group.generation = value.generation;
    group.state_timestamp_ms = (value.current_state_timestamp != -1).then_some(value.current_state_timestamp);
    let protocol_type = bounded(&value.protocol_type)?;
    group.protocol_type = (!protocol_type.is_empty()).then_some(protocol_type);
    group.protocol = value.protocol.as_ref().map(bounded).transpose()?;
    let protocol = group.protocol.clone().unwrap_or_default();
    let protocol_type = group.protocol_type.clone();
    for member in &value.members {
        group.remove(&member.member_id);
        group.add(loaded_member(member, &protocol)?, protocol_type.clone());
    }
    group.leader = match &value.leader {
        Some(leader) if group.members.contains_key(leader) => Some(leader.detached()),
        _ => group.members.keys().next().cloned(),
    };
    if !group.members.is_empty() {
        group.state = State::Stable;
    }
    group.compute_subscribed_topics();
    Ok(group)
}

fn loaded_member(member: &MemberMetadata, protocol: &Str) -> Result<Member, ReplayError> {
    let rebalance_timeout_ms =
        if member.rebalance_timeout == -1 { member.session_timeout } else { member.rebalance_timeout };
    Ok(Member {
        id: bounded(&member.member_id)?,
        instance_id: member.group_instance_id.as_ref().map(bounded).transpose()?,
        client_id: bounded(&member.client_id)?,
        client_host: bounded(&member.client_host)?,
        rebalance_timeout_ms,
        session_timeout_ms: member.session_timeout,
        protocols: vec![(protocol.clone(), Bytes::copy_from_slice(&member.subscription))],
        assignment: Bytes::copy_from_slice(&member.assignment),
        is_new: false,
        session_deadline: 0,
        waiting_join: None,
        waiting_sync: None,
    })
}

/// A copy of a string that the version we write can hold.
fn bounded(text: &Str) -> Result<Str, ReplayError> {
    match text.len() <= STRING_MAX {
        true => Ok(text.detached()),
        false => Err(ReplayError(DecodeError::InvalidLength(text.len() as i64))),
    }
}
