//! What goes into a group shard and what comes out of it.

use bytes::Bytes;
use platform::{Random, Time};
use protocol::messages::*;
use protocol::{ErrorCode, Str};
use types::{ProducerEpoch, ProducerId, Uuid};

use super::GroupConfig;

/// Which request a reply belongs to. Chosen by the driver, never looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// A write of this shard; ids grow in the order in which the writes must be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// Who sent a command, and in which version of its API.
#[derive(Clone, Debug)]
pub struct Caller {
    pub token: Token,
    pub version: i16,
    pub client_id: Str,
    /// As Java prints an address: `/127.0.0.1`.
    pub client_host: Str,
}

/// Names, ids and partitions of the topics that exist now.
pub trait Topics {
    fn id(&self, name: &str) -> Option<Uuid>;
    fn name(&self, id: Uuid) -> Option<Str>;
    fn has_partition(&self, name: &str, partition: i32) -> bool;
}

/// A cluster without topics.
pub struct NoTopics;

impl Topics for NoTopics {
    fn id(&self, _name: &str) -> Option<Uuid> {
        None
    }

    fn name(&self, _id: Uuid) -> Option<Str> {
        None
    }

    fn has_partition(&self, _name: &str, _partition: i32) -> bool {
        false
    }
}

/// What a shard may use during one turn.
pub struct Context<'a> {
    pub now: Time,
    pub config: &'a GroupConfig,
    pub random: &'a mut Random,
    pub topics: &'a dyn Topics,
}

/// A request about groups of this shard. Those that may name several groups (`OffsetFetch` from version 8,
/// `DescribeGroups`, `DeleteGroups`) hold only groups of this shard; authorization is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    OffsetCommit(OffsetCommitRequest),
    TxnOffsetCommit(TxnOffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    OffsetDelete(OffsetDeleteRequest),
    ListGroups(ListGroupsRequest),
    DescribeGroups(DescribeGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
}

/// The answer to the command of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    TxnOffsetCommit(TxnOffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    OffsetDelete(OffsetDeleteResponse),
    ListGroups(ListGroupsResponse),
    DescribeGroups(DescribeGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
}

/// One record of `__consumer_offsets`; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRecord {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// Records to append to the shard's partition, with acks=all and nothing of another shard between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub id: WriteId,
    pub records: Vec<WriteRecord>,
    pub timestamp_ms: i64,
    /// The transaction the batch belongs to; none for ordinary batches.
    pub producer: Option<(ProducerId, ProducerEpoch)>,
}

/// What a turn asks of the driver: append the writes in order, send the replies.
/// Every command's token is answered exactly once, in this turn or a later one.
#[derive(Debug, Default)]
pub struct Effects {
    pub writes: Vec<Write>,
    pub replies: Vec<(Token, Response)>,
}

impl Command {
    /// The answer when the whole command is refused, as while the shard is loading or not here.
    pub fn refuse(&self, version: i16, error: ErrorCode) -> Response {
        super::refusal::refuse(self, version, error)
    }
}
