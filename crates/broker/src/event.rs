//! What goes into an actor's `step` and what comes out: the whole border between the core and the world.
//! Every frame handed in on an accepted connection is answered by exactly one `Reply` or `NoReply`, in the order of the
//! frames, unless the connection is closed first.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use platform::File;

use crate::Chunk;
use crate::message::Message;
use crate::metrics::Metrics;

/// A connection of one actor; never used again after it closed. The shell numbers those that it accepts, below
/// `DIALED`; an actor numbers those that it asks for, from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Bits of a dialed connection's number within its lane.
const LANE_SHIFT: u32 = 48;

impl ConnectionId {
    /// The first number of connections that actors dial.
    pub const DIALED: u64 = 1 << 63;
    /// Lanes of one actor are below this.
    pub const LANES: u8 = 64;

    /// The `number`th connection dialed in one lane of an actor: whoever dials has a lane of its own.
    pub const fn dialed(lane: u8, number: u64) -> ConnectionId {
        let lane = (lane % ConnectionId::LANES) as u64;
        ConnectionId(ConnectionId::DIALED | lane << LANE_SHIFT | number & ((1 << LANE_SHIFT) - 1))
    }

    pub const fn is_dialed(self) -> bool {
        self.0 >= ConnectionId::DIALED
    }

    /// Of a dialed connection.
    pub const fn lane(self) -> u8 {
        (self.0 >> LANE_SHIFT) as u8 % ConnectionId::LANES
    }
}

/// Where a peer listens: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: Arc<str>,
    pub port: u16,
}

impl Address {
    pub fn new(host: &str, port: u16) -> Address {
        Address { host: Arc::from(host), port }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One of a node's shards, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// A listener by its place in `NodeConfig::listeners`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

/// A log directory by its place in `NodeConfig::log_directories`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryIndex(pub u16);

/// Names one flush or one file write of one actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskToken(pub u64);

/// Who sends and receives messages inside a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorId {
    /// The quorum: raft, the controller and the log of the metadata.
    Quorum,
    Shard(ShardId),
}

/// A disk operation failed: the log directory is lost, nothing in it is tried again; save for a file that found no room
/// for itself, which is written when its time comes again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("log directory {}: {reason}", directory.0)]
pub struct DiskFailure {
    pub directory: DirectoryIndex,
    pub reason: String,
    /// Nothing was changed: the disk is full, or the process has as many files open as it may.
    pub no_room: bool,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    ConnectionOpened {
        connection: ConnectionId,
        listener: ListenerId,
        peer: SocketAddr,
        local: SocketAddr,
    },
    /// The peer is gone. Nothing is written to the connection any more.
    ConnectionClosed {
        connection: ConnectionId,
    },
    /// A connection that this actor dialed is there.
    Dialed {
        connection: ConnectionId,
    },
    /// It is not, and nothing more is heard of it.
    DialFailed {
        connection: ConnectionId,
        reason: String,
    },
    /// One whole request, or on a dialed connection one answer, without its size prefix.
    Frame {
        connection: ConnectionId,
        bytes: Bytes,
    },
    /// From another actor of this node. Messages of one pair arrive in the order in which they were sent.
    Message {
        from: ActorId,
        message: Message,
    },
    /// `Effect::Flush` or `Effect::WriteFile` is done.
    DiskDone {
        token: DiskToken,
        result: Result<(), DiskFailure>,
    },
    /// The time that `Effect::WakeAt` asked for has come. Too early or too often does no harm.
    Tick,
    /// Read the counters: answered by `Effect::Metrics`.
    ReadMetrics,
    /// To the quorum, before anything is shut down: have others lead what this broker leads. `Effect::Left` follows.
    Leave,
    /// Flush, write checkpoints, close the logs; `Effect::Stopped` follows when all is done.
    Shutdown,
}

/// Something to be done.
#[derive(Debug)]
pub enum Effect {
    /// The answer to the oldest unanswered frame, with its size prefix: ready for the socket.
    Reply {
        connection: ConnectionId,
        chunks: Vec<Chunk>,
    },
    /// The oldest unanswered frame wants no answer (acks=0).
    NoReply {
        connection: ConnectionId,
    },
    /// Connect to a peer: `Event::Dialed` or `Event::DialFailed` follows, unless `Effect::Close` comes first. Answers
    /// come as `Event::Frame`, the end as `Event::ConnectionClosed`.
    Dial {
        connection: ConnectionId,
        address: Address,
    },
    /// A request on a dialed connection, with its size prefix: ready for the socket.
    Request {
        connection: ConnectionId,
        chunks: Vec<Chunk>,
    },
    /// Write what was replied so far, then close. No event about this connection is handed in after it.
    Close {
        connection: ConnectionId,
    },
    /// No frame of this connection is handed in before this time: a client over its quota.
    Mute {
        connection: ConnectionId,
        until_monotonic_us: u64,
    },
    Send {
        to: ActorId,
        message: Message,
    },
    /// Sync these files, then these directories that still exist, on a disk worker; then `Event::DiskDone`.
    Flush {
        token: DiskToken,
        directory: DirectoryIndex,
        files: Vec<Arc<dyn File>>,
        directories: Vec<PathBuf>,
    },
    /// `FileSystem::write_atomically` on a disk worker, then `Event::DiskDone`. One worker does those of one path in order.
    WriteFile {
        token: DiskToken,
        directory: DirectoryIndex,
        path: PathBuf,
        content: Bytes,
    },
    /// `Event::Tick` at this monotonic time; replaces what was asked for before.
    WakeAt {
        monotonic_us: u64,
    },
    Metrics(Box<Metrics>),
    /// Something the operator should know: the shell writes it to the log.
    Log {
        level: Level,
        text: String,
    },
    /// The node cannot go on: the shell prints the reason and ends the process with status 1.
    Fatal {
        reason: String,
    },
    /// From the quorum, once: this broker is registered and unfenced and its shards have the image. Clients may connect.
    Ready,
    /// From the quorum, after `Event::Leave`: the broker may stop.
    Left,
    /// The actor has closed everything it owned.
    Stopped,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}
