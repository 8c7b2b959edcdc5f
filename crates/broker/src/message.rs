//! What the actors of a node tell each other. Plain data; messages of one pair of actors arrive in order.

use std::net::SocketAddr;
use std::sync::Arc;

use types::ProducerId;

use crate::event::{ConnectionId, DirectoryIndex, ListenerId};

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

/// Ids `first..first + count` are this shard's to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    pub first: ProducerId,
    pub count: i32,
}

/// What one actor tells another.
#[derive(Debug)]
pub enum Message {
    /// Shard to quorum: the image of `offset` is in use, logs are created and deleted accordingly.
    ImageApplied { offset: i64 },
    /// Shard to quorum. Answered by `ProducerIds`.
    AllocateProducerIds,
    /// Quorum to shard; None: could not be allocated now, ask again.
    ProducerIds { block: Option<ProducerIdBlock> },
    /// Shard to quorum: this log directory has failed.
    DirectoryFailed { directory: DirectoryIndex },
}
