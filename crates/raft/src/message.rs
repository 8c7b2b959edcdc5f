//! What quorum nodes say to each other, without the wire's envelopes: one partition, no cluster id (checked
//! before), no versions. `wire` turns these into Kafka's messages and back.

use bytes::Bytes;
use types::{LeaderEpoch, NodeId, Offset, Uuid};

use crate::code::Code;
use crate::log::{EpochEnd, SnapshotId};
use crate::voters::{Endpoint, ReplicaKey, VersionRange};

/// The high watermark of a fetch whose sender's version has none: it never wakes the fetch.
pub const NEVER_WAKE: Offset = Offset(i64::MAX);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Vote(VoteRequest),
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    EndQuorumEpoch(EndQuorumEpochRequest),
    Fetch(FetchRequest),
    FetchSnapshot(FetchSnapshotRequest),
    AddVoter(AddVoterRequest),
    RemoveVoter(RemoveVoterRequest),
    UpdateVoter(UpdateVoterRequest),
    /// `known_topic`: the request names `__cluster_metadata`-0.
    DescribeQuorum {
        known_topic: bool,
    },
    /// Sent to a node that asks to become a voter: which levels of kraft.version it can run.
    ApiVersions,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoteRequest {
    pub candidate: ReplicaKey,
    pub epoch: LeaderEpoch,
    pub last_epoch: LeaderEpoch,
    pub last_offset: Offset,
    pub pre_vote: bool,
    /// Whom the sender means; none in version 0.
    pub voter: Option<ReplicaKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BeginQuorumEpochRequest {
    pub leader: NodeId,
    pub epoch: LeaderEpoch,
    pub endpoints: Vec<Endpoint>,
    pub voter: Option<ReplicaKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndQuorumEpochRequest {
    pub leader: NodeId,
    pub epoch: LeaderEpoch,
    pub endpoints: Vec<Endpoint>,
    /// Best first.
    pub candidates: Vec<ReplicaKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchRequest {
    pub replica: ReplicaKey,
    pub epoch: LeaderEpoch,
    pub offset: Offset,
    pub last_epoch: LeaderEpoch,
    pub max_wait_ms: i32,
    pub max_bytes: i32,
    /// Known to the sender; -1 unknown; `NEVER_WAKE` where its version has none.
    pub high_watermark: Offset,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchSnapshotRequest {
    pub replica: ReplicaKey,
    pub epoch: LeaderEpoch,
    pub id: SnapshotId,
    pub position: i64,
    pub max_bytes: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddVoterRequest {
    pub voter: ReplicaKey,
    pub endpoints: Vec<Endpoint>,
    pub ack_when_committed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoveVoterRequest {
    pub voter: ReplicaKey,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateVoterRequest {
    pub epoch: LeaderEpoch,
    pub voter: ReplicaKey,
    pub endpoints: Vec<Endpoint>,
    pub supported: VersionRange,
}

/// The answer to any request. `code` is the partition's error, `top` the one of the whole message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    pub top: Code,
    pub code: Code,
    pub leader: Option<NodeId>,
    pub epoch: LeaderEpoch,
    /// Where the leader is reached by the asker's listener.
    pub endpoint: Option<Endpoint>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Errors of the whole message have none.
    Nothing,
    Vote {
        granted: bool,
    },
    BeginQuorumEpoch,
    EndQuorumEpoch,
    Fetch(Fetched),
    FetchSnapshot(SnapshotChunk),
    AddVoter,
    RemoveVoter,
    UpdateVoter,
    DescribeQuorum(Box<QuorumDescription>),
    ApiVersions {
        kraft_version: Option<VersionRange>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fetched {
    /// -1: unknown.
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
    pub diverging: Option<EpochEnd>,
    pub snapshot: Option<SnapshotId>,
    pub records: Bytes,
}

impl Fetched {
    pub fn nothing(high_watermark: Option<Offset>, log_start_offset: Offset) -> Fetched {
        let high_watermark = high_watermark.unwrap_or(Offset(-1));
        Fetched { high_watermark, log_start_offset, diverging: None, snapshot: None, records: Bytes::new() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SnapshotChunk {
    pub id: SnapshotId,
    pub size: i64,
    pub position: i64,
    pub bytes: Bytes,
}

/// What DescribeQuorum shows; timestamps in milliseconds since the Unix epoch, -1: never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuorumDescription {
    pub high_watermark: Offset,
    pub voters: Vec<ReplicaDescription>,
    pub observers: Vec<ReplicaDescription>,
    pub nodes: Vec<(NodeId, Vec<Endpoint>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaDescription {
    pub key: ReplicaKey,
    pub log_end_offset: Offset,
    pub last_fetch_timestamp: i64,
    pub last_caught_up_timestamp: i64,
}

/// A node that requests go to. Bootstrap servers have the ids -2, -3 and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    pub id: NodeId,
    pub host: String,
    pub port: u16,
}

impl ReplicaKey {
    /// No directory on the wire.
    pub fn without_directory(id: NodeId) -> ReplicaKey {
        ReplicaKey::new(id, Uuid::ZERO)
    }
}
