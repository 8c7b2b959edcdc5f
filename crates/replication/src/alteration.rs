//! A change of the in-sync set on its way: proposed by the leader, decided by the controller.
//!
//! ```text
//! settled --propose--> wanted --sent--> under way --accepted--> settled, with the new set
//!                        ^                 | not now: again
//!                        +-----------------+ refused for good: undecided until an image tells more
//!                                          + a member is not eligible: settled, with the old set
//! ```
//! Whatever is on its way, an image with a newer partition epoch ends it.

use protocol::ErrorCode;
use types::{LeaderEpoch, NodeId};

/// A change that is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// Tells it from those before and after it.
    pub number: u64,
    /// The whole set as it should be.
    pub in_sync_replicas: Vec<NodeId>,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Wanted,
    UnderWay,
    Undecided,
}

/// What is to be asked of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub number: u64,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    /// Each with the epoch of its registration; -1 where it is not known.
    pub in_sync_replicas: Vec<(NodeId, i64)>,
}

/// What the controller has made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    pub in_sync_replicas: Vec<NodeId>,
}

/// What follows from the controller's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterAlteration {
    /// The set may be another one: the high watermark may move.
    Settled,
    /// Ask again in a while.
    Again,
    /// An image will tell, or has told already.
    Nothing,
}

pub(crate) enum Verdict {
    Withdraw,
    AwaitImage,
    Again,
}

pub(crate) fn verdict(error: ErrorCode) -> Verdict {
    match error {
        ErrorCode::IneligibleReplica => Verdict::Withdraw,
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => Verdict::AwaitImage,
        _ => Verdict::Again,
    }
}
