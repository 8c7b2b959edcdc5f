//! What the actors of a node tell each other. Plain data; messages of one pair of actors arrive in order.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use metadata::image::{Delta, MetadataImage};
use protocol::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::{Request, Response, Str};
use types::{ProducerId, TopicIdPartition};

use crate::event::{ConnectionId, DirectoryIndex, ListenerId};
use crate::fetch_session::FetchItem;
use crate::partition_read::FetchOutcome;

/// Names a piece of work of the actor that asked; the answer carries it back. Never used twice by one actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

/// Who asked, as handlers and the controller need to know.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub connection: ConnectionId,
    pub listener: ListenerId,
    pub peer: SocketAddr,
    pub client_id: Option<Arc<str>>,
    /// `User:ANONYMOUS` until there is authentication.
    pub principal: Arc<str>,
    pub api_version: i16,
}

impl RequestContext {
    /// This broker itself asks its controller.
    pub fn of_broker(api_version: i16) -> RequestContext {
        RequestContext {
            connection: ConnectionId::default(),
            listener: ListenerId::default(),
            peer: SocketAddr::from(([0, 0, 0, 0], 0)),
            client_id: None,
            principal: Arc::from("User:ANONYMOUS"),
            api_version,
        }
    }
}

/// Ids `first..first + count` are this shard's to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    pub first: ProducerId,
    pub count: i32,
}

/// Where in a request something stood: topic's index, partition's index.
pub type Place = (u32, u32);

/// What one actor tells another.
#[derive(Debug)]
pub enum Message {
    /// Shard to quorum: a request that the controller decides. Answered by `ControllerReply` once its records are
    /// committed and every shard has said `ImageApplied` for them.
    ControllerRequest {
        id: WorkId,
        context: RequestContext,
        request: Box<Request>,
    },
    /// Quorum to shard.
    ControllerReply {
        id: WorkId,
        response: Box<Response>,
    },
    /// Quorum to every shard: the metadata as of `offset`; `changes` is None for the first image and after a snapshot.
    Image {
        image: Arc<MetadataImage>,
        changes: Option<Arc<Delta>>,
        offset: i64,
        /// Not among the image's records.
        kraft_version: i16,
    },
    /// Shard to quorum: the image of `offset` is in use, logs are created and deleted accordingly.
    ImageApplied {
        offset: i64,
    },
    /// Shard to quorum. Answered by `ProducerIds`.
    AllocateProducerIds,
    /// Quorum to shard; None: could not be allocated now, ask again.
    ProducerIds {
        block: Option<ProducerIdBlock>,
    },
    /// Shard to quorum: this log directory has failed.
    DirectoryFailed {
        directory: DirectoryIndex,
    },
    /// Shard to shard: do this part of a request that I hold. Answered by `PartReply`.
    Part {
        id: WorkId,
        part: Part,
    },
    PartReply {
        id: WorkId,
        reply: PartReply,
    },
    /// Shard to shard: something happened to a partition that your fetch waits for. Said once for each `FetchPart`.
    FetchWake {
        id: WorkId,
    },
    /// Shard to shard: my fetch has been answered, watch nothing for it any more.
    FetchForget {
        id: WorkId,
    },
    /// Shard to shard: the follower's session of mine is over.
    SessionEnded {
        session: i32,
    },
    /// Shard to shard 0, which writes the checkpoint files of the log directories.
    Checkpoint(CheckpointPart),
    /// Shard 0 to shard: say what you have for this file now, somebody waits for it.
    TellCheckpoint(CheckpointKind),
    /// Shard 0 to shard: the recovery points of this directory that you waited for are on the disk.
    RecoveryPointsWritten {
        directory: DirectoryIndex,
    },
}

/// A part of a request, for the shard that owns what it touches.
#[derive(Debug)]
pub enum Part {
    Produce(ProducePart),
    Fetch(FetchPart),
    ReplicaFetch(ReplicaFetchPart),
    DeleteRecords(DeletePart),
    /// Operations on one partition each, all of one request.
    Partitions(Vec<(Place, TopicIdPartition, PartitionOperation)>),
    /// A request about groups of one partition of `__consumer_offsets`.
    Group {
        partition: TopicIdPartition,
        context: RequestContext,
        request: Box<Request>,
    },
    /// Sizes of the partitions of every shard.
    DescribeLogDirs(DescribeLogDirsRequest),
}

/// What comes back for a `Part` of the same kind.
#[derive(Debug)]
pub enum PartReply {
    Produce(Vec<(Place, PartitionProduceResponse)>),
    Fetch(Vec<(u32, FetchOutcome)>),
    ReplicaFetch(Vec<(TopicIdPartition, FetchOutcome)>),
    Partitions(Vec<(Place, PartitionOutcome)>),
    Response(Box<Response>),
}

