//! Writes between append and commit: what they will change, and whom they answer. A failed write changes nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::Str;
use types::ProducerId;

use super::io::{Response, Token};
use super::offsets::CommittedOffset;

/// What one record changes when it is committed; one for each record of its write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// The group's own state is already ahead of its record.
    Nothing,
    Offset {
        group: Str,
        topic: Str,
        partition: i32,
        offset: CommittedOffset,
    },
    OffsetRemoved {
        group: Str,
        topic: Str,
        partition: i32,
    },
    /// Nothing where the group has gone on since: joins of a group that is being deleted begin it anew.
    GroupRemoved {
        group: Str,
        generation: i32,
    },
    ForeignRemoved {
        group: Str,
        key: Bytes,
    },
}

/// What is done when the write is committed, or has failed.
#[derive(Debug)]
pub(crate) enum Then {
    Nothing,
    Reply(Token, Response),
    /// A leader's assignment: becomes the group's if its generation still waits for it.
    Assign {
        group: Str,
        generation: i32,
        assignments: BTreeMap<Str, Bytes>,
    },
    /// A group made by a join, not yet in the log.
    NewGroup {
        group: Str,
    },
    /// A static member came back under a new id.
    StaticMember(Box<StaticReplacement>),
}

/// Enough to answer the member that came back, or to undo its coming.
#[derive(Debug)]
pub(crate) struct StaticReplacement {
    pub group: Str,
    pub instance_id: Str,
    pub old_member_id: Str,
    pub new_member_id: Str,
    pub old_leader: Option<Str>,
    pub old_protocols: Vec<(Str, Bytes)>,
    pub old_rebalance_timeout_ms: i32,
    pub old_session_timeout_ms: i32,
}

#[derive(Debug)]
pub(crate) struct PendingWrite {
    pub changes: Vec<Change>,
    pub producer: Option<ProducerId>,
    pub then: Then,
}