#[derive(Debug)]
pub struct ProducePart {
    pub acks: i16,
    pub timeout_ms: i32,
    pub api_version: i16,
    pub items: Vec<ProduceItem>,
}

#[derive(Debug)]
pub struct DeletePart {
    pub timeout_ms: i32,
    /// Each with the offset that its log is to start at; -1: the high watermark.
    pub items: Vec<(Place, TopicIdPartition, i64)>,
}

#[derive(Debug)]
pub struct ProduceItem {
    pub place: Place,
    pub partition: TopicIdPartition,
    pub records: Bytes,
}

#[derive(Debug)]
pub struct FetchPart {
    pub items: Vec<(u32, TopicIdPartition, FetchItem)>,
    pub conditions: FetchConditions,
    /// Say `FetchWake` when something happens to one of the partitions.
    pub watch: bool,
}

/// What a follower's fetch says to one of the shards that own its session's partitions.
#[derive(Clone, Debug)]
pub struct ReplicaFetchPart {
    pub session: i32,
    /// The session begins with it, as far as this shard is concerned.
    pub is_new: bool,
    /// Partitions that are new to the session, or from where the follower goes on.
    pub items: Vec<(TopicIdPartition, FetchItem)>,
    pub forgotten: Vec<TopicIdPartition>,
    pub conditions: FetchConditions,
    /// Say `FetchWake` when there is news.
    pub watch: bool,
}

/// What holds for all partitions of one fetch.
#[derive(Clone, Debug)]
pub struct FetchConditions {
    pub api_version: i16,
    /// -1 for a consumer.
    pub replica_id: i32,
    /// Of the replica's registration; -1 where it does not say.
    pub broker_epoch: i64,
    /// What is read again after waiting shows no progress of the replica.
    pub is_first_read: bool,
    pub max_bytes: i32,
    pub read_committed: bool,
    /// Where the consumer is, if the nearest replica is to be found for it (KIP-392).
    pub client_rack: Option<Str>,
}

impl FetchConditions {
    /// For one of several that read without knowing of each other.
    pub fn for_shares(&self, shares: usize) -> FetchConditions {
        let shares = i32::try_from(shares.max(1)).unwrap_or(i32::MAX);
        FetchConditions { max_bytes: self.max_bytes / shares, ..self.clone() }
    }

    pub fn is_from_replica(&self) -> bool {
        self.replica_id >= 0
    }

    /// A consumer that tells its rack may read from any replica (KIP-392).
    pub fn must_ask_leader(&self) -> bool {
        self.is_from_replica() || self.api_version < 11
    }
}

/// Something to do with one partition that is done at once.
#[derive(Debug)]
pub enum PartitionOperation {
    ListOffset(OffsetLookUp),
    EpochEnd {
        leader_epoch: i32,
        current_leader_epoch: i32,
    },
    /// To another log directory.
    Move {
        directory: DirectoryIndex,
    },
    DescribeProducers,
}

/// What came of a `PartitionOperation`.
#[derive(Debug)]
pub enum PartitionOutcome {
    ListOffset(protocol::messages::list_offsets_response::ListOffsetsPartitionResponse),
    EpochEnd(protocol::messages::offset_for_leader_epoch_response::EpochEndOffset),
    DeleteRecords(protocol::messages::delete_records_response::DeleteRecordsPartitionResult),
    /// Error code.
    Moves(i16),
    DescribeProducers(protocol::messages::describe_producers_response::PartitionResponse),
}

/// The lines that one shard adds to a checkpoint file of each log directory.
#[derive(Debug)]
pub struct CheckpointPart {
    pub kind: CheckpointKind,
    pub entries: Vec<(DirectoryIndex, Arc<str>, i32, i64)>,
    /// The shard has closed its logs and will send no more.
    pub last: bool,
    /// A topic was deleted: a line about it must not outlive it, or it would be believed of its next namesake.
    pub at_once: bool,
    /// A log was cut: the shard appends nothing to it before it is told that the file is on the disk.
    pub awaited: bool,
    /// The image that the shard had applied: what that has deleted is not among the entries.
    pub image_offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckpointKind {
    RecoveryPoint,
    LogStart,
    HighWatermark,
}

/// What ListOffsets asks of one partition.
#[derive(Clone, Copy, Debug)]
pub struct OffsetLookUp {
    pub timestamp: i64,
    pub read_committed: bool,
    pub is_client: bool,
    pub current_leader_epoch: i32,
    pub api_version: i16,
}
